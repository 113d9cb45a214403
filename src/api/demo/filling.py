"""Carrying out a plan: the real ledger, at the moments of the plan.

Every command is as a caller's request would make it, so every receipt and every text is as it would be. What the ledger
answers must be what the plan says; anything else stops the filling.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import NamedTuple

from api.demo.plan import PlanMismatch, PlannedCommand
from ledger.commit.submission import Outcome, Recorded, Submission
from ledger.domain.changes import bucket_of
from ledger.progress import Progress
from ledger.service import Ledger
from ledger.store import Feed
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


async def fill(
    conninfo: str, plan: Iterable[PlannedCommand], begins: datetime, now: datetime, progress: Progress
) -> Filled:
    """Carry out a plan, and move the projections to its end. Raises PlanMismatch."""
    moments = deque([begins])
    commands, refusals, events = 0, Counter[tuple[datetime, str]](), Counter[str]()
    async with Ledger(
        conninfo, clock=lambda: moments.popleft() if len(moments) > 1 else moments[0]
    ).running() as ledger:
        progress.begin("recording the history", (now - begins) // _HOUR, "hours")
        for batch in _transactions(plan):
            moments.clear()
            moments.extend(planned.moment for planned in batch)
            for planned, outcome in zip(batch, await _execute(ledger, batch), strict=True):
                _check(planned, outcome)
                if isinstance(outcome, Recorded):
                    events.update(type(event).__name__ for event in outcome.events)
                else:
                    refusals[bucket_of(planned.moment), outcome.code] += 1
            commands += len(batch)
            progress.reach((batch[-1].moment - begins) // _HOUR)
        async with ledger.log.connection() as connection:
            await write_counts(connection, refusals)
        await _project(conninfo, Feed(ledger.log), progress)
    return Filled(commands, refusals.total(), events)


def _transactions(plan: Iterable[PlannedCommand]) -> Iterator[list[PlannedCommand]]:
    """Many commands at a time. The halves of a move are by themselves, as the ledger wants them. One that is refused is
    alone, or nothing of its transaction would be carried out.
    """
    for most, group in groupby(plan, key=_together):
        while batch := list(islice(group, most)):
            yield batch


def _together(planned: PlannedCommand) -> int:
    """How many commands like this one are in one transaction."""
    if planned.refusal is not None:
        return 1
    return 2 if planned.moves else _TOGETHER


async def _execute(ledger: Ledger, batch: Sequence[PlannedCommand]) -> Sequence[Outcome]:
    submissions = [Submission(planned.command, planned.metadata, planned.fingerprint) for planned in batch]
    if len(submissions) == 1:
        return [await ledger.execute(submissions[0])]
    return await ledger.execute_together(submissions)


def _check(planned: PlannedCommand, outcome: Outcome) -> None:
    """Hold an outcome against the plan. Raises PlanMismatch."""
    if isinstance(outcome, Recorded):
        answer = None, outcome.version, outcome.events[-1].recorded_at
        as_planned = not outcome.replayed and answer == (planned.refusal, planned.version, planned.moment)
    else:
        as_planned = outcome.code == planned.refusal
    if not as_planned:
        raise PlanMismatch(f"{outcome!r} is what came of {planned}")


async def _project(conninfo: str, feed: Feed, progress: Progress) -> None:
    """Move the projections to the end of the log, so that the first page has everything."""
    builds, end = [live(projection) for projection in PROJECTIONS], await feed.last_position()
    progress.begin("building the projections", end, "events")
    async with await connect(conninfo) as connection, aclosing(batches(feed, builds, 0, end)) as coming:
        async for batch, work in coming:
            await apply(connection, batch, work, first=["lock"])
            progress.reach(batch.upto)
