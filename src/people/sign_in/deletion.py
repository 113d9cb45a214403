"""The end of a user: asked for by themselves, taken back for seven days, and then carried out for good.

First the texts of their account become unreadable, in the ledger. Then one transaction deletes every row about them. A
process that ends in between begins again. What stays is what was done, under ids that are nobody's.
"""

from datetime import datetime

from people import audit_log
from people.audit_log import SYSTEM, AuditEntry, by_user, note
from people.errors import AccessRefused
from people.sign_in import letters
from people.sign_in.profiles import SQL, rows
from people.sign_in.recovery import Recovery
from people.sign_in.sign_ins import SQL as OF_USERS
from people.sign_in.sign_ins import Connection, Person, SignIns, Surroundings, user_of
from people.sign_in.sign_ins import rows as users
from people.sign_in.words import Origin, User, digest, new_token

AT_ONCE = 20
"""Users that one look erases at most."""
_FIRST = "Delete it, or make somebody else its owner."
_OWN = "You own a team. " + _FIRST
_ROWS = (
    *("erase_sessions", "erase_tokens", "erase_registrations", "erase_invitations", "erase_teams", "erase_attempts"),
    "erase_user",
)
"""The statements that delete rows, in the order that their references need. What else there is goes with the user."""


class Deletions:
    """Deletes users. Every method raises psycopg.Error."""

    def __init__(self, around: Surroundings, sign_ins: SignIns, recovery: Recovery) -> None:
        self._around = around
        self._sign_ins = sign_ins
        self._recovery = recovery

    async def ask(self, person: Person, password: str | None, origin: Origin) -> datetime:
        """Ask for the end of a user; returns when it comes. Who asks again does not put it off.

        Raises AccessRefused: owns_a_team, and what `Recovery.confirm` raises.
        """
        user = person.user
        async with self._around.log.connection() as connection:
            await _check_owns_nothing(connection, user.user_id, _OWN)
        await self._recovery.confirm(person, password, origin)
        return await self._begin(user, by_user("user.deletion_requested", user.user_id), _OWN)

    async def ask_for(self, user_id: str, actor: str) -> datetime:
        """Ask for the end of a user in the name of the product. They are told by mail, and may take it back too.

        Raises AccessRefused: not_found, owns_a_team.
        """
        async with self._around.log.connection() as connection:
            found = await users(connection, "user", user_id=user_id)
        if not found:
            raise AccessRefused("not_found", "There is no such user.")
        entry = AuditEntry("user.deletion_requested", actor, user_id, user_id)
        return await self._begin(user_of(found[0]), entry, "The user owns a team. " + _FIRST)

    async def _begin(self, user: User, entry: AuditEntry, owns: str) -> datetime:
        """Raises AccessRefused: owns_a_team, which says what `owns` says: a team comes before this or after it."""
        now = self._around.clock()
        async with self._around.log.connection() as connection, connection.transaction():
            given = {"user_id": user.user_id, "at": now + letters.DELETION}
            at: datetime = (await rows(connection, "ask_deletion", **given))[0]["deletion_at"]
            await _check_owns_nothing(connection, user.user_id, owns)
            if self._around.registration != "off":
                await self._mail_way_back(connection, user, at)
            await note(connection, now, entry)
        return at

    async def _mail_way_back(self, connection: Connection, user: User, at: datetime) -> None:
        token, sha256 = new_token()
        page = self._around.page(f"keep/{token}")
        await self._recovery.keep_token(connection, sha256, "keep", user.email, user, expires_at=at)
        told = letters.deletion(user.email, f"keep:{sha256.hex()}", page, f"{at:%d %B %Y}")
        await self._around.tell(connection, told)

    async def take_back(self, user_id: str, actor: str | None = None) -> bool:
        """Keep a user; `actor` says who does it, if not they themselves. Returns whether they were to be deleted."""
        async with self._around.log.connection() as connection, connection.transaction():
            return await self._take_back(connection, user_id, actor or user_id)

    async def keep(self, token: str) -> None:
        """Keep a user, with the mailed link. Raises AccessRefused: token_spent."""
        async with self._around.log.connection() as connection, connection.transaction():
            found = await self._sign_ins.use(connection, token, "keep")
            await self._take_back(connection, found["user_id"], found["user_id"])

    async def _take_back(self, connection: Connection, user_id: str, actor: str) -> bool:
        now = self._around.clock()
        kept = await rows(connection, "take_back", user_id=user_id, now=now)
        if kept:
            given = {"user_id": user_id, "now": now, "purposes": ["keep"]}
            await connection.execute(OF_USERS["end_tokens"], given)
            await note(connection, now, AuditEntry("user.deletion_taken_back", actor, user_id, user_id))
        return bool(kept)

    async def erase_due(self) -> int:
        """Erase those whose time has come, at most AT_ONCE. Returns how many there were."""
        async with self._around.log.connection() as connection:
            due = await rows(connection, "due", now=self._around.clock(), limit=AT_ONCE)
        for row in due:
            await self._erase(row["user_id"])
        return len(due)

    async def _erase(self, user_id: str) -> None:
        await self._around.erase_account(user_id)
        async with self._around.log.connection() as connection, connection.transaction():
            now = self._around.clock()
            found = await rows(connection, "lock_due", user_id=user_id, now=now)
            if not found:  # another process is at it
                return
            await connection.execute(SQL["lock_key_changes"])  # before all that a change of a team locks after it
            email = found[0]["email"]
            emails = [email, *found[0]["former_emails"]]
            await connection.execute(SQL["end_keys"], {"user_id": user_id, "now": now})
            await connection.execute(SQL["erase_keys"], {"user_id": user_id})
            await self._erase_rows(connection, user_id, emails)
            await note(connection, now, AuditEntry("user.deleted", SYSTEM, user_id, user_id))

    async def _erase_rows(self, connection: Connection, user_id: str, emails: list[str]) -> None:
        given = {"user_id": user_id, "emails": emails, "digests": [digest(email) for email in emails]}
        for email in emails:
            await audit_log.erase(connection, user_id, email)
        await self._around.forget_mails(connection, emails)
        for name in _ROWS:
            await connection.execute(SQL[name], given)


async def _check_owns_nothing(connection: Connection, user_id: str, detail: str) -> None:
    """Raise AccessRefused: owns_a_team for who owns one."""
    [owned] = await rows(connection, "owned_teams", user_id=user_id)
    if owned["teams"]:
        raise AccessRefused("owns_a_team", detail, teams=owned["teams"])
