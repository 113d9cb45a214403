"""Accounts that look back on a year, and one that is young, in a database of their own: what `depth`, `summary` and
`days` ask about.

The busy one has events in every quarter of an hour of the year; no other account of so many events has more rows in
any projection. The typical one works from morning to evening.
"""

from datetime import UTC, datetime, time, timedelta
from random import Random

import uvloop

from benchmarks.accounts import AMPLE
from benchmarks.bench import Bench
from benchmarks.filling import Filler, Wish, filling
from benchmarks.progress import say
from benchmarks.read_side import catch_up, empty
from benchmarks.sessions import deduction
from benchmarks.stand import Stand
from projections.models.catalog import PROJECTIONS

BUSY = "busy-for-a-year"
TYPICAL = "some-hours-a-day"
YOUNG = "young"

DAYS = 366
QUARTER = timedelta(minutes=15)
QUARTERS = DAYS * 96
TYPICAL_QUARTERS = 20
"""Of each day."""
YOUNG_ENTRIES = 100
YOUNG_FOR = timedelta(days=35)

_OPENING = 2
"""Entries that come of opening an account."""
_PAUSE = timedelta(minutes=30)
_MORNING = time(8, tzinfo=UTC)
_TOGETHER = 3_000
_TELL_EVERY = 100_000


def years(bench: Bench) -> Stand:
    """The database, made when it is first asked for, with all projections at the end of its log."""
    if bench.years is None:
        stand = bench.stand.apart("years")
        say(f"making an account with {bench.pace.quarter_events * QUARTERS:,} events in a year")
        uvloop.run(_fill(stand.ours.conninfo, bench.pace.quarter_events))
        empty(stand.ours.conninfo)
        catch_up(stand.ours.conninfo, PROJECTIONS)
        stand.settle()
        bench.years = stand
    return bench.years


async def _fill(conninfo: str, quarter_events: int) -> None:
    now = datetime.now(UTC)
    begins = now - DAYS * 96 * QUARTER
    async with filling(conninfo, begins, QUARTER / quarter_events) as filler:
        chance = Random(quarter_events)
        await _open(filler, BUSY)
        await _deduct(filler, chance, BUSY, QUARTERS * quarter_events - _OPENING)
        await _fill_typical(filler, chance, begins, now)
        filler.clock.now, filler.clock.step = now - YOUNG_FOR, YOUNG_FOR / YOUNG_ENTRIES
        await _open(filler, YOUNG)
        await _deduct(filler, chance, YOUNG, YOUNG_ENTRIES - _OPENING)


async def _fill_typical(filler: Filler, chance: Random, begins: datetime, now: datetime) -> None:
    """Every day that is over by now: nothing may be recorded in the future."""
    filler.clock.now, filler.clock.step = begins, _PAUSE
    await _open(filler, TYPICAL)
    for day in range(1, DAYS + 1):
        morning = datetime.combine(begins + timedelta(days=day), _MORNING)
        if morning + TYPICAL_QUARTERS * _PAUSE <= now:
            filler.clock.now = morning
            await _deduct(filler, chance, TYPICAL, TYPICAL_QUARTERS)


async def _open(filler: Filler, account: str) -> None:
    """Two lots that nothing here uses up; the one that comes first lapses when nobody asks any more."""
    until = (datetime.now(UTC) + timedelta(days=DAYS)).isoformat()
    grant = {"kind": "subscription", "amount": AMPLE, "transaction_id": "first", "expires_at": until}
    opening = Wish("open", account, {"account_id": account, "signup_credits": AMPLE})
    await filler.ask([opening, Wish("grant", account, grant)])


async def _deduct(filler: Filler, chance: Random, account: str, deductions: int) -> None:
    for start in range(0, deductions, _TOGETHER):
        await filler.ask(deduction(chance, account) for _ in range(min(_TOGETHER, deductions - start)))
        if (start + _TOGETHER) % _TELL_EVERY < _TOGETHER < deductions:
            say(f"  filled with {start + _TOGETHER:,} deductions")
