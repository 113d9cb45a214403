"""Runners that follow a log as a projector's do, and a watch that sees who works and how far the projections are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

from ledger.commit.notifications import CommitListener
from ledger.store.feed import Feed
from ledger.store.log import EventLog
from projections.engine.runner import Runner
from projections.models.catalog import PROJECTIONS
from tests.postgres import owner

LEADER = """
    SELECT a.application_name FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
      AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('projections.runner', 0)
"""


class Seen(NamedTuple):
    """One moment: the events of the log, its end, and the lowest and the highest position of a projection."""

    events: int
    end: int
    lowest: int
    highest: int


SEEN = sql.SQL("SELECT (SELECT count(*) FROM ledger.events), {end}, least({positions}), greatest({positions})").format(
    end=sql.SQL("(SELECT coalesce(max(notification_id), 0) FROM ledger.events)"),
    positions=sql.SQL(", ").join(
        sql.SQL("(SELECT position FROM {})").format(sql.Identifier(projection.schema, "checkpoint"))
        for projection in PROJECTIONS
    ),
)


class Watch:
    """Looks at a database; it outlives a lost connection."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = make_conninfo(owner(conninfo), application_name="watch")
        self._connection: AsyncConnection[Any] | None = None

    async def ask(self, query: sql.Composed | bytes, *parameters: object) -> list[tuple[Any, ...]]:
        connection = await self._connected()
        return await (await connection.execute(query, parameters or None)).fetchall()

    async def tell(self) -> None:
        """Say that there is news."""
        await (await self._connected()).execute("NOTIFY credit_ledger_events")

    async def _connected(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await AsyncConnection.connect(self._conninfo, autocommit=True)
        return self._connection

    async def seen(self) -> Seen:
        return Seen(*(await self.ask(SEEN))[0])

    async def leader(self) -> str | None:
        """The name of the runner that works."""
        rows = await self.ask(LEADER.encode())
        assert len(rows) <= 1
        return str(rows[0][0]) if rows else None

    async def cut(self, name: str) -> None:
        """End the server's side of all connections of somebody."""
        await self.ask(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", name)

    async def has_come(self, position: int) -> None:
        """Wait until all projections have come to a position."""

        async def there() -> bool:
            return (await self.seen()).lowest >= position

        await until(there)

    async def has_caught_up(self) -> None:
        """Wait until all projections are where the log ends now."""
        await self.has_come((await self.seen()).end)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


async def until(holds: Callable[[], Awaitable[object]], patience: float = 240) -> None:
    """Wait until something holds; a database that is away meanwhile is no answer."""
    async with asyncio.timeout(patience):
        while True:
            try:
                if await holds():
                    return
            except psycopg.OperationalError:
                pass
            await asyncio.sleep(0.005)


@asynccontextmanager
async def watching(conninfo: str) -> AsyncIterator[Watch]:
    watch = Watch(conninfo)
    try:
        yield watch
    finally:
        await watch.close()


@asynccontextmanager
async def following(conninfo: str, name: str = "runner") -> AsyncIterator["asyncio.Task[None]"]:
    """A runner under a name, until the block ends or its task is cancelled; it hears news as `name-news`."""
    log = EventLog(make_conninfo(conninfo, application_name=f"{name}-feed"), readers=2)
    await log.open()
    try:
        async with CommitListener(make_conninfo(conninfo, application_name=f"{name}-news")).listening() as listener:
            runner = Runner(make_conninfo(conninfo, application_name=name), Feed(log), listener)
            task = asyncio.create_task(runner.run())
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    finally:
        await log.close()
