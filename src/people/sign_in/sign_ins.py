"""Signing in: by password or by a mailed link, and the sessions that come of it.

An unknown address takes as long as a known one, and is answered the same: see docs/adr/0085-sign-in-of-people.md.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ledger.postgres.named_sql import queries
from ledger.store import EventLog
from people.audit_log import by_user, note
from people.ended_sessions import forget_ended
from people.errors import AccessRefused
from people.sign_in.letters import Tell
from people.sign_in.passwords import Passwords
from people.sign_in.throttle import note_password, withdraw
from people.sign_in.ways_back import IsInvited
from people.sign_in.words import (
    Kind,
    Origin,
    OwnSession,
    SignedIn,
    User,
    check_signs_in,
    digest,
    new_token,
    token_spent,
)

SQL = queries("people", "sql/users.sql")
LASTS, LONGEST, RENEWED = timedelta(days=7), timedelta(days=30), timedelta(days=1)
"""A session ends a week after it was last renewed, at most after 30 days. It is renewed once a day while it is used."""
TOKEN = "cls_"  # noqa: S105 - how tokens of /api begin
PENDING = "clr_"
"""How the token of a registration begins, which opens nothing."""
Row = dict[str, Any]
Connection = AsyncConnection[Any]
Purpose = Literal["reset", "link", "email", "undo", "keep"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What signing in needs of the rest of the service."""

    log: EventLog
    clock: Callable[[], datetime]
    passwords: Passwords
    tell: Tell
    open_account: Callable[[str], Awaitable[None]]
    """Opens the account of a user id, with the credits of a new account; once, however often it is called."""
    page: Callable[[str], str]
    """The address of a page, from its path below the dashboard. Raises AccessRefused: public_url_required."""
    registration: Literal["open", "invited", "off"]
    """Who may register; with `off` nobody has a password here, and no mail leads to a page of ours."""
    erase_account: Callable[[str], Awaitable[None]]
    """Makes the texts of an account unreadable for ever; once, however often it is called."""
    forget_mails: Callable[[Connection, list[str]], Awaitable[None]]
    """Deletes the mails to some addresses in the transaction of a connection, those that wait too."""
    is_invited: IsInvited


class Person(NamedTuple):
    """A user with the session that they sent."""

    user: User
    session_id: int
    begun_at: datetime
    """When they signed in."""
    expires_at: datetime


