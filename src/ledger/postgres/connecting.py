"""Connections: each connection of the program looks up names only where nobody but the server's owner can make any.

PostgreSQL looks up an unqualified name along the search path. Its default begins with a schema that is named like the
login, so whoever may make that schema gives the login's statements functions and operators of their own. Here the path
is pg_catalog alone; pg_temp stands last, because PostgreSQL otherwise looks there first. All other names are qualified.
"""

from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection

SEARCH_PATH = b"SET search_path TO pg_catalog, pg_temp"
"""Set on the connection itself: a pooler may drop the options of a conninfo, and a login may set its own defaults."""


def connect(conninfo: str, **options: Any) -> Connection[Any]:
    """A connection; `options` are those of psycopg.connect. Raises psycopg.OperationalError."""
    connection: Connection[Any] = psycopg.connect(conninfo, **options)
    connection.pgconn.exec_(SEARCH_PATH)  # not through psycopg, which would begin a transaction
    return connection


async def connect_async(conninfo: str, **options: Any) -> AsyncConnection[Any]:
    """A connection in autocommit mode; `options` are those of psycopg. Raises psycopg.OperationalError."""
    connection: AsyncConnection[Any] = await AsyncConnection.connect(conninfo, autocommit=True, **options)
    try:
        await connection.execute(SEARCH_PATH)
    except BaseException:
        await connection.close()
        raise
    return connection
