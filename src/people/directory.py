"""People and teams, as operators look for them: by a part of a name or an address, or by an id."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row

from ledger.postgres.named_sql import queries

SQL = queries("people", "sql/directory.sql")
MOST = 100
"""People, and teams, that are found at most: the newest of them."""
Connection = AsyncConnection[Any]


class FoundPerson(NamedTuple):
    """A person. Their account has the same id."""

    user_id: str
    email: str
    name: str
    created_at: datetime
    last_sign_in_at: datetime | None
    deletion_at: datetime | None
    disabled_at: datetime | None
    teams: int


class FoundTeam(NamedTuple):
    """A team. Its account has the same id. `owner` is an address."""

    team_id: str
    name: str
    slug: str
    created_at: datetime
    owner: str | None
    members: int


async def people_with(connection: Connection, text: str) -> list[FoundPerson]:
    """People about whom a text is, at most MOST; the newest for an empty one. Raises psycopg.Error."""
    async with connection.cursor(row_factory=class_row(FoundPerson)) as cursor:
        await cursor.execute(SQL["people"], {"text": text, "limit": MOST})
        return await cursor.fetchall()


async def called(connection: Connection, account_id: str) -> str | None:
    """Whose account it is: a person's name and address, or a team's name; None for others. Raises psycopg.Error."""
    row = await (await connection.execute(SQL["called"], {"account_id": account_id})).fetchone()
    return row[0] if row is not None else None


async def teams_with(connection: Connection, text: str) -> list[FoundTeam]:
    """Teams about which a text is, or whose owner it is; at most MOST. Raises psycopg.Error."""
    async with connection.cursor(row_factory=class_row(FoundTeam)) as cursor:
        await cursor.execute(SQL["teams"], {"text": text, "limit": MOST})
        return await cursor.fetchall()
