"""Writers that do a little of everything while something else goes on, at a pace that a naive folding can follow."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from ledger.commit.submission import Recorded
from ledger.domain.commands import (
    CaptureHold,
    Command,
    DeductCredits,
    ExtendHold,
    GrantCredits,
    OpenAccount,
    PlaceHold,
    RecordDispute,
    RecordPayment,
    RecordSubscription,
    RefundPayment,
    ReleaseHold,
    ReverseDeduction,
    VoidGrant,
)
from ledger.domain.errors import Refusal
from ledger.domain.events import (
    CreditsDeducted,
    CreditsGranted,
    CreditsHeld,
    DisputeState,
    Event,
    HoldCaptured,
    PaymentRecorded,
)
from ledger.domain.plans.subscribed import SubscriptionPayment, SubscriptionStatus
from ledger.domain.plans.terms import Interval, Terms
from ledger.service import Ledger
from tests.projections.histories import usage
from tests.store.asking import submission

_numbers = itertools.count(1)
PAUSE = 0.02


async def write(ledger: Ledger, account: str, chance: random.Random, known: list[Event]) -> None:
    """One command, of which something comes nearly always."""
    done = await ledger.execute(submission(_anything(account, chance, known), "op", f"{next(_numbers)}"))
    assert isinstance(done, Recorded | Refusal)
    if isinstance(done, Recorded):
        known.extend(done.events)


@asynccontextmanager
async def writing(*ledgers: Ledger, accounts: int = 4, seed: int = 0) -> AsyncIterator[None]:
    """Writers on all ledgers until the block ends. They share the accounts."""
    chance = random.Random(seed)
    names = [f"account-{seed}-{number}" for number in range(accounts)]
    known: dict[str, list[Event]] = {name: [] for name in names}
    for name in names:
        opened = await ledgers[0].execute(submission(OpenAccount(name, 1_000_000), "open", name))
        assert isinstance(opened, Recorded)
    stopping = asyncio.Event()

    async def go_on(ledger: Ledger) -> None:
        while not stopping.is_set():
            await asyncio.gather(*(write(ledger, name, chance, known[name]) for name in names))
            await asyncio.sleep(PAUSE)

    tasks = [asyncio.create_task(go_on(ledger)) for ledger in ledgers]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*tasks)


def _anything(account: str, chance: random.Random, known: list[Event]) -> Command:
    grants = [event.grant_id for event in known if isinstance(event, CreditsGranted)]
    holds = [event.hold_id for event in known if isinstance(event, CreditsHeld)][-5:]
    spent = [event.deduction_id for event in known if isinstance(event, CreditsDeducted | HoldCaptured)][-5:]
    paid = [event.payment_id for event in known if isinstance(event, PaymentRecorded)]
    choice: list[Command] = [DeductCredits(account, chance.randint(1, 9), "task", usage=usage(chance))] * 10
    choice += [PlaceHold(account, chance.randint(1, 50), timedelta(seconds=1)), PlaceHold(account, 20)]
    if len(grants) < 20:
        lifetime = timedelta(milliseconds=chance.choice([1, 500, 60_000]))
        lapsing = GrantCredits(account, "subscription", chance.randint(1, 99), lifetime=lifetime)
        choice += [lapsing, RecordPayment(account, f"pi_{len(known)}", account, "paid", 999, "EUR", grants=(lapsing,))]
    if holds:
        hold = chance.choice(holds)
        choice += [ReleaseHold(account, hold), ExtendHold(account, hold, timedelta(seconds=2))]
        choice += [CaptureHold(account, hold, chance.randint(1, 30), False, "draw", usage(chance))] * 2
    if spent:
        choice += [ReverseDeduction(account, chance.choice(spent), chance.choice([1, None]))] * 2
    if paid:
        choice.append(RefundPayment(account, chance.choice(paid), f"re_{len(known)}", 100))
        states: list[DisputeState] = ["open", "open", "won", "lost"]
        dispute = f"dp_{chance.randint(1, 3)}"
        choice.append(RecordDispute(account, chance.choice(paid), dispute, chance.choice(states), 300))
    at = known[-1].recorded_at if known else datetime(2026, 1, 1, tzinfo=UTC)
    plan = Terms("pro", 1, chance.choice([5, 50]), Interval(1, "months"), chance.choice([None, Interval(1, "months")]))
    status: SubscriptionStatus = chance.choice(["active", "active", "past_due", "ended"])
    choice.append(RecordSubscription(account, f"sub_{chance.randint(1, 3)}", account, status, plan, at))
    what = SubscriptionPayment(f"sub_{chance.randint(1, 3)}", chance.choice(["initial", "renewal", "change"]), at)
    choice.append(RecordPayment(account, f"in_{len(known)}", account, "paid", 900, "EUR", subscription=what))
    if grants[1:]:
        choice.append(VoidGrant(account, chance.choice(grants[1:]), chance.choice([1, None])))
    return chance.choice(choice)
