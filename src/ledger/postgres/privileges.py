"""Privileges that the service has but does not need. /readyz shows them, and the log names them at the start.

They are only a warning. The service runs as a role that can only append and read (roles.py); an operator decides
whether the login behind it may do more.
"""

import time
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from ledger.postgres.bodies import BODIES, differences
from ledger.postgres.connecting import connect
from ledger.postgres.named_sql import queries

ASK_EVERY = 60.0
"""Seconds for which an answer is reused: privileges change rarely, and /readyz is called often."""

_SQL = queries("ledger.postgres", "sql/roles.sql")


@dataclass(frozen=True, slots=True)
class Privileges:
    """The login, the role in which it acts, and what either could do beyond appending and reading.

    `could` also names the functions, triggers and rules of the log that are not as the migrations made them.
    """

    session_user: str
    current_user: str
    could: tuple[str, ...]

    @property
    def append_only(self) -> bool:
        """Whether they can only append and read."""
        return not self.could


def privileges(conninfo: str) -> Privileges:
    """The privileges of a connection with this conninfo. Raises psycopg.OperationalError."""
    with connect(conninfo, autocommit=True) as connection:
        users = connection.execute(_SQL["users"]).fetchone()
        could = connection.execute(_SQL["could"]).fetchall()
        bodies = connection.execute(BODIES).fetchall()
    return _found(users, could, bodies)


class PrivilegeWatch:
    """Reads the privileges of the service's connection, and reuses them for a while."""

    def __init__(self) -> None:
        self._found: Privileges | None = None
        self._asked = 0.0

    async def of(self, connection: AsyncConnection[Any]) -> Privileges:
        """The privileges, read at most ASK_EVERY seconds ago. Raises psycopg.Error."""
        if self._found is None or time.monotonic() - self._asked > ASK_EVERY:
            users = await (await connection.execute(_SQL["users"])).fetchone()
            could = await (await connection.execute(_SQL["could"])).fetchall()
            bodies = await (await connection.execute(BODIES)).fetchall()
            self._found, self._asked = _found(users, could, bodies), time.monotonic()
        return self._found


def _found(users: tuple[str, str] | None, could: list[tuple[str]], bodies: list[tuple[str, str, str]]) -> Privileges:
    assert users is not None
    return Privileges(*users, (*(line for (line,) in could), *differences(bodies)))
