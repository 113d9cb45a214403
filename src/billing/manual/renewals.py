"""Renewals: what time does to the subscriptions at our own provider. The process that leads the biller does it.

Seven days before the end of a period its payment is asked for. Unpaid at the end, the subscription is past due; after
the grace of its plan and two weeks more it ends. Every step is one transaction, with the time of the next one in it: a
step that was cut short is done again. One that fails is told in the log and done again later, and keeps no other from
theirs.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing import catalog
from billing.checkouts.checkout import Bought
from billing.checkouts.table import Connection
from billing.manual import table
from billing.manual.payments import Payments, length_at, price_at
from billing.manual.requests import PageOf, nothing_to_pay, renewal, request
from billing.manual.subscription import DUNNING, Subscription, changed, ended, next_period, past_due, told
from billing.plans import Plan
from ledger.postgres.errors import LOST

MOST = 100
"""Steps of one turn."""
AGAIN = timedelta(minutes=10)
"""How long a step that failed waits."""
_log = logging.getLogger("credit_ledger.renewals")


@dataclass(frozen=True, slots=True)
class Renewals:
    """Carries out what is due. `page_of` gives the path of the page of a checkout."""

    payments: Payments
    page_of: PageOf

    async def turn(self, connection: Connection, now: datetime) -> None:
        """Carry out at most a hundred steps that are due. Raises psycopg.Error when the connection is lost."""
        done = 0
        while found := await table.due(connection, now, MOST - done):
            for due in found:
                await self._isolated(connection, due, now)
            done += len(found)
        if done:
            self.payments.telling.announce()

    async def _isolated(self, connection: Connection, due: table.Due, now: datetime) -> None:
        """Carry out a step. One that fails is told, and waits."""
        try:
            is_closed = await self._is_closed(
                due.account_id
            )  # it takes a connection: nobody is to wait for us meanwhile
            await self._step(connection, due.subscription_id, now, is_closed=is_closed)
        except LOST:
            raise
        except Exception:
            _log.exception(
                "a step of the subscription %r of the account %r failed; it is tried again at %s",
                due.subscription_id,
                due.account_id,
                (now + AGAIN).isoformat(timespec="seconds"),
            )
            await table.postpone(connection, due.subscription_id, now + AGAIN)

    async def _step(self, connection: Connection, subscription_id: str, now: datetime, *, is_closed: bool) -> None:
        async with connection.transaction():
            one = await table.lock(connection, subscription_id)
            if one is None or one.step_at is None or one.step_at > now:
                return  # somebody has changed it meanwhile
            after = ended(one, now) if is_closed else await self._after(connection, one, now)
            if after is None:
                await table.put(connection, replace(one, step_at=one.period_end))
                await self._ask(connection, one, now)
                return
            await table.put(connection, after)
            await self.payments.telling.tell(connection, [after.word(live=self.payments.telling.live)])
            if after.status == "ended":
                await table.cancel_requests(connection, one.subscription_id)

    async def _after(self, connection: Connection, one: Subscription, now: datetime) -> Subscription | None:
        """What a subscription becomes; None when its next payment is to be asked for."""
        if one.ends_at is not None:
            return ended(one, now)
        assert one.period_end is not None
        following = one.following or one.bought
        length = await length_at(connection, following)
        if length is None:
            return changed(one, following, None, keeps=False, now=now) if now >= one.period_end else None
        if not await table.is_requested(connection, one.subscription_id):
            return None
        until = await _waits_until(connection, one)
        if now >= until:
            return ended(one, now)
        return past_due(one, until - DUNNING - one.period_end, now)

    async def _ask(self, connection: Connection, one: Subscription, now: datetime) -> None:
        """Ask for the next payment; one of nothing is taken at once."""
        bought = one.following or one.bought
        length, price = await length_at(connection, bought), await price_at(connection, bought)
        if length is None or price is None:
            return
        period = next_period(one, bought, length)
        until = await _waits_until(connection, one)
        made = renewal(one, bought, price, period, until)
        checkout_id = await request(connection, one, *made, self.page_of, now)
        if checkout_id is None:  # one of this word was closed: the next word asks again
            await table.put(connection, replace(told(one, now), step_at=now))
        elif price.amount_minor == 0:
            await self.payments.receive_on(connection, checkout_id, nothing_to_pay(now))

    async def _is_closed(self, account_id: str) -> bool:
        found = await self.payments.telling.ledger.account_at(account_id)
        return found is None or found.account.standing == "closed"


async def _waits_until(connection: Connection, one: Subscription) -> datetime:
    """How long the payment for the next period is waited for."""
    assert one.period_end is not None
    return one.period_end + await _grace(connection, one.bought) + DUNNING


async def _grace(connection: Connection, bought: Bought) -> timedelta:
    entry = await catalog.find(connection, "plan", bought.entry_id, bought.version)
    return timedelta(hours=entry.body.grace_hours) if isinstance(entry.body, Plan) else timedelta()
