"""The logins that this process could use through the server's Unix socket, without a password.

A server that runs as the same user, or that trusts its socket, admits the process as a superuser, whatever login the
service uses. Only trying shows it: the server's files with its rules cannot be read in SQL.
"""

import time
from typing import Any

import psycopg
from psycopg import AsyncConnection

from ledger.postgres.connecting import connect_async
from ledger.postgres.named_sql import queries

TRY_EVERY = 3600.0
"""Seconds for which an answer is reused: a refused attempt is a line in the log of the server."""
_TIMEOUT = 5
_SQL = queries("ledger.postgres", "sql/roles.sql")


class SocketLogins:
    """Tries the logins that could change recorded events, and remembers the answer for a while."""

    def __init__(self) -> None:
        self._found: tuple[str, ...] = ()
        self._tried: float | None = None

    async def of(self, connection: AsyncConnection[Any]) -> tuple[str, ...]:
        """A line for each login that admits this process. Raises psycopg.Error when `connection` is lost."""
        if self._tried is None or time.monotonic() - self._tried > TRY_EVERY:
            self._found, self._tried = await _admitting(connection), time.monotonic()
        return self._found


async def _admitting(connection: AsyncConnection[Any]) -> tuple[str, ...]:
    parameters = connection.info.get_parameters()
    if not str(parameters.get("host", "")).startswith("/"):
        return ()
    logins = await (await connection.execute(_SQL["powerful_logins"])).fetchall()
    place = {name: value for name, value in parameters.items() if name in {"host", "port", "dbname"}}
    return tuple([line for login, line in logins if await _admits(place, login)])


async def _admits(place: dict[str, str], login: str) -> bool:
    try:
        await (await connect_async("", user=login, connect_timeout=_TIMEOUT, **place)).close()
    except psycopg.OperationalError:
        return False
    return True
