"""The connection pool for reading.

It replaces lost connections soon after the database is back, and hands out only connections that keep their session
(sessions.py).
"""

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic, monotonic_ns
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from ledger.postgres.connecting import SEARCH_PATH
from ledger.postgres.errors import NOT_OUR_SESSION
from ledger.postgres.sessions import SharedSessions, is_pooled, require_own_sessions, server_process
from ledger.timings.histogram import TIMES, Histogram

Connection = AsyncConnection[Any]
Configure = Callable[[Connection], Awaitable[None]]

PATIENCE = 5.0
"""Seconds for which a caller waits for a connection."""
STARTS_OVER = 2.0
"""Seconds after which an attempt to connect is replaced by a new one. Within one attempt the library doubles its pause
each time, up to minutes: after an outage of one minute it could take another minute to notice that the database is
back."""

ASK_EVERY = 1.0
"""Seconds after which the server of an idle connection is asked whether it is there."""
_GENERIC_PLANS = "SET plan_cache_mode TO force_generic_plan"
"""Every statement here is prepared, and one plan serves all its parameters. Left alone, the server plans many of them
anew each time, which takes several times as long as to carry them out."""
_TIMEOUT = "SELECT pg_catalog.set_config('statement_timeout', %s, false)"


class Pool(AsyncConnectionPool[Connection]):
    """Hands out connections, and drops those whose session has changed since they were made."""

    def __init__(self, conninfo: str, *, configure: Configure | None, **options: Any) -> None:
        super().__init__(conninfo, configure=self._identify, check=self._check, **options)
        self._then_configure = configure
        self._sessions = conninfo
        self._pooled: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        """The pid of the server process of each connection that goes through a pooler."""
        self._asked: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
        """When the server of each connection was last asked whether it is there."""
        self.waits = Histogram(TIMES)
        """How long callers waited for a connection, in nanoseconds, whether or not they got one."""
        self.waiting = 0
        """How many callers wait for a connection. The library counts those who gave up too."""

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109
        """A connection, which `putconn` takes back. Raises PoolTimeout."""
        asked = monotonic_ns()
        self.waiting += 1
        try:
            return await super().getconn(timeout)
        finally:
            self.waiting -= 1
            self.waits.observe(monotonic_ns() - asked)

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:  # noqa: ASYNC109
        """Lend a connection until the block ends. Raises PoolTimeout."""
        async with super().connection(timeout) as connection:
            try:
                yield connection
            except NOT_OUR_SESSION:
                await connection.close()
                raise

    def is_pooled(self, connection: Connection) -> bool:
        """Whether a connection of this pool goes through a connection pooler."""
        return connection in self._pooled

    async def _identify(self, connection: Connection) -> None:
        """Configure a new connection. Raises SharedSessions."""
        async with connection.transaction():
            await connection.execute(SEARCH_PATH)
            await connection.execute(_GENERIC_PLANS)
            process = await server_process(connection)
        if is_pooled(connection, process):
            await asyncio.to_thread(require_own_sessions, self._sessions)
            self._pooled[connection] = process
        if self._then_configure is not None:
            await self._then_configure(connection)

    async def _check(self, connection: Connection) -> None:
        """Check an idle connection. Raises SharedSessions, and psycopg.OperationalError when it is lost.

        A server that ends a connection says so, and the kernel knows at once. Whoever sends nothing to an idle
        connection has not ended it, unless the network lost it, so that the server is asked once in a while too.
        """
        if connection not in self._pooled:
            now = monotonic()
            if now - self._asked.get(connection, 0.0) > ASK_EVERY or has_something_to_read(connection.fileno()):
                await self.check_connection(connection)
                self._asked[connection] = now
        elif await _server_process(connection) != self._pooled[connection]:
            await connection.close()  # otherwise the library would keep it
            raise SharedSessions


def has_something_to_read(file: int) -> bool:
    """Whether a socket has data, or its end, or an error."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))


async def _server_process(connection: Connection) -> int:
    async with connection.transaction():  # so that no transaction is left open
        return await server_process(connection)


def pool_of(
    conninfo: str,
    size: int,
    *,
    parameters: dict[str, Any] | None = None,
    configure: Configure | None = None,
) -> Pool:
    """A pool of at most `size` connections, not yet open. It raises PoolTimeout after PATIENCE without a free one."""
    return Pool(
        conninfo,
        configure=configure,
        min_size=1,
        max_size=size,
        open=False,
        timeout=PATIENCE,
        kwargs=parameters,
        reconnect_timeout=STARTS_OVER,
        reconnect_failed=_start_over,
    )


def statement_timeout(seconds: float) -> Configure:
    """Configure connections so that a statement raises psycopg.errors.QueryCanceled after that time."""
    milliseconds = str(round(seconds * 1_000))

    async def configure(connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(_TIMEOUT, [milliseconds])

    return configure


async def _start_over(pool: AsyncConnectionPool[Connection]) -> None:
    """Try to connect again, also when no caller waits, and drop idle connections that were lost."""
    await pool.check()
