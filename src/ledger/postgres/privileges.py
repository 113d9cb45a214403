"""What the service could do that it has no need of: whoever asks /readyz sees it, and the log says it at the start.

A warning and no more. The service runs as a role that only appends and reads (roles.py); whether the login behind it is
that harmless too, an operator decides.
"""

import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection

from ledger.postgres.named_sql import queries

ASK_EVERY = 60.0
"""Seconds for which an answer is good: rights change by hand, and /readyz is asked all the time."""

_SQL = queries("ledger.postgres", "sql/roles.sql")


@dataclass(frozen=True, slots=True)
class Privileges:
    """Who logged in, as whom he acts, and what either of them could do more than append and read."""

    session_user: str
    current_user: str
    could: tuple[str, ...]

    @property
    def append_only(self) -> bool:
        """Whether there is nothing of that kind."""
        return not self.could


def privileges(conninfo: str) -> Privileges:
    """Of a connection like this. Raises psycopg.OperationalError."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        users = connection.execute(_SQL["users"]).fetchone()
        could = connection.execute(_SQL["could"]).fetchall()
    return _found(users, could)


class PrivilegeWatch:
    """Of a connection of the service, asked now and then."""

    def __init__(self) -> None:
        self._found: Privileges | None = None
        self._asked = 0.0

    async def of(self, connection: AsyncConnection[Any]) -> Privileges:
        """As it was at most ASK_EVERY ago. Raises psycopg.Error."""
        if self._found is None or time.monotonic() - self._asked > ASK_EVERY:
            users = await (await connection.execute(_SQL["users"])).fetchone()
            could = await (await connection.execute(_SQL["could"])).fetchall()
            self._found, self._asked = _found(users, could), time.monotonic()
        return self._found


def _found(users: tuple[str, str] | None, could: list[tuple[str]]) -> Privileges:
    assert users is not None
    return Privileges(*users, tuple(line for (line,) in could))
