"""Payments at our own provider: what becomes of a checkout when money comes, or when a trial of one is played."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from billing import catalog
from billing.checkouts import table as checkouts
from billing.checkouts.checkout import MANUAL, Bought, Checkout
from billing.checkouts.errors import CheckoutNotFound
from billing.checkouts.table import Connection
from billing.facts import Reason
from billing.manual import table
from billing.manual.payloads import Event, dispute_event, payment_event
from billing.manual.subscription import Subscription, begun, changed, keeps_period, length_of, renewed, tried
from billing.manual.table import Receipt
from billing.manual.telling import Telling
from billing.plans import Plan, PlanPrice, Price
from ledger.domain.plans.terms import Interval

Paid = Literal["paid", "already", "cannot"]
"""`already`: somebody has said so before; `cannot`: the checkout was taken back, or is not one of ours."""


@dataclass(frozen=True, slots=True)
class Payments:
    """Takes payments. All methods raise CheckoutNotFound and psycopg.Error."""

    telling: Telling

    async def receive(self, checkout_id: str, receipt: Receipt) -> Paid:
        """Money for a checkout is here: once, whoever says so, and whenever it comes."""
        async with self.telling.ledger.log.connection() as connection:
            return await self.receive_on(connection, checkout_id, receipt)

    async def receive_on(self, connection: Connection, checkout_id: str, receipt: Receipt) -> Paid:
        """The same over a connection."""
        now = self.telling.ledger.clock()
        async with connection.transaction():
            await checkouts.lock_account(connection, (await _found(connection, checkout_id, now)).account_id)
            checkout = await _found(connection, checkout_id, now)
            subscription_id = checkout.subscription_id
            one = await table.lock(connection, subscription_id) if subscription_id is not None else None
            is_over = one is not None and one.status == "ended"
            if checkout.purpose == "change" and checkout.state != "paid" and (is_over or not self._holds(checkout)):
                return "cannot"
            if not await table.mark_paid(connection, checkout_id, receipt, now, is_over=is_over):
                return "already" if (await _found(connection, checkout_id, now)).state == "paid" else "cannot"
            paid = replace(checkout, amount_minor=receipt.paid_minor)
            going_on = None if is_over else one
            await self.telling.tell(connection, await self._events(connection, paid, going_on, now))
        self.telling.announce()
        return "paid"

    def _holds(self, checkout: Checkout) -> bool:
        """Whether the price of a change holds: it was for the time that was left then, and real money is not asked for
        what was counted in the test mode."""
        return checkout.state == "open" and (checkout.live or not self.telling.live)

    async def decline(self, checkout_id: str) -> None:
        """A payment for a checkout fails. It can still be paid."""
        now = self.telling.ledger.clock()
        async with self.telling.ledger.log.connection() as connection:
            checkout = await _found(connection, checkout_id, now)
            event = payment_event(checkout, "failed", _reason(checkout, None), now, live=self.telling.live)
            async with connection.transaction():
                await self.telling.tell(connection, [event])
        self.telling.announce()

    async def dispute(self, checkout_id: str) -> None:
        """The payment of a checkout is disputed."""
        now = self.telling.ledger.clock()
        async with self.telling.ledger.log.connection() as connection:
            checkout = await _found(connection, checkout_id, now)
            async with connection.transaction():
                await self.telling.tell(connection, [dispute_event(checkout, "open", now, live=self.telling.live)])
        self.telling.announce()

    async def _events(
        self, connection: Connection, checkout: Checkout, one: Subscription | None, now: datetime
    ) -> list[Event]:
        """What a payment comes to, for a subscription that goes on (None: it begins one)."""
        live = self.telling.live
        if checkout.kind == "package":
            return [payment_event(checkout, "paid", "topup", now, live=live)]
        length = await length_at(connection, checkout.bought)
        after = replace(await _after(connection, checkout, one, length, now), live=live)
        await table.put(connection, after)
        if one is not None:
            await table.cancel_requests(connection, one.subscription_id)
        await table.withdraw_others(connection, checkout.checkout_id)
        word = after.word(live=live)
        if length is None or after.period_end is None or after.status == "trialing":
            return [word]
        reason = _reason(checkout, one)
        start = now if reason == "change" else after.period_start
        period = (start, after.period_end)
        name = after.subscription_id
        return [
            payment_event(checkout, "paid", reason, now, live=live, subscription_id=name, period=period),
            word,
        ]


async def _after(
    connection: Connection, checkout: Checkout, one: Subscription | None, length: Interval | None, now: datetime
) -> Subscription:
    if one is None:
        days = await _trial_days(connection, checkout)
        return begun(checkout, length, now) if days is None else tried(checkout, days, now)
    if checkout.purpose == "renewal":
        return renewed(one, checkout, now)
    keeps = keeps_period(one, await length_at(connection, one.bought), length)
    return changed(one, checkout.bought, length, keeps=keeps, now=now)


def _reason(checkout: Checkout, one: Subscription | None) -> Reason:
    """What a payment is for. A plan that costs nothing has no period that could be changed."""
    if checkout.kind == "package":
        return "topup"
    if one is None or (checkout.purpose == "change" and one.period_end is None):
        return "initial"
    return "renewal" if checkout.purpose == "renewal" else "change"


async def _trial_days(connection: Connection, checkout: Checkout) -> int | None:
    """The days of the trial that a checkout begins: it costs nothing although its price does."""
    price = await price_at(connection, checkout.bought)
    if checkout.amount_minor or price is None or not price.amount_minor:
        return None
    entry = await catalog.find(connection, checkout.kind, checkout.entry_id, checkout.version)
    return entry.body.trial.days if isinstance(entry.body, Plan) and entry.body.trial is not None else None


async def price_at(connection: Connection, bought: Bought) -> Price | None:
    """The price of what is bought, in its version; None when it has none."""
    entry = await catalog.find(connection, bought.kind, bought.entry_id, bought.version)
    return next((price for price in entry.body.prices if price.price == bought.price), None)


async def length_at(connection: Connection, bought: Bought) -> Interval | None:
    """How long one payment of what is bought lasts; None when it costs nothing."""
    price = await price_at(connection, bought)
    return length_of(price.interval) if isinstance(price, PlanPrice) else None


async def _found(connection: Connection, checkout_id: str, now: datetime) -> Checkout:
    found = await checkouts.find(connection, checkout_id, now)
    if found is None or found.provider != MANUAL:
        raise CheckoutNotFound(checkout_id)
    return found
