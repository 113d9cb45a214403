"""Sessions: whether each connection has a server process to itself for as long as it lasts.

The ledger needs that: for the fence, which ends the server process of a lost connection, for LISTEN, for session locks,
for prepared statements and for the role. A connection pooler that assigns a server process for each transaction or
statement (PgBouncer's `pool_mode = transaction` or `statement`) does not provide it.
"""

from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection

_WHO = "SELECT pg_catalog.pg_backend_pid()"


class SharedSessions(psycopg.OperationalError):
    """A connection pooler lets several connections share a server process."""

    def __init__(self) -> None:
        super().__init__(
            "a connection pooler hands out sessions by the transaction (PgBouncer's pool_mode): "
            "connect to PostgreSQL itself, or set pool_mode = session"
        )


def require_own_sessions(conninfo: str) -> None:
    """Raise SharedSessions unless connections keep their server process. Raises psycopg.OperationalError."""
    with _connect(conninfo) as one, _connect(conninfo) as other:
        # In this order, a pooler that alternates between its servers cannot look like two separate sessions.
        turns = one, one, other, one, other, other
        seen = [(connection, _server_process(connection)) for connection in turns]
    if len({process for _, process in seen}) != 2 or len(set(seen)) != 2:
        raise SharedSessions


async def server_process(connection: AsyncConnection[Any]) -> int:
    """The pid of the server process that serves a connection at this moment. Raises psycopg.Error."""
    cursor = await connection.execute(_WHO, prepare=False)
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def is_pooled(connection: AsyncConnection[Any], process: int) -> bool:
    """Whether a pooler is in between: a server gives a new connection its own pid, a pooler another number."""
    return process != connection.info.backend_pid


def has_own_sessions(conninfo: str) -> bool:
    """Whether connections keep their server process. Raises psycopg.OperationalError without a database."""
    try:
        require_own_sessions(conninfo)
    except SharedSessions:
        return False
    return True


def _connect(conninfo: str) -> Connection:
    # Without a search path of its own: behind a pooler, it could stay with a session that others use.
    return psycopg.connect(conninfo, autocommit=True, connect_timeout=5)


def _server_process(connection: Connection) -> int:
    row = connection.execute(_WHO).fetchone()
    assert row is not None
    return int(row[0])
