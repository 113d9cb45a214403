"""The members of a team: their roles, and that they go."""

from people.teams import letters
from people.teams.changing import Change, Row, change_of, rows, tell_owner
from people.teams.seats import check_free
from people.teams.words import (
    Actor,
    InvitedRole,
    Member,
    Seats,
    Status,
    TeamSurroundings,
    last_owner,
    not_there,
)


class Members:
    """Who is in a team. Every method raises psycopg.Error; those that change something AccessRefused: not_found."""

    def __init__(self, around: TeamSurroundings) -> None:
        self._around = around

    async def of(self, team_id: str) -> list[Member]:
        """All members, the oldest first."""
        async with self._around.log.connection() as connection:
            return [Member(**row) for row in await rows(connection, "members", team_id=team_id)]

    async def seats(self, team_id: str) -> Seats:
        """The seats of a team."""
        most = await self._around.seats(team_id)
        async with self._around.log.connection() as connection:
            [taken] = await rows(connection, "seats", team_id=team_id, now=self._around.clock())
            return Seats(most, taken["members"], taken["invited"])

    async def add(self, actor: Actor, team_id: str, user_id: str, role: InvitedRole) -> Member:
        """Put a user into a team, without an invitation: the service of the product does. An open one of theirs ends.

        Raises AccessRefused: missing_role, already_member, seats_taken.
        """
        most = await self._around.seats(team_id)
        async with change_of(self._around, team_id, actor) as change:
            change.need("owner")
            found = await change.rows("lock_user", user_id=user_id)
            if not found:
                raise not_there("user")
            await change.execute("withdraw_of", email=found[0]["email"])
            await check_free(change, found[0]["email"], most)
            await change.execute("add_member", user_id=user_id, role=role)
            await change.note("member.added", user_id, role=role)
            return Member(**await _member(change, user_id))

    async def change(
        self, actor: Actor, team_id: str, user_id: str, role: InvitedRole | None, status: Status | None
    ) -> Member:
        """Change the role or the status of a member. Who is suspended keeps the seat, and has no access.

        Raises AccessRefused: missing_role, and last_owner for the owner.
        """
        async with change_of(self._around, team_id, actor) as change:
            member = await _manageable(change, user_id)
            if role is not None and role != member["role"]:
                await change.execute("set_role", user_id=user_id, role=role)
                await change.note("member.role_changed", user_id, before=member["role"], role=role)
            if status is not None and status != member["status"]:
                await change.execute("set_status", user_id=user_id, status=status)
                await change.note(f"member.{'suspended' if status == 'suspended' else 'reinstated'}", user_id)
            if status == "suspended":
                await change.end_access(user_id)
            changed = {"role": role or member["role"], "status": status or member["status"]}
            return Member(**{**member, **changed})

    async def remove(self, actor: Actor, team_id: str, user_id: str, kept: str | None = None) -> None:
        """Remove a member, or leave: what they have in the team ends at once, but the session with the cookie `kept`.
        The owner is told of those who leave, if they want to be told.

        Raises AccessRefused: missing_role, and last_owner for the owner.
        """
        async with change_of(self._around, team_id, actor) as change:
            leaves = actor.user_id == user_id
            member = await _manageable(change, user_id, leaves=leaves)
            await change.execute("remove", user_id=user_id)
            await change.end_access(user_id, kept)
            await change.note("member.left" if leaves else "member.removed", user_id)
            if leaves:
                cause = f"left:{team_id}:{user_id}:{change.now.isoformat()}"
                await tell_owner(self._around, change.connection, team_id, letters.left, cause, member["email"])


async def _manageable(change: Change, user_id: str, *, leaves: bool = False) -> Row:
    """The member whom the actor may change. Raises AccessRefused."""
    if not leaves:
        change.need("admin")
    found = await _member(change, user_id)
    if found["role"] == "owner":
        raise last_owner()
    return found


async def _member(change: Change, user_id: str) -> Row:
    """A member. Raises AccessRefused: not_found."""
    found = next((row for row in await change.rows("members") if row["user_id"] == user_id), None)
    if found is None:
        raise not_there("member")
    return found
