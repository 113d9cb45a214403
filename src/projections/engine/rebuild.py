"""Rebuilds a projection: makes a new build beside the live one, compares the two, and replaces the live one.

When it is killed at any point, a build still serves: the old one before the one transaction that switches, the new one
after it. The next rebuild drops what is left over. All changes are made on the one connection that holds the rebuild
lock: when that connection is lost, nothing further can happen.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import psycopg

from ledger.postgres.errors import LOST
from ledger.progress import Progress
from ledger.store import Feed, UnreadableEvent
from projections.engine.builds import (
    SQL,
    Batch,
    Build,
    BuildMoved,
    BuildState,
    Connection,
    Work,
    analyze,
    apply,
    build_states,
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
"""Seconds for which a switch waits for readers of the old build that use one long snapshot."""
_SHORT_PATIENCE = 5.0
"""Seconds for which a drop waits for readers. The next rebuild drops what is left over."""
_PAUSE = 0.5


class RebuildRunning(Exception):
    """Another process is rebuilding."""


class BlockedByReaders(Exception):
    """A build could not be replaced or dropped, because readers used it for too long. Nothing was changed."""


class CannotBuild(Exception):
    """An event cannot be applied. The live build stays as it is."""

    def __init__(self, projection: Projection, stop: Stop) -> None:
        super().__init__(f"cannot be built beyond position {stop.position}: {stop.problem}")
        self.projection = projection
        self.position = stop.position


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result of a rebuild.

    `before` is the state of the build that was replaced; `comparison` is None when there was none to compare with.
    """

    projection: Projection
    before: BuildState | None
    position: int
    events: int
    seconds: float
    comparison: Comparison | None


@asynccontextmanager
async def rebuilding(conninfo: str) -> AsyncIterator[Connection]:
    """Hold the rebuild lock until the block ends; yields its connection. Raises RebuildRunning."""
    async with await connect(conninfo) as connection:
        await connection.execute(SQL["end_with_client"])
        cursor = await connection.execute(SQL["lead_rebuild"])
        row = await cursor.fetchone()
        if not row or not row[0]:
            raise RebuildRunning("another process is rebuilding at this moment")
        yield connection


async def rebuild(
    connection: Connection, feed: Feed, projection: Projection, progress: Progress, *, page: int = PAGE
) -> Rebuilt:
    """Rebuild a projection and let the new build serve. `connection` comes from `rebuilding`.

    Raises CannotBuild, BlockedByReaders and LOST.
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
        """The position of the next build."""
        self._events = 0

    async def run(self) -> Rebuilt:
        began = monotonic()
        for left_over in self._next, old_of(self._projection):
            if not await _drop_when_unread(self._connection, left_over):
                raise BlockedByReaders(f"{left_over.schema}, which an earlier rebuild left behind, is being read")
        try:
            await create(self._connection, self._next)
        except psycopg.errors.UndefinedObject as error:
            raise CannotBuild(self._projection, Stop(1, error.diag.message_primary or str(error))) from error
        try:
            comparison = await self._build()
            before = await self._switch()
        except CannotBuild:
            await _drop_when_unread(self._connection, self._next)
            raise
        await _drop_when_unread(self._connection, old_of(self._projection))
        return Rebuilt(self._projection, before, self._position, self._events, monotonic() - began, comparison)

    async def _build(self) -> Comparison | None:
        """Fill the next build, and compare it with the live build on the way."""
        while (at := await self._live()) is not None and at.position - self._position > self._page:
            await self._fill(at.position)
        comparison = await self._compare()
        while (goal := await self._goal()) - self._position > self._page:
            await self._fill(goal)
        await analyze(self._connection, self._projection)
        await self._fill(await self._goal())
        return comparison

    async def _live(self) -> BuildState | None:
        schema = self._projection.schema
        return (await build_states(self._connection, [live(self._projection)])).get(schema)

    async def _goal(self) -> int:
        """The position to reach before a switch: that of the live build if it follows the log closely, else the end.

        A live build at position 0 was made by a migration, and nothing has moved it since.
        """
        end, at = await self._feed.last_position(), await self._live()
        follows = at is not None and at.stopped_at is None and at.position > 0 and end - at.position <= self._page
        return at.position if at is not None and follows else end

    async def _compare(self) -> Comparison | None:
        """Compare the two builds at the same position in one snapshot; None when the next build is beyond it."""
        async with self._connection.transaction():
            await self._connection.execute(SQL["one_moment"])
            at = await self._live()
            if at is None or at.position < self._position:
                return None
            await self._fill(at.position)
            return await compare(self._connection, self._projection, at.position, self._progress)

    async def _fill(self, upto: int) -> None:
        """Bring the next build to position `upto`. No other process moves it. Raises CannotBuild."""
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
        except (BuildMoved, *LOST):
            raise
        except Exception:  # `_apply_as_far` finds the event that fails
            await self._apply_as_far(batch)
        else:
            self._advance(batch)

    async def _apply_as_far(self, batch: Batch) -> None:
        """Apply a batch in smaller parts, up to the event that fails. Raises CannotBuild."""
        if stop := await apply_as_far(self._connection, self._next, batch):
            raise CannotBuild(self._projection, stop)
        self._advance(batch)

    def _advance(self, batch: Batch) -> None:
        self._position = batch.upto
        self._events += len(batch.facts)
        self._progress.reach(self._position)

    async def _switch(self) -> BuildState | None:
        """Let the next build serve; returns the state of the old one. Raises BlockedByReaders."""
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

    async def _try_to_switch(self) -> BuildState | None:
        """Switch while no runner can move the live build: so a reader sees both builds at the same position."""
        await self._connection.execute(SQL["lock_live"])
        try:
            at = await self._live()
            await self._fill(at.position if at else 0)
            await switch(self._connection, self._projection)
        finally:
            await self._connection.execute(SQL["unlock_live"])
        return at


async def _drop_when_unread(connection: Connection, build: Build) -> bool:
    """Drop a build as soon as no transaction reads it; False when that takes longer than _SHORT_PATIENCE."""
    deadline = monotonic() + _SHORT_PATIENCE
    while True:
        try:
            await drop(connection, build)
        except psycopg.errors.LockNotAvailable:
            if monotonic() > deadline:
                return False
        else:
            return True
        await asyncio.sleep(_PAUSE)
