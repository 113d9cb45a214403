"""Privileges that the service has but does not need. /readyz shows them, and the log names them at the start.

They are only a warning. The service runs as a role that can only append and read (roles.py); an operator decides
whether the login behind it may do more.
"""

import time
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from ledger.postgres.bodies import LOG, Bodies, differences, read_bodies, read_bodies_async
from ledger.postgres.components import Components
from ledger.postgres.connecting import connect
from ledger.postgres.named_sql import queries

ASK_EVERY = 60.0
"""Seconds for which an answer is reused: privileges change rarely, and /readyz is called often."""

_SQL = queries("ledger.postgres", "sql/roles.sql")


@dataclass(frozen=True, slots=True)
class Privileges:
    """The login, the role in which it acts, and what either could do beyond appending and reading.

    `could` also names the functions, triggers and rules that are not as the migrations made them.
    """

    session_user: str
    current_user: str
    could: tuple[str, ...]

    @property
    def append_only(self) -> bool:
        """Whether they can only append and read."""
        return not self.could


def privileges(conninfo: str, components: Components = LOG) -> Privileges:
    """The privileges of a connection with this conninfo, in a database that has all migrations of some components.

    Raises psycopg.OperationalError.
    """
    with connect(conninfo, autocommit=True) as connection:
        users = connection.execute(_SQL["users"]).fetchone()
        could = connection.execute(_SQL["could"]).fetchall()
        bodies = read_bodies(connection, components)
    return _found(users, could, bodies, components)


class PrivilegeWatch:
    """Reads the privileges of the service's connection, and reuses them for a while."""

    def __init__(self, components: Components = LOG) -> None:
        self._components = components
        self._found: Privileges | None = None
        self._asked = 0.0

    async def of(self, connection: AsyncConnection[Any]) -> Privileges:
        """The privileges, read at most ASK_EVERY seconds ago. Raises psycopg.Error."""
        if self._found is None or time.monotonic() - self._asked > ASK_EVERY:
            users = await (await connection.execute(_SQL["users"])).fetchone()
            could = await (await connection.execute(_SQL["could"])).fetchall()
            bodies = await read_bodies_async(connection, self._components)
            self._found, self._asked = _found(users, could, bodies, self._components), time.monotonic()
        return self._found


def _found(
    users: tuple[str, str] | None, could: list[tuple[str]], bodies: Bodies, components: Components
) -> Privileges:
    assert users is not None
    return Privileges(*users, (*(line for (line,) in could), *differences(bodies, components)))
