"""The connection of a writer is cut while it commits: the server did it or not, and the writer cannot know.

Several services live in this process, each behind a proxy of its own. Now and then the way to the database stays closed
for longer than the services wait, so that callers, too, have to find out.
"""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from random import Random

from ledger.commit import writer_connection
from ledger.progress import Progress
from tests.store.proxy import ANYWHERE, Cut, CuttingProxy, cutting_proxy
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures
from tests.survival.ground import Ground
from tests.survival.inside import Inside, inside
from tests.survival.plan import Plan
from tests.survival.projector import projecting
from tests.survival.trial import Trial, trial

WRITERS = 6
"""To end the server process of a lost connection takes a tenth of a second, so there have to be some."""
GRACE = 0.15
"""Seconds that the services wait for a database here; usually it is more."""
CLOSED = 0.25
SELDOM = 0.02
"""How often the way stays closed after a cut."""


async def run(times: int, plan: Plan, ground: Ground, progress: Progress) -> Figures:
    """Cut, let the load get an answer or some, cut again; all writers at once."""
    progress.begin("cutting", times, "connections")
    with ground.database() as conninfo, projecting(conninfo), _short_of_patience():
        async with _services(conninfo, plan, ground) as (proxies, services):
            turns = itertools.cycle(services)
            async with trial(conninfo, lambda: next(turns), plan) as held:
                cutting = _Cutting(proxies, held, progress)
                await held.more(WRITERS * 20)
                await asyncio.gather(
                    *(cutting.cut(proxy, times, plan.chance(f"cuts {n}")) for n, proxy in enumerate(proxies))
                )
    places = sum((proxy.made for proxy in proxies), Counter[Cut]())
    told = ", ".join(f"{places[place]:,} {words}" for place, words in PLACES.items())
    held.figures.remarks.append(f"cut {told}")
    return held.figures


PLACES: dict[Cut, str] = {
    "forwarded": "when the commit was just forwarded",
    "late": "before the commit arrived late",
    "done": "when the server had carried it out",
    "half": "in the middle of its answer",
    "before": "before it was forwarded (these are not counted)",
}


class _Cutting:
    """All cuts of a run."""

    def __init__(self, proxies: list[CuttingProxy], held: Trial, progress: Progress) -> None:
        self._proxies = proxies
        self._held = held
        self._showing = progress

    @property
    def _done(self) -> int:
        return sum(proxy.cuts - proxy.made["before"] for proxy in self._proxies)

    async def cut(self, proxy: CuttingProxy, times: int, chance: Random) -> None:
        """Cut one writer again and again until all together were cut so many times."""
        while self._done < times:
            proxy.struck.clear()
            proxy.armed = True
            await proxy.struck.wait()
            if chance.random() < SELDOM:
                proxy.closed = True
                await asyncio.sleep(CLOSED)
                proxy.closed = False
            await self._held.more(chance.choice((1, 1, 5, 20)))
            self._showing.reach(self._done)


@contextmanager
def _short_of_patience() -> Iterator[None]:
    """And of words: a service says of every lost connection that it is lost."""
    usual, writer_connection.GRACE = writer_connection.GRACE, GRACE
    loggers = [logging.getLogger(name) for name in ("credit_ledger", "psycopg")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        writer_connection.GRACE = usual
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@asynccontextmanager
async def _services(
    conninfo: str, plan: Plan, ground: Ground
) -> AsyncIterator[tuple[list[CuttingProxy], list[Inside]]]:
    async with AsyncExitStack() as stack:
        proxies, services = [], []
        for number in range(WRITERS):
            folder = stack.enter_context(ground.folder())
            seed = plan.chance(f"proxy {number}").randrange(2**32)
            proxy, through = await stack.enter_async_context(cutting_proxy(conninfo, folder, seed, ANYWHERE))
            proxies.append(proxy)
            services.append(await stack.enter_async_context(inside(through)))
        yield proxies, services


FAULT = Fault("cut-connection", "connection cut right after COMMIT was forwarded", "cuts", 10_000, 40, run)
