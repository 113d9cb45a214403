"""The load: callers that ask one thing after the other, and repeat what has no known outcome until it has one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.survival.attempts import Attempt, Group, Notebook
from tests.survival.plan import Plan
from tests.survival.repertoire import Repertoire
from tests.survival.sending import send, unsettled
from tests.survival.wire import Wire

CALLERS = 24
SETTLING = 120.0
"""Seconds after the end of a run in which everything must get a known outcome."""


class Load:
    """Callers at work."""

    def __init__(
        self, connect: Callable[[], Wire], plan: Plan, repertoire: Repertoire | None = None, callers: int = CALLERS
    ) -> None:
        self.notebook = Notebook()
        self.repertoire = repertoire or Repertoire()
        self._connect = connect
        self._plan = plan
        self._callers = callers
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let the callers begin."""
        self._tasks = [asyncio.create_task(self._call(f"caller {number}")) for number in range(self._callers)]

    async def more(self, count: int, patience: float = 60.0) -> None:
        """Wait until so many more commands were acknowledged. Raises TimeoutError, or what a caller has died of."""
        waiting = asyncio.create_task(self.notebook.more(count, patience))
        await asyncio.wait([waiting, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            if task.done():
                waiting.cancel()
                task.result()
        await waiting

    async def stop(self) -> None:
        """Ask for nothing new; returns when everything that was asked has a known outcome, or never will."""
        self._stopping = True
        _, late = await asyncio.wait(self._tasks, timeout=SETTLING)
        for task in late:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _call(self, name: str) -> None:
        chance = self._plan.chance(name)
        wire = self._connect()
        try:
            while not self._stopping:
                group = self.repertoire.next(chance)
                pause = 0.02
                while asks := unsettled(await self._send(wire, group)):
                    # An atomic batch goes again as it was; of another one only what is not known.
                    group = group if group.atomic else Group(asks)
                    await asyncio.sleep(pause * chance.uniform(0.5, 1.5))
                    pause = min(pause * 2, 0.5)
        finally:
            wire.close()

    async def _send(self, wire: Wire, group: Group) -> list[Attempt]:
        attempts = await send(wire, group, self.notebook)
        for attempt in attempts:
            self.repertoire.learn(attempt)
        return attempts


@asynccontextmanager
async def under_load(
    connect: Callable[[], Wire], plan: Plan, repertoire: Repertoire | None = None, callers: int = CALLERS
) -> AsyncIterator[Load]:
    """A load while the block runs; after it everything is settled, as far as it can be."""
    load = Load(connect, plan, repertoire, callers)
    load.start()
    try:
        yield load
    except BaseException:
        for task in load._tasks:
            task.cancel()
        raise
    await load.stop()