class SignIns:
    """Signs people in and out. Every method raises psycopg.Error."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def with_password(self, email: str, password: str, origin: Origin, kind: Kind, mark: str = "") -> SignedIn:
        """Raises AccessRefused: wrong_credentials, user_disabled, or rate_limited."""
        around, now = self._around, self._around.clock()
        async with around.log.connection() as connection:
            attempt = await note_password(connection, email, origin.network, now)
            found = next(iter(await rows(connection, "user_by_email", email=email)), None)
        hashed = found["password_hash"] if found else None
        if not await around.passwords.match(hashed, password, origin.network) or found is None:
            detail = "The address or the password is wrong, or the address is not verified."
            raise AccessRefused("wrong_credentials", detail)
        async with around.log.connection() as connection, connection.transaction():
            made = await self.begin(connection, user_of(found), origin, kind, mark)
            await withdraw(connection, attempt)
        return await self.with_account(made)

    async def with_link(self, token: str, origin: Origin, kind: Kind, mark: str = "") -> SignedIn:
        """Raises AccessRefused: token_spent, user_disabled."""
        async with self._around.log.connection() as connection, connection.transaction():
            user = user_of(await self.use(connection, token, "link"))
            made = await self.begin(connection, user, origin, kind, mark)
        return await self.with_account(made)

    async def begin(self, connection: Connection, user: User, origin: Origin, kind: Kind, mark: str) -> SignedIn:
        """Begin a session of a user. Raises AccessRefused: user_disabled; unauthenticated when they were erased
        meanwhile."""
        now = self._around.clock()
        check_signs_in(await rows(connection, "note_sign_in", user_id=user.user_id, now=now))
        token, sha256 = new_token(TOKEN if kind == "token" else mark)
        values = {"sha256": sha256, "user_id": user.user_id, "kind": kind, "now": now, "expires_at": now + LASTS}
        await connection.execute(SQL["begin_session"], {**values, "client": (origin.client or "")[:200] or None})
        await note(connection, now, by_user("user.signed_in", user.user_id, {"kind": kind, "network": origin.network}))
        await forget_ended(connection, now)
        return SignedIn(user, token, now + LASTS)

    async def with_account(self, made: SignedIn) -> SignedIn:
        """The same, with the account of the user opened if it was not yet: the service may have ended in between."""
        user, around = made.user, self._around
        if user.account_opened_at is None:
            await around.open_account(user.user_id)
            async with around.log.connection() as connection:
                await connection.execute(SQL["account_opened"], {"user_id": user.user_id, "now": around.clock()})
        return made

    async def use(self, connection: Connection, token: str, purpose: Purpose) -> Row:
        """Use a mailed secret: its user, the address it was told at, and the new one. Raises AccessRefused."""
        given = {"sha256": digest(token), "purpose": purpose, "now": self._around.clock()}
        found = await rows(connection, "use_token", **given)
        if not found:
            raise token_spent()
        return found[0]

    async def is_usable(self, token: str, purpose: Purpose) -> bool:
        """Whether a mailed secret can be used now."""
        async with self._around.log.connection() as connection:
            given = {"sha256": digest(token), "purpose": purpose, "now": self._around.clock()}
            return bool((await rows(connection, "is_usable", **given))[0]["usable"])

    async def user(self, user_id: str) -> User:
        """A user who is signed in. Raises AccessRefused: unauthenticated for one who is gone."""
        async with self._around.log.connection() as connection:
            found = await rows(connection, "user", user_id=user_id)
        if not found:
            raise AccessRefused("unauthenticated", "The session is over, or there is none. Sign in.")
        return user_of(found[0])

    async def person(self, token: str, kind: Kind) -> Person:
        """Whose session a secret is. Raises AccessRefused: unauthenticated, email_not_verified.

        The token of a registration is answered the same for ever: whoever registers the address of somebody else must
        not see when its owner comes.
        """
        now = self._around.clock()
        async with self._around.log.connection() as connection:
            found = await rows(connection, "person", sha256=digest(token), kind=kind, now=now)
            if found:
                return await self._renewed(connection, found[0], now)
        if token.startswith(PENDING):
            detail = (
                "The token of a registration opens nothing. Open the link that was mailed to your address, or sign in."
            )
            raise AccessRefused("email_not_verified", detail)
        raise AccessRefused("unauthenticated", "The session is over, or there is none. Sign in.")

    async def _renewed(self, connection: Connection, found: Row, now: datetime) -> Person:
        expires_at = found["expires_at"]
        if now - found["used_at"] >= RENEWED:
            expires_at = min(now + LASTS, found["begun_at"] + LONGEST)
            renewed = {"session_id": found["session_id"], "now": now, "expires_at": expires_at}
            await connection.execute(SQL["renew"], renewed)
        return Person(user_of(found), found["session_id"], found["begun_at"], expires_at)

    async def sessions_of(self, person: Person) -> list[OwnSession]:
        """The open sessions of a user, the newest first."""
        async with self._around.log.connection() as connection:
            given = {"user_id": person.user.user_id, "current": person.session_id, "now": self._around.clock()}
            return [OwnSession(**row) for row in await rows(connection, "sessions_of", **given)]

    async def end(self, person: Person, session_id: int) -> bool:
        """End a session of a user. Returns whether they have one with that number."""
        user_id, now = person.user.user_id, self._around.clock()
        async with self._around.log.connection() as connection, connection.transaction():
            ended = await rows(connection, "end_session", user_id=user_id, session_id=session_id, now=now)
            if ended:
                await note(connection, now, by_user("session.ended", user_id, {"session_id": session_id}))
            return bool(ended)

    async def end_others(self, person: Person) -> None:
        """End all sessions of a user but this one."""
        user_id, now = person.user.user_id, self._around.clock()
        async with self._around.log.connection() as connection, connection.transaction():
            given = {"user_id": user_id, "except": person.session_id, "now": now}
            await connection.execute(SQL["end_sessions"], given)
            await note(connection, now, by_user("session.others_ended", user_id))


async def rows(connection: Connection, name: str, **parameters: Any) -> list[Row]:
    """The rows of a statement."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[name], parameters)
        return await cursor.fetchall()


def user_of(row: Row) -> User:
    """The user of a row."""
    return User(
        row["user_id"], row["email"], row["name"], row["created_at"], row["password_set_at"], row["account_opened_at"]
    )
