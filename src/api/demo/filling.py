"""Carrying out a plan: the real ledger, at the moments of the plan.

Every command is what a door makes of a caller's request, so every receipt and every text is as it would be. What the
ledger answers must be what the plan says; anything else stops the filling.
"""

from collections import Counter, deque
from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import NamedTuple

from api.demo.books import Surprise, Wish
from ledger.commit.submission import Outcome, Recorded, Submission
from ledger.domain.changes import bucket_of
from ledger.progress import Progress
from ledger.service import Ledger
from ledger.store import EventLog, Feed, Metadata
from measures.refusals import write_counts
from projections.engine.builds import apply, live
from projections.engine.runner import batches, connect
from projections.models.catalog import PROJECTIONS

_TOGETHER = 1_000
"""Commands of one transaction. The ledger decides them in their order, each at its own moment."""
_HOUR = timedelta(hours=1)


class Filled(NamedTuple):
    """What a filling came to."""

    commands: int
    refusals: int
    events: Counter[str]


class PlanClock:
    """The moments of a plan: each decision asks once."""

    def __init__(self, begins: datetime) -> None:
        self._now = begins
        self._coming: deque[datetime] = deque()

    def __call__(self) -> datetime:
        """The moment of what is being decided."""
        if self._coming:
            self._now = self._coming.popleft()
        return self._now

    def tell(self, moments: Iterable[datetime]) -> None:
        """The moments of what is decided next."""
        self._coming = deque(moments)


async def fill(conninfo: str, wishes: Iterable[Wish], begins: datetime, now: datetime, progress: Progress) -> Filled:
    """Carry out a plan, and move the projections to its end. Raises Surprise."""
    clock = PlanClock(begins)
    async with Ledger(conninfo, clock=clock).running() as ledger:
        filling = _Filling(ledger, clock)
        progress.begin("living through it", (now - begins) // _HOUR, "hours")
        for wish in wishes:
            await filling.carry_out(wish)
            progress.reach((wish.moment - begins) // _HOUR)
        await filling.settle()
        await filling.write_refusals()
    await _project(conninfo, progress)
    return Filled(filling.commands, filling.refusals.total(), filling.events)


class _Filling:
    def __init__(self, ledger: Ledger, clock: PlanClock) -> None:
        self.commands = 0
        self.refusals: Counter[tuple[datetime, str]] = Counter()
        self.events: Counter[str] = Counter()
        self._ledger = ledger
        self._clock = clock
        self._waiting: list[Wish] = []

    async def carry_out(self, wish: Wish) -> None:
        """Together with others, unless it will be refused: then nothing else may be in its transaction."""
        if wish.refusal is not None:
            await self.settle()
            await self._refuse(wish)
            return
        self._waiting.append(wish)
        if len(self._waiting) >= _TOGETHER:
            await self.settle()

    async def settle(self) -> None:
        """Carry out what waits, and hold the outcomes against the plan."""
        wishes, self._waiting = self._waiting, []
        if not wishes:
            return
        self._clock.tell(wish.moment for wish in wishes)
        outcomes = await self._ledger.execute_together([self._submission(wish) for wish in wishes])
        for wish, outcome in zip(wishes, outcomes, strict=True):
            self._compare(wish, outcome)

    async def _refuse(self, wish: Wish) -> None:
        self._clock.tell([wish.moment])
        outcome = await self._ledger.execute(self._submission(wish))
        if isinstance(outcome, Recorded) or outcome.code != wish.refusal:
            raise Surprise(f"{outcome!r} came of {wish}")
        self.refusals[bucket_of(wish.moment), outcome.code] += 1

    def _submission(self, wish: Wish) -> Submission:
        self.commands += 1
        metadata = Metadata(wish.actor, wish.operation, wish.key, f"demo-{self.commands:x}")
        return Submission(wish.command, metadata, wish.fingerprint)

    def _compare(self, wish: Wish, outcome: Outcome) -> None:
        if not isinstance(outcome, Recorded) or outcome.replayed or outcome.version != wish.version:
            raise Surprise(f"{outcome!r} came of {wish}")
        if outcome.events[-1].recorded_at != wish.moment:
            raise Surprise(f"it was decided at {outcome.events[-1].recorded_at}: {wish}")
        self.events.update(type(event).__name__ for event in outcome.events)

    async def write_refusals(self) -> None:
        """When they were, for the operators' statistics."""
        async with self._ledger.log.connection() as connection:
            await write_counts(connection, self.refusals)


async def _project(conninfo: str, progress: Progress) -> None:
    """Move the projections to the end of the log, so that the first page has everything."""
    log = EventLog(conninfo, readers=2)
    await log.open()
    try:
        feed, builds = Feed(log), [live(projection) for projection in PROJECTIONS]
        end = await feed.last_position()
        progress.begin("adding it up", end, "events")
        async with await connect(conninfo) as connection, aclosing(batches(feed, builds, 0, end)) as coming:
            async for batch, work in coming:
                await apply(connection, batch, work, first=["lock"])
                progress.reach(batch.upto)
    finally:
        await log.close()
