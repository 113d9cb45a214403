"""Stands where psycopg stands: connections and a pool with which the real EventLog talks to the simulated server.

Only ledger.store.log meets it. What a lost connection looks like from this side is here; what it means on the other
side is server.py.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from ledger.postgres.pool import PATIENCE
from ledger.store import log
from ledger.store.reader import SQL
from tests.simulation.server import Backend, Server
from tests.simulation.tables import Rows

_servers: dict[str, Server] = {}
"""The server that each simulated process reaches; in its conninfo the database has the name of the process."""

_WRITES = {SQL["append"], "COMMIT"}


class Info(NamedTuple):
    """ConnectionInfo, as far as the store asks it."""

    backend_pid: int


class Connection:
    """One connection: AsyncConnection, as far as the store uses it."""

    def __init__(self, server: Server, backend: Backend) -> None:
        self._server = server
        self._backend = backend
        self._answer: asyncio.Future[Rows] | None = None
        self.closed = False
        self.info = Info(backend.pid)
        backend.hang_up = self.break_off

    @classmethod
    async def connect(cls, conninfo: str, **options: Any) -> "Connection":
        """As ledger.postgres.connecting.connect_async."""
        name = _named(conninfo)
        server = _servers[name]
        loop = asyncio.get_running_loop()
        wait = server.reachable_at(name) - loop.time()
        if wait > 0 and server.weather.strikes("slow"):
            await asyncio.sleep(min(wait, options["connect_timeout"]))
            raise psycopg.errors.ConnectionTimeout("connection timeout expired")
        await asyncio.sleep(server.weather.trip())
        if server.reachable_at(name) > loop.time() or server.weather.strikes("request lost"):
            raise psycopg.OperationalError("connection refused")
        return cls(server, server.connect(name))

    def break_off(self) -> None:
        """The connection is lost: whoever waits for an answer learns that, and nothing else."""
        if self.closed:
            return
        self.closed = True
        self._server.leave(self._backend)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(psycopg.OperationalError("server closed the connection unexpectedly"))

    async def close(self) -> None:
        """As AsyncConnection.close."""
        if not self.closed:
            self.closed = True
            self._server.leave(self._backend)

    async def send(self, text: str, parameters: Any = None) -> Rows:
        """One statement and its answer. Raises OperationalError when the connection is lost meanwhile."""
        await self._server.until_awake(self._backend.owner)
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        assert self._answer is None, "one statement at a time"
        strikes = self._server.weather.strikes
        if strikes("request lost"):
            self.break_off()
            raise psycopg.OperationalError("consuming input failed: connection reset by peer")
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        cut = strikes("cut") or (text in _WRITES and strikes("write cut"))
        late = self._cut() if cut else 0.0
        self._backend.busy = loop.create_task(self._serve(text, parameters or {}, self._answer, late))
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.break_off()  # psycopg would cancel the statement, which is too late as often as not
            raise
        finally:
            self._answer = None
            await self._server.until_awake(self._backend.owner)

    def _cut(self) -> float:
        """Lose the connection, and perhaps the server for a while. Returns how late that takes the statement up: in the
        worst case after everybody has forgotten it."""
        weather = self._server.weather
        outage = weather.long() if weather.mostly() else 0.0
        asyncio.get_running_loop().call_later(weather.work(), self._lose, outage)
        return 2 * outage + 20 * weather.work() if weather.mostly() else 0.0

    def _lose(self, outage: float) -> None:
        self.break_off()
        self._server.be_away(self._backend.owner, outage)

    async def _serve(self, text: str, parameters: Any, answer: "asyncio.Future[Rows]", late: float) -> None:
        server, backend = self._server, self._backend
        rows: Rows = []
        error: Exception | None = None
        try:
            rows = await server.carry_out(backend, text, parameters, late)
        except Exception as problem:  # a mistake of the simulation itself is heard of in the same way
            error = problem
        finally:
            backend.busy = None
        if backend.alone:
            server.end(backend)
            return
        if server.weather.strikes("answer lost"):
            self.break_off()
            return
        await asyncio.sleep(server.weather.long() if server.weather.strikes("slow") else server.weather.trip())
        if answer.done():
            return
        if error is None:
            answer.set_result(rows)
        else:
            answer.set_exception(error)

    async def execute(self, text: str, parameters: Any = None, **_: Any) -> "Cursor":
        """As AsyncConnection.execute."""
        cursor = Cursor(self, as_dict=False)
        await cursor.execute(text, parameters)
        return cursor

    def cursor(self, **options: Any) -> "Cursor":
        """As AsyncConnection.cursor."""
        return Cursor(self, as_dict=options.get("row_factory") is dict_row)

    def add_notice_handler(self, _: object) -> None:
        """As AsyncConnection.add_notice_handler. The simulated server has nothing to say."""

    remove_notice_handler = add_notice_handler

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """As AsyncConnection.transaction: a rollback that fails hides nothing."""
        await self.send("BEGIN")
        try:
            yield
        except BaseException:
            try:
                await self.send("ROLLBACK")
            except psycopg.Error:
                self.break_off()
            raise
        await self.send("COMMIT")


class Cursor:
    """AsyncCursor, as far as the store uses it."""

    def __init__(self, connection: Connection, *, as_dict: bool) -> None:
        self._connection = connection
        self._as_dict = as_dict
        self._rows: Rows = []

    async def __aenter__(self) -> "Cursor":
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to close."""

    async def execute(self, text: str, parameters: Any = None, **_: Any) -> None:
        """One statement."""
        self._rows = await self._connection.send(text, parameters)

    async def fetchall(self) -> Rows:
        """Its rows."""
        return self._rows

    async def fetchone(self) -> Any:
        """Its first row."""
        row = self._rows[0] if self._rows else None
        return row._asdict() if self._as_dict and row is not None else row


class Pool:
    """What `pool_of` gives, as far as the store uses it."""

    def __init__(self, conninfo: str, size: int, **_: Any) -> None:
        self._conninfo = conninfo
        self._timeout = PATIENCE
        self._room = asyncio.Semaphore(size)
        self._idle: list[Connection] = []

    async def open(self, *, wait: bool, timeout: float) -> None:  # noqa: ASYNC109  # psycopg's interface
        """Connect. Raises PoolTimeout."""
        assert wait
        self._idle.append(await self._connected(timeout))

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection that works, or did a moment ago. Raises PoolTimeout."""
        if _servers[_named(self._conninfo)].weather.strikes("read fails"):
            await asyncio.sleep(self._timeout)
            raise PoolTimeout(f"couldn't get a connection after {self._timeout} sec")
        async with self._room:
            connection = await self._one()
            try:
                yield connection
            finally:
                if not connection.closed:
                    self._idle.append(connection)

    async def _one(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return await self._connected(self._timeout)

    async def _connected(self, patience: float) -> Connection:
        loop = asyncio.get_running_loop()
        latest = loop.time() + patience
        while loop.time() < latest:
            try:
                return await Connection.connect(self._conninfo, connect_timeout=patience)
            except psycopg.OperationalError:
                await asyncio.sleep(0.1)
        raise PoolTimeout(f"couldn't get a connection after {patience} sec")


@cache
def _named(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["dbname"])


@contextmanager
def driving(server: Server, names: list[str]) -> Iterator[None]:
    """Until the block ends, the store reaches `server` from each of some processes."""
    _servers.update(dict.fromkeys(names, server))
    with patch.object(log, "connect_async", Connection.connect), patch.object(log, "pool_of", Pool):
        try:
            yield
        finally:
            _servers.clear()
