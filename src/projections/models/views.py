"""Views: how the projections are asked. Each question is answered from one snapshot, with the position it stands at.

A caller who has just written asks with the position of the answer: it waits for the projections to get there, a bounded
time, and all who wait cost one look at the checkpoints every few milliseconds.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import cache
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import dict_row

from ledger.postgres.errors import LOST
from ledger.postgres.pool import pool_of
from projections.models.projection import Projection

LONGEST_WAIT = 2.0
"""Seconds that a question waits for a position."""
LOOK_EVERY = 0.01
"""Seconds between two looks at the checkpoints, while somebody waits."""

_GONE = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName)
"""What a statement meets where a projection is not built, or was by a version that had other columns."""


class NotYetVisible(Exception):
    """The projections have not come to the position that was asked for."""

    def __init__(self, wanted: int, position: int) -> None:
        super().__init__(f"position {wanted} is not visible yet; the projections stand at {position}")
        self.wanted = wanted
        self.position = position


class NotBuilt(Exception):
    """A projection is not there, or was built by another version and has not what is asked."""


class Snapshot(NamedTuple):
    """Some projections at one moment. `as_of` is when the event at `position` was recorded; None in an empty log."""

    connection: AsyncConnection[Any]
    position: int
    as_of: datetime | None

    async def rows(self, statement: LiteralString, **parameters: Any) -> list[dict[str, Any]]:
        """What a statement answers."""
        async with self.connection.cursor(row_factory=dict_row, binary=True) as cursor:
            await cursor.execute(statement, parameters, prepare=True)
            return await cursor.fetchall()

    async def row(self, statement: LiteralString, **parameters: Any) -> dict[str, Any] | None:
        """The first row of what a statement answers."""
        rows = await self.rows(statement, **parameters)
        return rows[0] if rows else None


@cache
def _standing(projections: tuple[Projection, ...]) -> LiteralString:
    """The statement that asks where the least far of some projections stands. Their names are our own."""
    union = " UNION ALL ".join(f"SELECT position, as_of FROM {p.schema}.checkpoint" for p in projections)  # noqa: S608
    return f"SELECT position, as_of FROM ({union}) AS c ORDER BY position LIMIT 1"  # noqa: S608


class Views:
    """Asks the projections over a pool of its own, so that screens and commands do not wait for each other."""

    def __init__(self, conninfo: str, *, size: int = 4) -> None:
        self._pool = pool_of(conninfo, size, configure=_read_only)
        self._waiting: dict[asyncio.Future[None], tuple[tuple[Projection, ...], int]] = {}
        self._look: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Views"]:
        """Open the pool until the block ends. Raises psycopg_pool.PoolTimeout when the database cannot be reached."""
        await self._pool.open(wait=True, timeout=10.0)
        try:
            yield self
        finally:
            if self._look is not None:
                self._look.cancel()
            await self._pool.close()

    @asynccontextmanager
    async def snapshot(self, *projections: Projection, at_least: int = 0) -> AsyncIterator[Snapshot]:
        """One moment of some projections, not before a position. Raises NotYetVisible and NotBuilt."""
        if at_least:
            await self._wait(projections, at_least)
        try:
            async with self._pool.connection() as connection, connection.transaction():
                position, as_of = await _where(connection, projections)
                if position < at_least:
                    raise NotYetVisible(at_least, position)
                yield Snapshot(connection, position, as_of)
        except _GONE as error:
            raise NotBuilt(str(error)) from error

    async def _wait(self, projections: tuple[Projection, ...], position: int) -> None:
        """Until a position is visible, or as long as one may wait."""
        there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[there] = projections, position
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._look_out())
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await there
        except TimeoutError:
            pass  # whoever asked looks once more, and says how far it is
        finally:
            del self._waiting[there]

    async def _look_out(self) -> None:
        """Look at the checkpoints for as long as somebody waits."""
        while self._waiting:
            found = await self._positions({projections for projections, _ in self._waiting.values()})
            for there, (projections, position) in self._waiting.items():
                if found.get(projections, -1) >= position and not there.done():
                    there.set_result(None)
            await asyncio.sleep(LOOK_EVERY)

    async def _positions(self, asked: Iterable[tuple[Projection, ...]]) -> dict[tuple[Projection, ...], int]:
        """Where some projections stand; those that are not there, or cannot be reached, are left out."""
        found: dict[tuple[Projection, ...], int] = {}
        with suppress(*LOST):
            async with self._pool.connection() as connection:
                for projections in asked:
                    with suppress(NotBuilt, *_GONE):
                        async with connection.transaction():
                            found[projections], _ = await _where(connection, projections)
        return found


async def _where(connection: AsyncConnection[Any], projections: tuple[Projection, ...]) -> tuple[int, datetime | None]:
    cursor = await connection.execute(_standing(projections), prepare=True)
    row = await cursor.fetchone()
    if row is None:
        raise NotBuilt("a projection has no checkpoint")
    position, as_of = row
    return position, as_of


async def _read_only(connection: AsyncConnection[Any]) -> None:
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
    await connection.execute("SET TimeZone TO 'UTC'")  # in which times come back, whatever the server's own is
    await connection.commit()
