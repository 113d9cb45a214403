"""The pool: connections to read on. Those that were lost are made again soon after the database is back, and none is
handed out that does not keep its session (sessions.py)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from ledger.postgres.errors import NOT_OUR_SESSION
from ledger.postgres.sessions import SharedSessions, is_pooled, require_own_sessions, server_process

Connection = AsyncConnection[Any]
Configure = Callable[[Connection], Awaitable[None]]

PATIENCE = 5.0
"""Seconds that whoever asks for a connection waits for one."""
STARTS_OVER = 2.0
"""Seconds after which an attempt to connect gives way to a new one. Within an attempt the library doubles its pause
each time, for minutes: a database that was away for one would be missed for up to another."""


class Pool(AsyncConnectionPool[Connection]):
    """Hands out connections, and drops those that are on another session than they were made on."""

    def __init__(self, conninfo: str, *, configure: Configure | None, **options: Any) -> None:
        super().__init__(conninfo, configure=self._identify, check=self._check, **options)
        self._then_configure = configure
        self._sessions = conninfo
        self._pooled: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        """The server process of each connection that a pooler has given us."""

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:  # noqa: ASYNC109
        """A connection until the block ends. Raises PoolTimeout."""
        async with super().connection(timeout) as connection:
            try:
                yield connection
            except NOT_OUR_SESSION:
                await connection.close()
                raise

    def is_pooled(self, connection: Connection) -> bool:
        """Whether a connection pooler is between the server and one of these connections."""
        return connection in self._pooled

    async def _identify(self, connection: Connection) -> None:
        """A new one. Raises SharedSessions."""
        process = await _server_process(connection)
        if is_pooled(connection, process):
            await asyncio.to_thread(require_own_sessions, self._sessions)
            self._pooled[connection] = process
        if self._then_configure is not None:
            await self._then_configure(connection)

    async def _check(self, connection: Connection) -> None:
        """One that was idle. Raises SharedSessions, and psycopg.OperationalError when it is lost."""
        if connection not in self._pooled:
            await self.check_connection(connection)
        elif await _server_process(connection) != self._pooled[connection]:
            await connection.close()  # or the library keeps it
            raise SharedSessions


async def _server_process(connection: Connection) -> int:
    async with connection.transaction():  # and none is left open
        return await server_process(connection)


def pool_of(
    conninfo: str,
    size: int,
    *,
    parameters: dict[str, Any] | None = None,
    configure: Configure | None = None,
) -> Pool:
    """A pool, to be opened, of at most `size` connections. Whoever gets none in time gets a PoolTimeout."""
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


async def _start_over(pool: AsyncConnectionPool[Connection]) -> None:
    """Connect once more, whether or not somebody asks; and let go of what is idle and was lost too."""
    await pool.check()
