"""Invitations into a team, by mail. An open one takes a seat; accepting it takes no other.

Whoever has the link learns what it is about, and only the user with the invited address, verified, can accept it.
"""

from collections.abc import Callable
from datetime import datetime

from ledger.store import EventLog
from people.audit_log import AuditEntry, note
from people.errors import AccessRefused
from people.sign_in.throttle import note_invitation
from people.sign_in.words import Origin, User, digest, new_token, token_spent
from people.teams import letters
from people.teams.changing import Change, Connection, change_of, rows, tell_owner
from people.teams.roles import SQL
from people.teams.seats import already_member, check_free
from people.teams.words import (
    INVITED_FOR,
    Actor,
    Invitation,
    InvitedRole,
    OpenInvitation,
    TeamSurroundings,
    new_id,
    not_there,
)


class Invitations:
    """Invites people. Every method raises psycopg.Error; those of a team raise AccessRefused: not_found."""

    def __init__(self, around: TeamSurroundings) -> None:
        self._around = around

    async def of(self, team_id: str) -> list[Invitation]:
        """Those that are open, the oldest first."""
        async with self._around.log.connection() as connection:
            found = await rows(connection, "invitations", team_id=team_id, now=self._around.clock())
            return [Invitation(**row) for row in found]

    async def invite(self, actor: Actor, team_id: str, email: str, role: InvitedRole, origin: Origin) -> Invitation:
        """Mail an invitation. Raises AccessRefused: missing_role, already_member, seats_taken, rate_limited."""
        around, invitation_id, (token, sha256) = self._around, new_id("inv"), new_token()
        page, most = around.page(f"invitation/{token}"), await self._around.seats(team_id)
        async with change_of(around, team_id, actor) as change:
            change.need("admin")
            await change.execute("forget_expired")
            await check_free(change, email, most)
            given = {"invitation_id": invitation_id, "sha256": sha256, "email": email, "role": role}
            expires_at = change.now + INVITED_FOR
            [made] = await change.rows("invite", **given, invited_by=actor.name, expires_at=expires_at)
            await self._mail(change, Invitation(**made), sha256, page, origin)
            await change.note("member.invited", invitation_id, role=role)
        return Invitation(**made)

    async def resend(self, actor: Actor, team_id: str, invitation_id: str, origin: Origin) -> Invitation:
        """Mail another link, for another seven days; the earlier one ends. The actor is who invites from now on.

        Raises AccessRefused: missing_role, rate_limited.
        """
        around, (token, sha256) = self._around, new_token()
        page = around.page(f"invitation/{token}")
        async with change_of(around, team_id, actor) as change:
            change.need("admin")
            given = {"invitation_id": invitation_id, "sha256": sha256, "invited_by": actor.name}
            sent = await change.rows("resend", **given, expires_at=change.now + INVITED_FOR)
            if not sent:
                raise not_there("open invitation")
            await self._mail(change, Invitation(**sent[0]), sha256, page, origin)
            await change.note("invitation.resent", invitation_id)
        return Invitation(**sent[0])

    async def withdraw(self, actor: Actor, team_id: str, invitation_id: str) -> None:
        """End an invitation, whose seat is free again. Raises AccessRefused: missing_role."""
        async with change_of(self._around, team_id, actor) as change:
            change.need("admin")
            if not await change.rows("withdraw", invitation_id=invitation_id):
                raise not_there("open invitation")
            await change.note("invitation.withdrawn", invitation_id)

    async def find(self, token: str) -> OpenInvitation:
        """What a mailed link is about. Raises AccessRefused: token_spent."""
        async with self._around.log.connection() as connection:
            found = await rows(connection, "invitation", sha256=digest(token), now=self._around.clock())
        if not found:
            raise token_spent()
        return OpenInvitation(**found[0])

    async def accept(self, user: User, token: str) -> OpenInvitation:
        """Join the team, as one transaction. Who invited must be able to invite still.

        Raises AccessRefused: token_spent, invitation_for_another_address, already_member.
        """
        around, now = self._around, self._around.clock()
        team_id = (await self.find(token)).team_id
        async with around.log.connection() as connection, connection.transaction():
            await connection.execute(SQL["lock"], {"team_id": team_id})
            await connection.execute(SQL["lock_user"], {"user_id": user.user_id})  # before what is theirs
            found = await rows(connection, "invitation", sha256=digest(token), now=now)
            if not found:
                raise token_spent()
            invited, joins = OpenInvitation(**found[0]), {"user_id": user.user_id, "now": now}
            accepted = await rows(connection, "accept", invitation_id=invited.invitation_id, **joins)
            if not accepted:
                detail = "The invitation is for another address. Sign in as the user who has that one."
                raise AccessRefused("invitation_for_another_address", detail)
            if not await rows(connection, "add_member", team_id=team_id, role=invited.role, **joins):
                raise already_member("active")
            await self._welcome(connection, user, invited)
        return invited

    async def _mail(self, change: Change, invited: Invitation, sha256: bytes, page: str, origin: Origin) -> None:
        """Mail a link. Raises AccessRefused: rate_limited."""
        await note_invitation(change.connection, invited.email, origin.network, change.now)
        known = {row["user_id"]: row["email"] for row in await change.rows("members")}
        inviter = known.get(change.actor.user_id, "An operator of the service")
        cause = f"invitation:{sha256.hex()}"
        await self._around.tell(change.connection, letters.invitation(invited.email, cause, page, inviter))

    async def _welcome(self, connection: Connection, user: User, invited: OpenInvitation) -> None:
        """Note that somebody joined, and tell the owner, if they want to be told."""
        around, team_id = self._around, invited.team_id
        entry = AuditEntry("member.joined", user.user_id, user.user_id, team_id, {"role": invited.role})
        await note(connection, around.clock(), entry)
        await tell_owner(around, connection, team_id, letters.joined, f"joined:{invited.invitation_id}", user.email)


async def is_invited(log: EventLog, clock: Callable[[], datetime], email: str, token: str | None) -> bool:
    """Whether an address has an invitation that opens: the one with a secret, or any when it is None. Raises
    psycopg.Error."""
    sha256 = None if token is None else digest(token)
    async with log.connection() as connection:
        [found] = await rows(connection, "is_invited", email=email, sha256=sha256, now=clock())
    return bool(found["invited"])
