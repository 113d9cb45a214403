"""The pool: connections to read on. Those that were lost are made again soon after the database is back."""

from collections.abc import Awaitable, Callable
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[Any]

PATIENCE = 5.0
"""Seconds that whoever asks for a connection waits for one."""
STARTS_OVER = 2.0
"""Seconds after which an attempt to connect gives way to a new one. Within an attempt the library doubles its pause
each time, for minutes: a database that was away for one would be missed for up to another."""


def pool_of(
    conninfo: str,
    size: int,
    *,
    parameters: dict[str, Any] | None = None,
    configure: Callable[[Connection], Awaitable[None]] | None = None,
) -> AsyncConnectionPool[Connection]:
    """A pool, to be opened, of at most `size` connections. Whoever gets none in time gets a PoolTimeout."""
    return AsyncConnectionPool(
        conninfo,
        min_size=1,
        max_size=size,
        open=False,
        timeout=PATIENCE,
        kwargs=parameters,
        configure=configure,
        check=AsyncConnectionPool.check_connection,
        reconnect_timeout=STARTS_OVER,
        reconnect_failed=_start_over,
    )


async def _start_over(pool: AsyncConnectionPool[Connection]) -> None:
    """Connect once more, whether or not somebody asks; and let go of what is idle and was lost too."""
    await pool.check()
