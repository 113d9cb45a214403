"""Sends the changes that are held until shortly before the end of a period, to providers that keep none for us.

Whoever takes one has it for some minutes, and marks it as sent once the provider has answered. A process that is killed
in between leaves it to the next one, which sends it again under the same key. So each is carried out once, where the
provider knows keys; where it does not, putting a subscription on the plan that it has changes nothing.
"""

import asyncio
import logging
from datetime import timedelta

import psycopg

from billing.calls.calls import Changed, ProviderFailed
from billing.changes.changing import Changing
from billing.changes.receipts import Claimed
from billing.changes.refusals import NoSubscription
from billing.changes.running import Running, named
from billing.errors import BillingRefused
from ledger.domain.errors import AccountNotFound

INTERVAL = 30.0
"""Seconds between two looks for what is due."""
LEASE = timedelta(minutes=5)
"""For how long nobody else takes what one has taken, and how long a failure waits."""
MOST_ATTEMPTS = 24
_BATCH = 20
_log = logging.getLogger("credit_ledger.changes")


class HeldChanges:
    """The held changes of a ledger."""

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            try:
                while await self.send_due() == _BATCH:
                    pass
            except psycopg.Error as error:
                _log.warning("held changes wait for the database: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(INTERVAL)

    async def send_due(self) -> int:
        """Send what is due now. Returns how many there were. Raises psycopg.Error."""
        now = self._changing.clock()
        due = await self._changing.receipts.claim(now, now + LEASE, _BATCH)
        for one in due:
            await self._send(one)
        return len(due)

    async def _send(self, one: Claimed) -> None:
        receipts = self._changing.receipts
        try:
            running = await self._still_wanted(one)
            if running is None:
                await receipts.dropped(one.number)
                return
            await self._changing.put_down(await self._asked(one, running))
        except BillingRefused as refused:
            again_at = self._changing.clock() + LEASE if self._may_try_again(one, refused) else None
            _log.warning("the held change of %s to %s failed: %s", one.subscription_id, one.plan, refused)
            await receipts.failed(one.number, str(refused), again_at)
        else:
            await receipts.sent(one.number)

    async def _asked(self, one: Claimed, running: Running) -> Changed:
        calls = self._changing.calls_of(running)
        return await calls.change(running.own_id, one.product, one.quantity, "period_end", f"held:{one.number}")

    async def _still_wanted(self, one: Claimed) -> Running | None:
        """The subscription, unless it has ended, or ends, or has the plan already."""
        try:
            running = named(await self._changing.running(one.account_id), one.account_id, one.subscription_id)
        except (NoSubscription, AccountNotFound):
            return None
        is_there = running.plan == one.plan and running.now["quantity"] == one.quantity
        return None if is_there or running.now["cancel_at"] is not None else running

    def _may_try_again(self, one: Claimed, refused: BillingRefused) -> bool:
        return isinstance(refused, ProviderFailed) and one.attempts < MOST_ATTEMPTS
