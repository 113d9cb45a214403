"""How every change of a team begins: under its lock, with the role that the actor has at this moment."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from people.audit_log import AuditEntry, note
from people.sign_in.letters import Letter
from people.sign_in.mail_choices import ending_token
from people.sign_in.words import digest
from people.teams.roles import SQL, Role, at_least, role_of
from people.teams.words import Actor, Team, TeamSurroundings, missing_role, not_there

Connection = AsyncConnection[Any]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a team that is locked, until its transaction ends."""

    connection: Connection
    team: Team
    actor: Actor
    role: Role
    """What the actor is in the team; an operator counts as its owner."""
    now: datetime

    async def rows(self, name: str, /, **parameters: Any) -> list[Row]:
        """The rows of a statement about the team, which it is told, with the time."""
        return await rows(self.connection, name, team_id=self.team.team_id, now=self.now, **parameters)

    async def execute(self, name: str, /, **parameters: Any) -> None:
        """Carry out a statement about the team."""
        given = {"team_id": self.team.team_id, "now": self.now, **parameters}
        await self.connection.execute(SQL[name], given)

    async def note(self, action: str, subject: str, **details: str | int | None) -> None:
        """Write what is done into the audit log."""
        entry = AuditEntry(action, self.actor.name, subject, self.team.team_id, details)
        await note(self.connection, self.now, entry)

    async def end_access(self, user_id: str, kept: str | None = None) -> None:
        """End what a person has in the team: their keys, and their sessions but the one with the cookie `kept`."""
        await self.execute("end_keys", user_id=user_id)
        await self.execute("end_sessions", user_id=user_id, kept=digest(kept) if kept else None)

    def need(self, least: Role) -> None:
        """Raise AccessRefused: missing_role unless the actor may do what a role may do."""
        if not at_least(self.role, least):
            raise missing_role(least)


@asynccontextmanager
async def change_of(
    around: TeamSurroundings, team_id: str, actor: Actor, *, deleting: bool = False
) -> AsyncIterator[Change]:
    """A change of a team as one transaction, which ends with the block. A team that is being deleted cannot be changed.

    Raises AccessRefused: not_found, for whoever is not in the team too; and psycopg.Error.
    """
    async with around.log.connection() as connection, connection.transaction():
        found = await rows(connection, "lock", team_id=team_id)
        role: Role | None = "owner"
        if actor.user_id is not None:
            role = await role_of(connection, actor.user_id, team_id)
        if not found or role is None or (found[0]["deleting_at"] is not None and not deleting):
            raise not_there("team")
        yield Change(connection, Team(**found[0]), actor, role, around.clock())


async def tell_owner(
    around: TeamSurroundings,
    connection: Connection,
    team_id: str,
    letter: Callable[..., Letter],
    cause: str,
    address: str,
) -> None:
    """Tell the owner of a team about whoever has an address, if they want such mails. Raises psycopg.Error."""
    members = await rows(connection, "members", team_id=team_id)
    [owner] = [row for row in members if row["role"] == "owner"]
    token = await ending_token(connection, owner["user_id"], "teams")
    if token is not None:
        page, end = around.page(f"accounts/{team_id}/team"), around.own_page(f"mails/{token}")
        await around.tell(connection, letter(owner["email"], cause, page, end, address))


async def rows(connection: Connection, name: str, /, **parameters: Any) -> list[Row]:
    """The rows of a statement."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[name], parameters)
        return await cursor.fetchall() if cursor.description else []
