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
from ledger.postgres.pool import Pool, pool_of, statement_timeout
from ledger.postgres.sessions import SharedSessions, has_own_sessions, is_pooled, require_own_sessions
from ledger.store.batch import Appended, Row, parameters
from ledger.store.fence import ServerProcess, end_lock_holder, fenced_process
from ledger.store.reader import SQL, Connection, Positioned, Reader
from ledger.store.records.codec import SNAPSHOT_TOPIC
from ledger.store.snapshots import Snapshot
from ledger.store.standbys import waits_cut_short
from ledger.together import Together

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

    async def take_lock(self, number: int) -> bool:
        """Take a session lock, which lasts as long as the connection; False when another connection has it."""
        cursor = await self._connection.execute(SQL["take_lock"], {"number": number})
        row = await cursor.fetchone()
        return bool(row and row[0])

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


_KEYS = 100
"""Accounts whose text keys one statement reads."""


class EventLog:
    """The log: pools of connections for reading, and writers for appending.

    With `query_timeout`, in seconds, queries have a pool of their own, and the database ends those that take longer.
    Nothing else is limited: what commands, keys and sessions need cannot wait behind slow queries either.
    """

    def __init__(self, conninfo: str, *, readers: int = 4, query_timeout: float = 0.0) -> None:
        self._conninfo = conninfo = with_keepalives(conninfo)
        self._confirmed = 0
        """No failover can remove events up to this position."""
        self._pool = self._query_pool = pool_of(conninfo, readers, parameters={"autocommit": True})
        if query_timeout:
            configure = statement_timeout(query_timeout)
            self._query_pool = pool_of(conninfo, readers, parameters={"autocommit": True}, configure=configure)
        self.text_keys = Together[str, bytes](self._read_text_keys, _KEYS)
        """The text keys of accounts, for those who read texts; an account may have none, or none any more."""

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The pools by their names: `queries` has one of its own if queries have a time limit."""
        own = {} if self._query_pool is self._pool else {"queries": self._query_pool}
        return {"commands": self._pool, **own}

    async def open(self) -> None:
        """Open the pools. Raises psycopg_pool.PoolTimeout when the database cannot be reached."""
        for pool in (self._pool, self._query_pool):
            await pool.open(wait=True, timeout=10.0)

    async def close(self) -> None:
        """Close the pools."""
        for pool in (self._pool, self._query_pool):
            await pool.close()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """A connection for queries. A query that takes too long raises psycopg.errors.QueryCanceled."""
        async with self._query_pool.connection() as connection:
            yield Reader(connection)

    async def _read_text_keys(self, accounts: list[str]) -> dict[str, bytes]:
        async with self.reader() as reader:
            return await reader.text_keys(accounts)

    @asynccontextmanager
    async def command_reader(self) -> AsyncIterator[Reader]:
        """A connection for what commands need to know. No timeout ends its queries."""
        async with self._pool.connection() as connection:
            yield Reader(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A plain connection of the pool, for the owners of other tables."""
        async with self._pool.connection() as connection:
            yield connection

    async def connect(self) -> Connection:
        """A connection outside of the pools. Raises psycopg.OperationalError."""
        return await connect_async(self._conninfo)

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

    async def lock_holder(self, number: int) -> int | None:
        """The server process that has a session lock; None when none has. Raises psycopg.Error."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(SQL["lock_holder"], {"number": number})).fetchone()
        return row and row[0]

    async def end_lock_holder(self, number: int, pid: int) -> None:
        """End a server process that has a session lock, if it still has it. Raises psycopg.Error."""
        connection = await connect_async(self._conninfo, connect_timeout=5)
        try:
            await end_lock_holder(connection, number, pid)
        finally:
            await connection.close()

    async def confirmed(self, reader: Reader, rows: list[Positioned]) -> list[Positioned]:
        """Return rows that `reader` has read, after no failover can remove them any more: readers may keep them."""
        last = max((row.position for row in rows), default=0)
        if last > self._confirmed:
            await reader.confirm()
            self._confirmed = max(self._confirmed, last)
        return rows

    async def save_snapshots(self, snapshots: Sequence[Snapshot]) -> None:
        """Store snapshots, from which accounts are loaded later. Those that their events do not prove are left out."""
        accounts, versions, states, hashes = zip(*snapshots, strict=True)
        parameters = {
            "accounts": list(accounts),
            "versions": list(versions),
            "topics": [SNAPSHOT_TOPIC] * len(snapshots),
            "states": list(states),
            "hashes": list(hashes),
        }
        async with self._pool.connection() as connection:
            await connection.execute(SQL["save_snapshots"], parameters)
