"""Rebuilding: a new build of a projection is made beside the live one, compared with it, and put in its place.

Killed at any point, it leaves a build that serves: the old one until the one transaction that switches, the new one
after it. What else is left over, the next rebuild drops. All that changes anything is done on one connection, which
holds the lock of those who rebuild: if that is lost, nothing further can happen.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import psycopg
from psycopg import sql

from ledger.postgres.errors import LOST
from ledger.progress import Progress
from ledger.store import Feed, UnreadableEvent
from projections.engine.builds import (
    SQL,
    Batch,
    Checkpoint,
    Connection,
    Moved,
    Work,
    apply,
    checkpoints,
    create,
    drop,
    live,
    next_of,
    old_of,
    switch,
)
from projections.engine.compare import Comparison, compare
from projections.engine.runner import PAGE, GatherFailed, Stop, apply_as_far, batches, connect
from projections.models.projection import Projection

PATIENCE = 600.0
"""Seconds that a switch waits for those who read the old build in one long snapshot."""
_SHORT_PATIENCE = 5.0
"""Seconds that dropping waits for readers; what is left over is dropped the next time."""
_PAUSE = 0.5


class Busy(Exception):
    """Somebody else is rebuilding."""


class BlockedByReaders(Exception):
    """Somebody reads for so long what has to be replaced or dropped that it was left as it is."""


class CannotBuild(Exception):
    """An event cannot be applied. What is live stays so."""

    def __init__(self, projection: Projection, stop: Stop) -> None:
        super().__init__(f"cannot be built beyond position {stop.position}: {stop.problem}")
        self.projection = projection
        self.position = stop.position


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was done. `before` is the checkpoint that was replaced; without a comparison there was nothing like it."""

    projection: Projection
    before: Checkpoint | None
    position: int
    events: int
    seconds: float
    comparison: Comparison | None


@asynccontextmanager
async def rebuilding(conninfo: str) -> AsyncIterator[Connection]:
    """The connection on which alone there may be rebuilt, until the block ends. Raises Busy."""
    async with await connect(conninfo) as connection:
        await connection.execute(SQL["notice_the_end"])
        cursor = await connection.execute(SQL["lead_rebuild"])
        row = await cursor.fetchone()
        if not row or not row[0]:
            raise Busy("somebody else is rebuilding at this moment")
        yield connection


async def rebuild(
    connection: Connection, feed: Feed, projection: Projection, progress: Progress, *, page: int = PAGE
) -> Rebuilt:
    """Build a projection anew and let it serve, on a connection of `rebuilding`.

    Raises CannotBuild, BlockedByReaders, and LOST.
    """
    return await _Rebuild(connection, feed, projection, progress, page).run()


