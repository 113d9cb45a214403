"""Limits when many spend at once, in several processes: nobody passes one, and what a limit leaves can be used.

`python -m pytest tests/store/test_limits_under_load.py` with CREDIT_LEDGER_TEST_LONG has the longer form.
"""

import asyncio
from collections import defaultdict

import orjson

from ledger.commit.submission import Recorded
from ledger.domain.commands import CaptureHold, DeductCredits, NewLimit, PlaceHold, SetLimits
from ledger.domain.errors import LimitReached
from ledger.domain.events import CreditsHeld
from ledger.domain.periods import CalendarPeriod
from ledger.service import Ledger
from tests.long_form import times
from tests.store.asking import open_account, sound, submission

TEAM, MEMBERS = "team", 10
EACH, POOL = 40, 300
DAY = CalendarPeriod("day", "Europe/Berlin")
LIMITS = (
    NewLimit("each", EACH, ("member",)),
    NewLimit("each-day", EACH + 1, ("member",), period=DAY),
    NewLimit("pool", POOL),
)


async def test_no_concurrency_passes_a_limit_and_all_of_it_is_used(each_database: str) -> None:
    async with Ledger(each_database).running() as one, Ledger(each_database).running() as two:
        await open_account(one, TEAM, permanent=10 * POOL)
        done = await one.execute(submission(SetLimits(TEAM, "plan", LIMITS), "limits", "plan", ("plan",)))
        assert isinstance(done, Recorded)

        async def spend(ledger: Ledger, name: str) -> None:
            for turn in range(times(4, 40)):
                tasks = [use(ledger, f"{name}-{turn}-{n}", f"m{n % MEMBERS}", n) for n in range(4 * MEMBERS)]
                await asyncio.gather(*tasks)

        await asyncio.gather(spend(one, "one"), spend(two, "two"))
        for member in range(MEMBERS):  # credit by credit, until the pool or the member's limit is exactly full
            while isinstance(
                await take(one, f"m{member}", 1, f"rest-{member}-{(await used(one))['m' + str(member)]}"), Recorded
            ):
                pass
        spent = await used(two)
        assert sum(spent.values()) == POOL
        assert max(spent.values()) <= EACH
        found = await two.account_at(TEAM)
        assert found is not None
        assert found.account.limits is not None
        for limit in found.account.limits.all:
            counters = {value: counter.used for value, counter in limit.counters() if counter.used}
            assert counters == (
                {None: POOL} if limit.limit.limit_id == "pool" else {m: n for m, n in spent.items() if n}
            )
        await sound(two)


async def use(ledger: Ledger, key: str, member: str, number: int) -> None:
    """A deduction, or a hold of which a part is captured; what a limit refuses is refused."""
    if number % 3:
        outcome = await take(ledger, member, 3, key)
    else:
        hold = PlaceHold(TEAM, 5, usage={"member": member})
        outcome = await ledger.execute(submission(hold, "hold", key, (5,)))
        if isinstance(outcome, Recorded):
            placed = outcome.events[-1]
            assert isinstance(placed, CreditsHeld)
            capture = submission(CaptureHold(TEAM, placed.hold_id, 2), "capture", key, (placed.hold_id, 2))
            assert isinstance(await ledger.execute(capture), Recorded)
    assert isinstance(outcome, Recorded | LimitReached), outcome


async def take(ledger: Ledger, member: str, amount: int, key: str) -> object:
    """Deduct for a member."""
    command = DeductCredits(TEAM, amount, key, usage={"member": member})
    return await ledger.execute(submission(command, "deduct", key, (amount, key)))


async def used(ledger: Ledger) -> dict[str, int]:
    """What each member has used, added up from the log."""
    sums: dict[str, int] = defaultdict(int)
    for row in await ledger.stream(TEAM, 0, 1_000_000):
        data = orjson.loads(row.state)["data"]
        if row.topic in {"CreditsDeducted", "HoldCaptured"}:
            sums[data["usage"]["member"]] += data["amount"]
    return sums
