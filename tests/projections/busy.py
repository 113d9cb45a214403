"""A history in which everything happens that an account can go through, by way of the ledger itself."""

import itertools
from datetime import timedelta

from ledger.commit.submission import Recorded
from ledger.domain.commands import (
    CaptureHold,
    ChangeGrantExpiry,
    CloseAccount,
    Command,
    DeductCredits,
    ExtendHold,
    FreezeAccount,
    GrantCredits,
    OpenAccount,
    PlaceHold,
    RecordDispute,
    RecordExpiries,
    RecordPayment,
    RecordSubscription,
    RefundPayment,
    ReleaseHold,
    ReopenAccount,
    ReverseDeduction,
    UnfreezeAccount,
    UpdateAccount,
    VoidGrant,
)
from ledger.domain.events import Events
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.domain.plans.terms import Interval, Terms
from ledger.domain.related_events import made_by
from ledger.domain.usage import Usage
from ledger.service import Ledger
from tests.conftest import Clock
from tests.store.asking import submission

DAY = timedelta(days=1)
LIFE = 50
"""The events of one account when `live` is over."""
_numbers = itertools.count(1)
USAGE: Usage = {"provider": "p", "model": "m", "project": "x", "member": "ada", "metric": "tokens", "input_tokens": 70}
MEASURED: Usage = {"model": "m", "key": "k", "agent": "a", "quantity": 3, "duration_ms": 1_500, "success": False}


class Busy:
    """Asks a ledger, and lets time pass."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._name = next(_numbers)
        self._number = 0

    async def ask(self, command: Command) -> Events:
        """Carry out a command, which must not be refused, under a key of its own."""
        self._number += 1
        key = f"{self._name}.{self._number}"
        outcome = await self._ledger.execute(submission(command, "op", key, (key,)))
        assert isinstance(outcome, Recorded), outcome
        return outcome.events

    async def make(self, command: Command) -> str:
        """The same, and the id of what was made."""
        return next(name for event in reversed(await self.ask(command)) if (name := made_by(event)))

    async def live(self, account: str) -> None:
        """Everything once, and credits left of each kind, an open hold and an open payment at the end."""
        await self.ask(OpenAccount(account, 100, labels={"plan": "free", "region": "eu"}))
        await self.ask(UpdateAccount(account, "A team", labels={"plan": "pro", "region": None, "team": account}))
        await self._spend(account)
        await self._hold(account)
        await self._pay(account)
        await self.ask(FreezeAccount(account))
        await self.ask(UnfreezeAccount(account))
        self._clock.forward(hours=1)
        grant = GrantCredits(account, "subscription", 500, lifetime=90 * DAY, transaction_id="t9", description="more")
        await self.ask(grant)
        await self.ask(DeductCredits(account, 9, "last", "the last one", usage=USAGE))
        await self.ask(PlaceHold(account, 11, DAY, "held", "still open"))

    async def _spend(self, account: str) -> None:
        await self.ask(GrantCredits(account, "subscription", 60, lifetime=DAY, transaction_id="t1"))
        spent = await self.make(DeductCredits(account, 30, "task-1", "first", usage=USAGE))
        await self.ask(DeductCredits(account, 5, "task-2", usage={"model": "other", "output_tokens": 3}))
        await self.ask(DeductCredits(account, 1))
        await self.ask(ReverseDeduction(account, spent, 10, "wrong"))
        self._clock.forward(days=1)
        await self.ask(RecordExpiries(account))  # what is left of the sixty
        await self.ask(ReverseDeduction(account, spent))  # comes back and lapses at once
        until = self._clock() + 2 * DAY
        brief = await self.make(GrantCredits(account, "subscription", 7, lifetime=DAY))
        await self.ask(ChangeGrantExpiry(account, brief, until - DAY / 2))
        self._clock.forward(days=3)
        await self.ask(ChangeGrantExpiry(account, brief, until + 3 * DAY, True, "too early"))
        coming = GrantCredits(account, "subscription", 6, lifetime=DAY, effective_at=self._clock() + 9 * DAY)
        await self.ask(ChangeGrantExpiry(account, await self.make(coming), self._clock() + 30 * DAY))
        self._clock.forward(minutes=20)

    async def _hold(self, account: str) -> None:
        captured = await self.make(PlaceHold(account, 20, DAY, "task-3"))
        await self.ask(CaptureHold(account, captured, 5, final=False, usage=USAGE))
        await self.ask(CaptureHold(account, captured, 7))
        released = await self.make(PlaceHold(account, 10, DAY))
        await self.ask(ExtendHold(account, released, 2 * DAY))
        await self.ask(ReleaseHold(account, released))
        await self.ask(PlaceHold(account, 4, timedelta(minutes=1)))
        self._clock.forward(minutes=30)
        await self.ask(RecordExpiries(account))

    async def _pay(self, account: str) -> None:
        bought = GrantCredits(account, "permanent", 200, "topup", description="bought")
        await self.ask(RecordPayment(account, "pay-1", f"bank-{account}", "paid", 1999, "eur", "gold", (bought,)))
        await self.ask(RefundPayment(account, "pay-1", "re-1", 500))
        refunded = GrantCredits(account, "subscription", 50, lifetime=9 * DAY)
        await self.ask(RecordPayment(account, "pay-2", f"bank-{account}", "paid", 100, "usd", None, (refunded,)))
        await self.ask(RefundPayment(account, "pay-2", "re-2"))
        for name in ("dp-1", "dp-2", "dp-3"):
            await self.ask(RecordDispute(account, "pay-1", name, "open", 400))
        await self.ask(RecordDispute(account, "pay-1", "dp-1", "lost"))
        await self.ask(RecordDispute(account, "pay-1", "dp-2", "won"))
        await self.ask(RecordPayment(account, "pay-3", f"bank-{account}", "failed", 5, "eur"))
        await self._subscribe(account)
        voided = await self.make(GrantCredits(account, "permanent", 40, "promotion"))
        yesterday = self._clock() - DAY
        await self.ask(DeductCredits(account, 3, "task-4", usage=MEASURED, occurred_at=yesterday))
        await self.ask(VoidGrant(account, voided, 15, "part"))
        await self.ask(VoidGrant(account, voided, None, "all"))

    async def _subscribe(self, account: str) -> None:
        """A subscription that is paid for."""
        bank, plan, at = f"bank-{account}", Terms("pro", 1, 30, Interval(9, "days"), Interval(9, "days")), self._clock()
        await self.ask(RecordSubscription(account, "sub-1", bank, "active", plan, at))
        what = SubscriptionPayment("sub-1", "initial", at, at, at + 9 * DAY)
        await self.ask(RecordPayment(account, "pay-4", bank, "paid", 900, "eur", subscription=what))

    async def fall_short(self, account: str) -> None:
        """Use more than there is, some of which is waived."""
        short = await self.make(DeductCredits(account, 100_000, "long", usage=USAGE, on_shortfall="available"))
        await self.make(DeductCredits(account, 5, on_shortfall="available"))
        await self.ask(ReverseDeduction(account, short, 40, "billed"))

    async def end(self, account: str) -> None:
        """Close it, for good."""
        await self.fall_short(account)
        await self.ask(CloseAccount(account, "gone"))
        await self.ask(ReopenAccount(account, "back"))
        await self.ask(CloseAccount(account, "gone again"))
