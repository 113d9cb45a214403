"""Carrying out a plan: the real ledger, at the moments of the plan.

Everything comes through the same door as a caller's request, so every receipt and every text is as it would be. What
the ledger answers must be what the plan says; anything else stops the filling.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

from api.demo.books import EXPIRE, Surprise, Wish
from api.door import Door
from api.keys import ApiKey, KeyRing
from api.operations import OPERATIONS, Defaults
from api.progress import Showing
from api.refusals import write_counts
from ledger.commands import RecordExpiries
from ledger.feed import Feed
from ledger.news import News
from ledger.service import Ledger
from ledger.store.codec import Metadata
from ledger.store.log import EventLog
from ledger.submissions import Outcome, Recorded, Submission
from projections.changes import bucket_of
from projections.runner import Runner, connect

_TOGETHER = 1_000
"""Commands in flight."""
_AT_ONCE = frozenset({"deduct", "hold", "capture", "extend", "release", "grant", EXPIRE})
"""What is decided the moment it is submitted, on what is in memory; the others read the past first."""
_HOUR = timedelta(hours=1)


class Filled(NamedTuple):
    """What a filling came to."""

    commands: int
    refusals: int
    events: Counter[str]


class PlanClock:
    """The time of whatever is being decided."""

    def __init__(self, begins: datetime) -> None:
        self.now = begins

    def __call__(self) -> datetime:
        """The time."""
        return self.now


async def fill(conninfo: str, wishes: Iterable[Wish], begins: datetime, now: datetime, showing: Showing) -> Filled:
    """Carry out a plan, and move the projections to its end. Raises Surprise."""
    clock = PlanClock(begins)
    async with Ledger(conninfo, clock=clock).running() as ledger:
        filling = _Filling(ledger, clock)
        showing.begin("living through it", (now - begins) // _HOUR, "hours")
        for wish in wishes:
            await filling.carry_out(wish)
            showing.reach((wish.moment - begins) // _HOUR)
        await filling.settle()
        await filling.write_refusals()
    await _project(conninfo, showing)
    return Filled(filling.commands, filling.refusals.total(), filling.events)


class _Filling:
    def __init__(self, ledger: Ledger, clock: PlanClock) -> None:
        self.commands = 0
        self.refusals: Counter[tuple[datetime, str]] = Counter()
        self.events: Counter[str] = Counter()
        self._ledger = ledger
        self._clock = clock
        self._door = Door(ledger, KeyRing(ledger.log, clock, None, 0), Defaults())
        self._numbers = count(1)
        self._waiting: list[tuple[Wish, asyncio.Future[Outcome]]] = []

    async def carry_out(self, wish: Wish) -> None:
        """Have it decided at its moment. One that is decided later, on the past, is waited for."""
        self._clock.now = wish.moment
        self._waiting.append((wish, self._ledger.committer.submit(self._submission(wish))))
        if wish.operation not in _AT_ONCE or wish.refusal is not None or len(self._waiting) >= _TOGETHER:
            await self.settle()

    def _submission(self, wish: Wish) -> Submission:
        self.commands += 1
        if wish.operation == EXPIRE:
            return Submission(RecordExpiries(wish.account_id), Metadata(wish.actor, EXPIRE, None, "sweep"))
        request_id = f"demo-{next(self._numbers):x}"
        operation, key = OPERATIONS[wish.operation], _key(wish.actor)
        return self._door.submission_for(
            operation, wish.account_id, wish.ids, dict(wish.fields), wish.key, None, key, request_id
        )

    async def settle(self) -> None:
        """Wait for all outcomes, and hold them against the plan."""
        waiting, self._waiting = self._waiting, []
        for wish, outcome in waiting:
            self._compare(wish, await outcome)

    def _compare(self, wish: Wish, outcome: Outcome) -> None:
        if isinstance(outcome, Recorded):
            if wish.refusal is not None or outcome.version != wish.version or outcome.replayed:
                raise Surprise(f"version {outcome.version} came of it: {wish}")
            self.events.update(type(event).__name__ for event in outcome.events)
        elif outcome.code != wish.refusal:
            raise Surprise(f"{outcome.message} {wish}")
        else:
            self.refusals[bucket_of(wish.moment), outcome.code] += 1

    async def write_refusals(self) -> None:
        """When they were, for the operators' statistics."""
        async with self._ledger.log.connection() as connection:
            await write_counts(connection, self.refusals)


def _key(actor: str) -> ApiKey:
    """A key that nobody can come in with; it only names who asked."""
    return ApiKey(actor.removeprefix("key:"), "the demo's own", frozenset())


async def _project(conninfo: str, showing: Showing) -> None:
    """Move the projections to the end of the log, so that the first page has everything."""
    log = EventLog(conninfo, readers=2)
    await log.open()
    try:
        feed = Feed(log)
        runner = Runner(conninfo, feed, News(conninfo))
        showing.begin("adding it up", await feed.last_position(), "events")
        async with await connect(conninfo) as connection:
            while await runner.step(connection):
                pass
    finally:
        await log.close()