class _Rebuild:
    """One rebuild of one projection."""

    def __init__(
        self, connection: Connection, feed: Feed, projection: Projection, progress: Progress, page: int
    ) -> None:
        self._connection = connection
        self._feed = feed
        self._projection = projection
        self._progress = progress
        self._page = page
        self._next = next_of(projection)
        self._position = 0
        """How far the next build has come."""
        self._events = 0

    async def run(self) -> Rebuilt:
        began = monotonic()
        for left_over in self._next.schema, old_of(self._projection):
            if not await _dropped(self._connection, left_over):
                raise BlockedByReaders(f"{left_over}, which an earlier rebuild left over, is being read")
        await create(self._connection, self._next)
        try:
            comparison = await self._build()
            before = await self._switch()
        except CannotBuild:
            await _dropped(self._connection, self._next.schema)
            raise
        await _dropped(self._connection, old_of(self._projection))
        return Rebuilt(self._projection, before, self._position, self._events, monotonic() - began, comparison)

    async def _build(self) -> Comparison | None:
        """All rows, compared with those of the live build on the way."""
        while (at := await self._live()) is not None and at.position - self._position > self._page:
            await self._fill(at.position)
        comparison = await self._compare()
        while (goal := await self._goal()) - self._position > self._page:
            await self._fill(goal)
        await self._analyze()
        await self._fill(await self._goal())
        return comparison

    async def _live(self) -> Checkpoint | None:
        schema = self._projection.schema
        return (await checkpoints(self._connection, [live(self._projection)])).get(schema)

    async def _goal(self) -> int:
        """Where the live build is, if it follows the log closely, so that a switch is no step in time; else the end."""
        end, at = await self._feed.last_position(), await self._live()
        follows = at is not None and at.stopped_at is None and end - at.position <= self._page
        return at.position if at is not None and follows else end

    async def _compare(self) -> Comparison | None:
        """At the very position of the live build, in one snapshot of it; None when the next one is beyond it."""
        async with self._connection.transaction():
            await self._connection.execute(SQL["one_moment"])
            at = await self._live()
            if at is None or at.position < self._position:
                return None
            await self._fill(at.position)
            return await compare(self._connection, self._projection, at.position, self._progress)

    async def _analyze(self) -> None:
        """Questions to the new tables are planned well from the first one on."""
        for table in self._projection.tables:
            name = sql.Identifier(self._next.schema, table.name)
            await self._connection.execute(sql.SQL("ANALYZE {}").format(name))

    async def _fill(self, upto: int) -> None:
        """Bring the next build to a position, if it is not there yet. Nobody else moves it. Raises CannotBuild."""
        if self._position < upto:
            self._progress.begin(f"{self._projection.name}: building", upto, "events")
        while self._position < upto:
            try:
                async with aclosing(batches(self._feed, [self._next], self._position, upto, self._page)) as coming:
                    async for batch, work in coming:
                        await self._apply(batch, work)
            except GatherFailed as error:
                await self._apply_as_far(error.batch)
            except UnreadableEvent as error:
                raise CannotBuild(self._projection, Stop(error.position, str(error))) from error

    async def _apply(self, batch: Batch, work: Work) -> None:
        try:
            await apply(self._connection, batch, work)
        except (Moved, *LOST):
            raise
        except Exception:  # which event it is is found out one by one
            await self._apply_as_far(batch)
        else:
            self._reach(batch)

    async def _apply_as_far(self, batch: Batch) -> None:
        """Apply, piece by piece, what cannot be applied as a whole. Raises CannotBuild."""
        if stop := await apply_as_far(self._connection, self._next, batch):
            raise CannotBuild(self._projection, stop)
        self._reach(batch)

    def _reach(self, batch: Batch) -> None:
        self._position = batch.upto
        self._events += len(batch.facts)
        self._progress.reach(self._position)

    async def _switch(self) -> Checkpoint | None:
        """Let the next build serve; returns where the old one was. Raises BlockedByReaders."""
        deadline = monotonic() + PATIENCE
        while True:
            try:
                return await self._try_to_switch()
            except psycopg.errors.LockNotAvailable:
                if monotonic() > deadline:
                    raise BlockedByReaders(
                        f"{self._projection.name} is being read all the time; nothing is changed"
                    ) from None
            await asyncio.sleep(_PAUSE)

    async def _try_to_switch(self) -> Checkpoint | None:
        """Nobody moves the live build meanwhile. A snapshot that begins now sees both builds at one position."""
        await self._connection.execute(SQL["hold"])
        try:
            at = await self._live()
            await self._fill(at.position if at else 0)
            await switch(self._connection, self._projection)
        finally:
            await self._connection.execute(SQL["let_go"])
        return at


async def _dropped(connection: Connection, schema: str) -> bool:
    """Drop a schema as soon as nobody reads in it; says whether that was soon enough."""
    deadline = monotonic() + _SHORT_PATIENCE
    while True:
        try:
            await drop(connection, schema)
        except psycopg.errors.LockNotAvailable:
            if monotonic() > deadline:
                return False
        else:
            return True
        await asyncio.sleep(_PAUSE)
