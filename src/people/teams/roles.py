"""Roles: what a person may do in an account. It is looked up at each request, and in each change under the team's lock.

On one's own account one is the owner. In a team there are one owner, admins and members.
"""

from typing import Any, Literal

from psycopg import AsyncConnection

from ledger.postgres.named_sql import queries

SQL = queries("people", "sql/teams.sql")
Role = Literal["owner", "admin", "member"]
RANK: dict[Role, int] = {"member": 0, "admin": 1, "owner": 2}
"""A role may do what those of lower rank may do."""


async def role_of(connection: AsyncConnection[Any], user_id: str, account_id: str) -> Role | None:
    """The role of a person in an account; None when they have nothing to do with it. Raises psycopg.Error."""
    if user_id == account_id:
        return "owner"
    row = await (await connection.execute(SQL["role"], {"team_id": account_id, "user_id": user_id})).fetchone()
    role: Role | None = row[0] if row else None
    return role


def at_least(role: Role | None, least: Role) -> bool:
    """Whether a role may do what another may do."""
    return role is not None and RANK[role] >= RANK[least]
