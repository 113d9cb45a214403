"""Sessions: one-time links and cookies, and what each of them gives access to. The database has only their SHA-256.

A person's session gives access to one account. It begins when the person opens a link that the product has requested.
An operator's session belongs to an API key, and has the scopes that this key has at the moment.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ledger.postgres.connecting import connect
from ledger.postgres.named_sql import queries
from ledger.store import EventLog
from people.audit_log import by_user, note
from people.ended_sessions import forget_ended
from people.teams.roles import Role

LINK_LASTS = timedelta(minutes=5)
"""How long a link can be opened, unless its session ends sooner."""
OPERATOR_LASTS = timedelta(hours=12)

RENEWED_BELOW = timedelta(days=6)
"""A session of a user lasts a week again when less than this is left of it: it is renewed once a day, for 30 days."""

CHECK = 0.5
"""Seconds between two looks for sessions that have ended."""

_SQL = queries("people", "sql/sessions.sql")
_log = logging.getLogger("credit_ledger.sessions")


@dataclass(frozen=True, slots=True)
class Session:
    """The access that a cookie gives: to one account, or that of an operator with an API key or with scopes."""

    account_id: str | None
    key_sha256: bytes | None
    return_url: str | None
    """The address in the product from which the person came."""
    expires_at: datetime
    ended_at: datetime | None
    user_id: str | None = None
    """The user who signed in here; None when the product or an API key vouches for the person."""
    zone: str | None = None
    language: str | None = None
    """How the user wants times and numbers; None: as the browser has it."""
    issuer: str | None = None
    subject: str | None = None
    """The provider at which they signed in, and their name there."""
    scopes: list[str] | None = None
    """Those of an operator whom that provider names."""
    member: str | None = None
    """Whose usage is the person's own, where the product says so."""
    role: Role | None = None
    """The role in the account: that of a user at this moment, or what the product says, if it says one."""
    person: Mapping[str, str] | None = None
    """Who the person is, where the product says so: `user_id`, and perhaps `email` and `name`."""
    own_account_id: str | None = None
    """The account of a user who signed in at a provider; the others have one with their own id."""
    team_name: str | None = None
    """What the account is called, where it is that of a user's team."""

    def open(self, now: datetime) -> bool:
        """Whether the session is neither expired nor ended by a sign-out."""
        return self.ended_at is None and now < self.expires_at

    @property
    def renewable(self) -> bool:
        """Whether it lasts longer while it is used."""
        return self.user_id is not None and self.issuer is None


@dataclass(frozen=True, slots=True)
class UnopenedLink:
    """A link that nobody has opened yet. Without an account, it belongs to an operator's key."""

    account_id: str | None


@dataclass(frozen=True, slots=True)
class InvalidLink:
    """A link that begins no session: it was opened before, it is expired, or it does not exist."""

    return_url: str | None
    opened: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A new link. `token` is a part of its address, and stored nowhere."""

    token: str
    expires_at: datetime
    """The time at which the link stops working."""
    session_expires_at: datetime


@dataclass(frozen=True, slots=True)
class Guest:
    """What a product says of the person whom it sends."""

    return_url: str | None = None
    member: str | None = None
    role: Role | None = None
    person: Mapping[str, str] | None = None


def _new_link(
    now: datetime,
    lasts: timedelta,
    account_id: str | None,
    key_sha256: bytes | None,
    guest: Guest | None = None,
    link_lasts: timedelta = LINK_LASTS,
) -> tuple[Link, dict[str, Any]]:
    guest = guest or Guest()
    link = Link(secrets.token_urlsafe(32), now + min(link_lasts, lasts), now + lasts)
    return link, {
        "link": _digest(link.token),
        "account_id": account_id,
        "key": key_sha256,
        "return_url": guest.return_url,
        "member": guest.member,
        "role": guest.role,
        "person": Jsonb(guest.person) if guest.person else None,
        "now": now,
        "link_expires_at": link.expires_at,
        "expires_at": link.session_expires_at,
    }


def make_link(
    conninfo: str,
    now: datetime,
    lasts: timedelta,
    *,
    account_id: str | None = None,
    key_sha256: bytes | None = None,
    link_lasts: timedelta = LINK_LASTS,
) -> Link:
    """Make a one-time link for the holder of an account, or for an operator's key. For the command line."""
    link, parameters = _new_link(now, lasts, account_id, key_sha256, link_lasts=link_lasts)
    with connect(conninfo) as connection:
        connection.execute(_SQL["make_link"], parameters)
    return link


