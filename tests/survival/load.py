"""The load: callers that ask one thing after the other, and repeat what has no known outcome until it has one."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

from tests.survival.attempts import Attempt, Group, Notebook
from tests.survival.plan import Plan
from tests.survival.repertoire import Repertoire
from tests.survival.sending import send, unsettled
from tests.survival.wire import Wire

CALLERS = 24
SETTLING = 120.0
"""Seconds after the end of a run in which everything must get a known outcome."""


Manner = Callable[["Load", Wire, Group, random.Random], Awaitable[list[Attempt]]]
"""How a caller sends what it asks for, one time or several; gives what one of the answers said."""


async def once(load: "Load", wire: Wire, group: Group, chance: random.Random) -> list[Attempt]:
    """As most callers do."""
    return await load.send(wire, group)


class Load:
    """Callers at work."""

    def __init__(
        self,
        connect: Callable[[], Wire],
        plan: Plan,
        repertoire: Repertoire | None = None,
        callers: int = CALLERS,
        manner: Manner = once,
    ) -> None:
        self.notebook = Notebook()
        self.repertoire = repertoire or Repertoire()
        self._connect = connect
        self._plan = plan
        self._callers = callers
        self._manner = manner
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._later: set[asyncio.Task[object]] = set()
        self._spare: list[Wire] = []

    def start(self) -> None:
        """Let the callers begin."""
        self._tasks = [asyncio.create_task(self._call(f"caller {number}")) for number in range(self._callers)]

    async def more(self, count: int, patience: float = 60.0) -> None:
        """Wait until so many more commands were acknowledged. Raises Stuck, or what a caller has died of."""
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
        _, late = await asyncio.wait([*self._tasks, *self._later], timeout=SETTLING)
        for task in late:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, *self._later, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        self._hang_up()

    def abandon(self) -> None:
        """Stop at once, whatever is known."""
        for task in [*self._tasks, *self._later]:
            task.cancel()
        self._hang_up()

    def _hang_up(self) -> None:
        for wire in self._spare:
            wire.close()

    async def send(self, wire: Wire, group: Group) -> list[Attempt]:
        """Send a group once, put down what is answered, and learn from it."""
        attempts = await send(wire, group, self.notebook)
        for attempt in attempts:
            self.repertoire.learn(attempt)
        return attempts

    async def send_elsewhere(self, group: Group) -> list[Attempt]:
        """The same over a connection of its own."""
        wire = self._spare.pop() if self._spare else self._connect()
        try:
            return await self.send(wire, group)
        finally:
            self._spare.append(wire)

    def later(self, work: Coroutine[object, object, object]) -> None:
        """Something that nobody waits for before the end."""
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _call(self, name: str) -> None:
        chance = self._plan.chance(name)
        wire = self._connect()
        try:
            while not self._stopping:
                group = self.repertoire.next(chance)
                pause = 0.02
                while asks := unsettled(await self._manner(self, wire, group, chance)):
                    # An atomic batch goes again as it was; of another one only what is not known.
                    group = group if group.atomic else Group(asks)
                    await asyncio.sleep(pause * chance.uniform(0.5, 1.5))
                    pause = min(pause * 2, 0.5)
        finally:
            wire.close()


@asynccontextmanager
async def at_work(load: Load) -> AsyncIterator[Load]:
    """The load while the block runs; after it everything is settled, as far as it can be."""
    load.start()
    try:
        yield load
    except BaseException:
        load.abandon()
        raise
    await load.stop()


@asynccontextmanager
async def under_load(
    connect: Callable[[], Wire],
    plan: Plan,
    repertoire: Repertoire | None = None,
    callers: int = CALLERS,
    manner: Manner = once,
) -> AsyncIterator[Load]:
    """A new load while the block runs."""
    async with at_work(Load(connect, plan, repertoire, callers, manner)) as load:
        yield load
