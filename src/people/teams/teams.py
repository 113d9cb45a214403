"""Teams: made, renamed, handed over to somebody else, and deleted, when their credits go to their owner."""

from psycopg.errors import UniqueViolation

from people.audit_log import AuditEntry, note
from people.errors import AccessRefused
from people.sign_in.words import Place, digest
from people.teams.changing import Change, Row, change_of, rows
from people.teams.roles import SQL, Role, role_of
from people.teams.words import (
    MOST_TEAMS,
    Actor,
    ManagedTeam,
    OwnTeam,
    Team,
    TeamFilters,
    TeamSurroundings,
    last_owner,
    new_id,
    not_there,
)


class Teams:
    """The teams of a service. Every method raises psycopg.Error, and AccessRefused: not_found for a team that is none
    of the actor's."""

    def __init__(self, around: TeamSurroundings) -> None:
        self._around = around

    async def of(self, user_id: str) -> list[OwnTeam]:
        """The teams that a person is in, the oldest first."""
        async with self._around.log.connection() as connection:
            return [OwnTeam(**row) for row in await rows(connection, "teams_of", user_id=user_id)]

    async def role(self, user_id: str, account_id: str) -> Role | None:
        """The role of a person in an account: their own, or that of a team."""
        async with self._around.log.connection() as connection:
            return await role_of(connection, user_id, account_id)

    async def find(self, team_id: str) -> Team | None:
        """A team that is there, with its account opened: the service may have ended before it was."""
        async with self._around.log.connection() as connection:
            found = await rows(connection, "team", team_id=team_id)
        return await self._with_account(Team(**found[0])) if found else None

    async def page(self, filters: TeamFilters, after: Place | None, limit: int) -> list[ManagedTeam]:
        """Teams of anybody, the oldest first, at most `limit`."""
        since, team_id = after or (None, None)
        given = {**filters._asdict(), "after": since, "after_id": team_id, "limit": limit, "team_id": None}
        async with self._around.log.connection() as connection:
            return [ManagedTeam(**row) for row in await rows(connection, "managed", **given)]

    async def managed(self, team_id: str) -> ManagedTeam:
        """One team of anybody."""
        given = {**TeamFilters()._asdict(), "after": None, "after_id": None, "limit": 1, "team_id": team_id}
        async with self._around.log.connection() as connection:
            found = await rows(connection, "managed", **given)
        if not found:
            raise not_there("team")
        team = ManagedTeam(**found[0])
        await self._with_account(team)
        return team

    async def make(self, user_id: str, name: str, slug: str, by: str | None = None) -> Team:
        """Make a team that a person owns; `by` somebody else, if the actor is not the person.

        Raises AccessRefused: not_found for an owner who is none, deletion_requested, slug_taken, teams_limit_exceeded.
        """
        around, now, team_id = self._around, self._around.clock(), new_id("team")
        async with around.log.connection() as connection, connection.transaction():
            asked = "You" if by is None else "This person"
            _check_stays(await rows(connection, "lock_user", user_id=user_id), "user", asked)
            [owned] = await rows(connection, "owned", user_id=user_id)
            if owned["teams"] >= MOST_TEAMS:
                detail = f"A person owns at most {MOST_TEAMS} teams."
                raise AccessRefused("teams_limit_exceeded", detail, limit=MOST_TEAMS)
            given = {"team_id": team_id, "user_id": user_id, "now": now}
            made = await rows(connection, "make", name=name, slug=slug, made_by=by or user_id, **given)
            if not made:
                raise _slug_taken(slug)
            await connection.execute(SQL["add_member"], {**given, "role": "owner"})
            await note(connection, now, AuditEntry("team.created", by or user_id, team_id, team_id))
        return await self._with_account(Team(**made[0]))

    async def _with_account(self, team: Team) -> Team:
        if team.account_opened_at is None:
            await self._around.open_account(team.team_id)
            async with self._around.log.connection() as connection:
                given = {"team_id": team.team_id, "now": self._around.clock()}
                await connection.execute(SQL["account_opened"], given)
        return team

    async def rename(self, actor: Actor, team_id: str, name: str | None, slug: str | None) -> Team:
        """Change the name or the slug. Raises AccessRefused: missing_role, slug_taken."""
        try:
            async with change_of(self._around, team_id, actor) as change:
                change.need("admin")
                [renamed] = await rows(change.connection, "rename", team_id=team_id, name=name, slug=slug)
                await change.note("team.renamed", team_id)
                return Team(**renamed)
        except UniqueViolation as taken:
            raise _slug_taken(slug or "") from taken

    async def hand_over(self, actor: Actor, team_id: str, user_id: str) -> None:
        """Make a member the owner; the one before becomes an admin. Raises AccessRefused: missing_role, and
        deletion_requested for a member who is to be erased."""
        async with change_of(self._around, team_id, actor) as change:
            change.need("owner")
            locked = await change.rows("lock_user", user_id=user_id)
            members = {row["user_id"]: row for row in await change.rows("members")}
            if user_id not in members or members[user_id]["status"] != "active":
                raise not_there("member")
            _check_stays(locked, "member", "This member")
            [before] = [row["user_id"] for row in members.values() if row["role"] == "owner"]
            await change.execute("set_role", user_id=before, role="admin")
            await change.execute("set_role", user_id=user_id, role="owner")
            await change.note("team.owner_changed", user_id, before=before)

    async def delete(self, actor: Actor, team_id: str, kept: str | None = None) -> None:
        """Delete a team: its credits go to its owner, and what its people have in it ends, but the session `kept`.

        From the first step on nobody changes it. Where its credits cannot be moved, it stays, and what says why is
        raised. A process that ends in between leaves a team that its owner deletes again. Raises AccessRefused:
        missing_role.
        """
        async with change_of(self._around, team_id, actor, deleting=True) as change:
            change.need("owner")
            owner = await _owner_of(change)
            await change.execute("begin_deletion")
        await self._with_account(change.team)
        try:
            await self._around.hand_over(team_id, owner)
        except Exception:
            async with self._around.log.connection() as connection:
                await connection.execute(SQL["stop_deletion"], {"team_id": team_id})
            raise
        async with change_of(self._around, team_id, actor, deleting=True) as change:
            await change.execute("end_keys", user_id=None)
            await change.execute("delete", kept=digest(kept) if kept else None)
            await change.note("team.deleted", team_id, credits_to=owner)


def _check_stays(locked: list[Row], what: str, asked: str) -> None:
    """Raise AccessRefused: not_found unless a user is there, and deletion_requested for one who is to be erased: the
    owner of a team is not, and the team would put it off for ever."""
    if not locked:
        raise not_there(what)
    if locked[0]["deletion_at"] is not None:
        detail = f"{asked} asked to be erased. Take that back in the settings first: the owner of a team stays."
        raise AccessRefused("deletion_requested", detail, deletion_at=locked[0]["deletion_at"])


async def _owner_of(change: Change) -> str:
    owners = [row["user_id"] for row in await change.rows("members") if row["role"] == "owner"]
    if not owners:
        raise last_owner()
    owner: str = owners[0]
    return owner


def _slug_taken(slug: str) -> AccessRefused:
    return AccessRefused("slug_taken", f"Another team is called {slug}.", slug=slug)
