"""The log in PostgreSQL: what appends events, and the pool to read them through (reader.py).

`EventLog` reads through a pool. `Writer` is the one connection on which a process appends. When it is lost, the server
process behind it is ended (fence.py) before another writer is used, so that no earlier statement can commit later.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import psycopg

from ledger.clock import DatabaseTime
from ledger.postgres.connecting import connect_async
from ledger.postgres.keepalives import with_keepalives
from ledger.postgres.pool import pool_of
from ledger.postgres.sessions import SharedSessions, has_own_sessions, is_pooled, require_own_sessions
from ledger.slices import Slices
from ledger.store.batch import Appended, Row, parameters
from ledger.store.codec import SNAPSHOT_TOPIC, encode_snapshot
from ledger.store.fence import ServerProcess, fenced_process
from ledger.store.reader import SQL, Connection, Positioned, Reader
from ledger.store.standbys import waits_cut_short
from ledger.store.stream_heads import StreamHead

_log = logging.getLogger("credit_ledger.log")


class Writer(Reader):
    """The connection on which a process appends."""

    def __init__(self, connection: Connection, process: int | None = None) -> None:
        super().__init__(connection)
        self._process = process
        """The server process of this connection; None when it is not known."""
        self._cursor = connection.cursor(binary=True)  # one for all appends: a new one costs as much as a command

    async def append(self, rows: Sequence[Row], new_keys: Mapping[str, bytes]) -> Appended:
        """Append a batch in one statement (see ledger.append).

        Raises SharedSessions when another server process than this writer's carried it out, which no fence could end.
        """
        with waits_cut_short(self._connection) as cut_short:
            await self._cursor.execute(SQL["append"], parameters(rows, new_keys), prepare=True)
            row = await self._cursor.fetchone()
        assert row is not None
        if cut_short:
            await self.confirm()
        first, stale, used, process = row
        if self._process not in (None, process):
            raise SharedSessions
        return Appended(first, frozenset(stale), frozenset(n - 1 for n in used))

    @asynccontextmanager
    async def exclusively(self) -> AsyncIterator[None]:
        """A transaction that holds the append lock: data read in it cannot change before its own writes."""
        with waits_cut_short(self._connection) as cut_short:
            async with self._connection.transaction():
                await self._connection.execute("SELECT ledger.lock_appends()", prepare=True)
                yield
        if cut_short:
            await self.confirm()

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


class EventLog:
    """The log: a pool of connections for reading, and writers for appending."""

    def __init__(self, conninfo: str, *, readers: int = 4) -> None:
        self._conninfo = conninfo = with_keepalives(conninfo)
        self._confirmed = 0
        """No failover can remove events up to this position."""
        self._pool = pool_of(conninfo, readers, parameters={"autocommit": True})

    async def open(self) -> None:
        """Open the pool. Raises psycopg_pool.PoolTimeout when the database cannot be reached."""
        await self._pool.open(wait=True, timeout=10.0)

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """A connection of the pool for queries."""
        async with self._pool.connection() as connection:
            yield Reader(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A plain connection of the pool, for the owners of other tables."""
        async with self._pool.connection() as connection:
            yield connection

    async def database_time(self) -> DatabaseTime | None:
        """The time of the database's clock; None when the database does not answer."""
        try:
            async with self._pool.connection() as connection:
                row = await (await connection.execute(SQL["database_time"])).fetchone()
        except psycopg.Error:
            return None
        assert row is not None
        return DatabaseTime(*row)

    async def has_own_sessions(self) -> bool:
        """Whether connections keep their server process (see sessions.py). Raises psycopg.OperationalError."""
        try:
            async with self._pool.connection() as connection:
                if not self._pool.is_pooled(connection):
                    return True
        except psycopg.OperationalError:
            pass  # the next line finds the reason
        return await asyncio.to_thread(has_own_sessions, self._conninfo)

    async def connect_writer(self, before: ServerProcess | None) -> tuple[Writer, ServerProcess]:
        """A new writer. `before` is the server process of the lost writer; it has ended when this returns.

        Raises SharedSessions when the connection has no server process to itself, and psycopg.OperationalError.
        """
        connection = await connect_async(self._conninfo, connect_timeout=5)
        try:
            process = await fenced_process(connection, before)
            if is_pooled(connection, process.pid):
                await asyncio.to_thread(require_own_sessions, self._conninfo)
            return Writer(connection, process.pid), process
        except BaseException:
            await connection.close()
            raise

    async def confirmed(self, reader: Reader, rows: list[Positioned]) -> list[Positioned]:
        """Return rows that `reader` has read, after no failover can remove them any more: readers may keep them."""
        last = max((row.position for row in rows), default=0)
        if last > self._confirmed:
            await reader.confirm()
            self._confirmed = max(self._confirmed, last)
        return rows

    async def save_snapshots(self, heads: Sequence[StreamHead]) -> None:
        """Store snapshots of some accounts, from which they can be loaded later."""
        states: list[bytes] = []
        work = Slices()
        for head in heads:
            states.append(encode_snapshot(head.account))
            if work.over:
                await work.pause()
        parameters = {
            "accounts": [head.account.account_id for head in heads],
            "versions": [head.account.version for head in heads],
            "topics": [SNAPSHOT_TOPIC] * len(heads),
            "states": states,
            "hashes": [head.hash for head in heads],
        }
        async with self._pool.connection() as connection:
            await connection.execute(SQL["save_snapshots"], parameters)