class Sessions:
    """The sessions in the database. Every method raises psycopg.Error."""

    def __init__(self, log: EventLog, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock

    async def make_link(self, account_id: str, lasts: timedelta, guest: Guest) -> Link:
        """Make a one-time link for the holder of an account."""
        now = self._clock()
        link, parameters = _new_link(now, lasts, account_id, None, guest)
        await self._rows("make_link", **parameters)
        await self._forget(now)
        return link

    async def find_link(self, token: str) -> UnopenedLink | InvalidLink:
        """Look at a link without opening it."""
        found = await self._rows("link", link=_digest(token))
        if not found:
            return InvalidLink(None, opened=False)
        link = found[0]
        if link["begun_at"] is None and self._clock() < link["link_expires_at"]:
            return UnopenedLink(link["account_id"])
        return InvalidLink(link["return_url"], link["begun_at"] is not None)

    async def begin(self, token: str, mark: str = "") -> tuple[str, Session] | InvalidLink:
        """Begin the session of a link: returns a new cookie and the session, or the reason why the link is invalid.

        The cookie begins with `mark`.
        """
        cookie = mark + secrets.token_urlsafe(32)
        rows = await self._rows("begin", link=_digest(token), cookie=_digest(cookie), now=self._clock())
        if rows:
            return cookie, Session(**rows[0])
        found = await self.find_link(token)
        return found if isinstance(found, InvalidLink) else InvalidLink(None, opened=False)

    async def sign_in(self, key_sha256: bytes, mark: str = "") -> tuple[str, Session]:
        """Begin the session of an operator with a valid key: returns a new cookie, as `begin` does, and the session."""
        now, cookie = self._clock(), mark + secrets.token_urlsafe(32)
        expires_at = now + OPERATOR_LASTS
        await self._rows("sign_in", cookie=_digest(cookie), key=key_sha256, now=now, expires_at=expires_at)
        await self._forget(now)
        return cookie, Session(None, key_sha256, None, expires_at, None)

    async def find(self, cookie: str) -> Session | None:
        """The session of a cookie, open or over."""
        rows = await self._rows("find", cookie=_digest(cookie))
        session, now = Session(**rows[0]) if rows else None, self._clock()
        if session is not None and session.renewable and session.expires_at - now < RENEWED_BELOW:
            await self._rows("renew", cookie=_digest(cookie), now=now)
        return session

    async def switch(self, cookie: str, account_id: str, mark: str = "") -> str | None:
        """Let a user's session go on in another account: returns its new cookie, which begins with `mark`.

        None when the account is none of theirs.
        """
        new = mark + secrets.token_urlsafe(32)
        given = {"cookie": _digest(cookie), "new": _digest(new), "account_id": account_id, "now": self._clock()}
        return new if await self._rows("switch", **given) else None

    async def end(self, cookie: str) -> str | None:
        """End the session of a cookie. Returns the ID token with which it began, if it is of a provider."""
        now = self._clock()
        async with self._log.connection() as connection, connection.transaction():
            found = await connection.execute(_SQL["end"], {"cookie": _digest(cookie), "now": now})
            ended = await found.fetchone()
            if ended is None:
                return None
            user_id, id_token = ended
            if user_id is not None:
                await note(connection, now, by_user("user.signed_out", user_id))
            return str(id_token) if id_token is not None else None

    async def _forget(self, now: datetime) -> None:
        async with self._log.connection() as connection:
            await forget_ended(connection, now)

    async def _rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        async with self._log.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SQL[name], parameters)
            return await cursor.fetchall() if cursor.description else []


class SessionWatch:
    """Tells whether sessions that are in use for long, such as those of event streams, have ended.

    A process asks the database for all of them at once, every CHECK seconds, and only while there are any.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._watched: WeakSet[WatchedSession] = WeakSet()

    def watch(self, cookie: str) -> "WatchedSession":
        """Watch a session that is open, as long as the result is in use."""
        watched = WatchedSession(_digest(cookie))
        self._watched.add(watched)
        return watched

    async def keep_fresh(self) -> None:
        """Look for ended sessions until cancelled."""
        while True:
            await asyncio.sleep(CHECK)
            try:
                await self._refresh()
            except psycopg.Error as error:
                _log.warning("sessions could not be read: %s", error)

    async def _refresh(self) -> None:
        watched = list(self._watched)
        cookies = list({one.digest for one in watched})
        if not cookies:
            return
        async with self._log.connection() as connection:
            found = await connection.execute(_SQL["which_are_open"], {"cookies": cookies})
            still_open = {bytes(row[0]) for row in await found.fetchall()}
        for one in watched:
            one.open = one.digest in still_open


class WatchedSession:
    """A session that is watched. `open` is false when it was ended."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self.open = True


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
