"""A trial: a service under load with somebody who follows it, something done to it meanwhile, and the verdict."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.survival.attempts import Stuck
from tests.survival.figures import Figures
from tests.survival.follower import Follower, following
from tests.survival.load import CALLERS, Load, Manner, at_work, once
from tests.survival.log import read_log
from tests.survival.plan import Plan
from tests.survival.projected import projections_differ
from tests.survival.proofs import proofs_broken
from tests.survival.repertoire import Repertoire
from tests.survival.verdict import judge
from tests.survival.wire import Wire


@dataclass
class Trial:
    """What a fault works with while its load runs, and the figures when it is over."""

    load: Load
    follower: Follower
    figures: Figures = field(default_factory=Figures)

    async def more(self, count: int) -> None:
        """Wait until so many more commands were acknowledged. Raises Stuck, which ends the trial with a verdict."""
        await self.load.more(count)


@asynccontextmanager
async def trial(
    conninfo: str,
    connect: Callable[[], Wire],
    plan: Plan,
    *,
    repertoire: Repertoire | None = None,
    callers: int = CALLERS,
    manner: Manner = once,
    checkpoints: Path | None = None,
) -> AsyncIterator[Trial]:
    """A load and a follower while the block runs; then everything is settled and `figures` hold the verdict.

    `conninfo` is where the log is to be read afterwards, `checkpoints` where a service signs what it has. The service
    must be up again when the block ends, or come up by itself, and must run its projector.
    """
    async with following(connect) as follower:
        held = Trial(Load(connect, plan, repertoire, callers, manner), follower)
        stuck = []
        try:
            async with at_work(held.load):
                yield held
        except Stuck as error:
            stuck = [str(error)]
        held.figures = await verdict_on(conninfo, held.load, follower, checkpoints)
        held.figures.wrong += stuck


async def verdict_on(conninfo: str, load: Load, follower: Follower | None, checkpoints: Path | None = None) -> Figures:
    """The verdict on a load that has ended, from the log alone."""
    rows, seen = await read_log(conninfo), None
    if follower is not None and rows:
        await follower.come_to(rows[-1].position)
        # What it has seen by now must be in the log that is read after it. All that was asked is settled: what comes
        # later still is the sweeper's, and of no account here.
        seen, end = list(follower.seen), max(rows[-1].position, follower.position)
        rows = [row for row in await read_log(conninfo) if row.position <= end]
    figures = judge(load.notebook.attempts, rows, seen)
    figures.wrong += await projections_differ(conninfo)
    figures.wrong += await proofs_broken(conninfo, checkpoints)
    return figures
