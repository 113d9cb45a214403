"""Sessions: one-time links and cookies, and what each of them opens. Only their SHA-256 is stored.

A person's session is of one account and begins when the link is opened that the person's product asked for. An
operator's session stands on an API key, and is worth no more than that key is at the moment.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ledger.postgres.named_sql import queries
from ledger.store import EventLog

LINK_LASTS = timedelta(minutes=5)
"""How long a link can be opened, unless its session ends sooner."""
OPERATOR_LASTS = timedelta(hours=12)
_FORGOTTEN_AFTER = timedelta(days=7)
"""Until then whoever comes back with an old cookie is told that the session is over, and where to go."""

_SQL = queries("people", "sql/sessions.sql")


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie opens: one account, or what an API key opens."""

    account_id: str | None
    key_sha256: bytes | None
    return_url: str | None
    """Where its person came from."""
    expires_at: datetime
    ended_at: datetime | None

    def open(self, now: datetime) -> bool:
        """Neither over nor ended by a sign-out."""
        return self.ended_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Spent:
    """A link that opens nothing: it was opened before, it is too old, or it never was one."""

    return_url: str | None
    opened: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was just made. `token` is in its address, and stored nowhere."""

    token: str
    expires_at: datetime
    """From then on it opens nothing."""
    session_expires_at: datetime


def _new_link(
    now: datetime,
    lasts: timedelta,
    account_id: str | None,
    key_sha256: bytes | None,
    return_url: str | None = None,
    link_lasts: timedelta = LINK_LASTS,
) -> tuple[Link, dict[str, Any]]:
    link = Link(secrets.token_urlsafe(32), now + min(link_lasts, lasts), now + lasts)
    return link, {
        "link": _digest(link.token),
        "account_id": account_id,
        "key": key_sha256,
        "return_url": return_url,
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
    """For the command line: a one-time link for the holder of an account, or for an operator's key."""
    link, parameters = _new_link(now, lasts, account_id, key_sha256, link_lasts=link_lasts)
    with psycopg.connect(conninfo) as connection:
        connection.execute(_SQL["make_link"], parameters)
    return link


class Sessions:
    """The sessions in the database. Raises what a database raises."""

    def __init__(self, log: EventLog, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock

    async def make_link(self, account_id: str, lasts: timedelta, return_url: str | None) -> Link:
        """A one-time link for the holder of an account."""
        now = self._clock()
        link, parameters = _new_link(now, lasts, account_id, None, return_url)
        await self._rows("make_link", **parameters)
        await self._rows("forget", before=now - _FORGOTTEN_AFTER)
        return link

    async def begin(self, token: str) -> "tuple[str, Session] | Spent":
        """Open a link: a new cookie and its session; or what became of the link."""
        cookie = secrets.token_urlsafe(32)
        rows = await self._rows("begin", link=_digest(token), cookie=_digest(cookie), now=self._clock())
        if rows:
            return cookie, Session(**rows[0])
        found = await self._rows("link", link=_digest(token))
        return Spent(found[0]["return_url"], found[0]["begun_at"] is not None) if found else Spent(None, opened=False)

    async def sign_in(self, key_sha256: bytes) -> tuple[str, Session]:
        """A session of an operator whose key was good: its cookie, and what it opens."""
        now, cookie = self._clock(), secrets.token_urlsafe(32)
        expires_at = now + OPERATOR_LASTS
        await self._rows("sign_in", cookie=_digest(cookie), key=key_sha256, now=now, expires_at=expires_at)
        await self._rows("forget", before=now - _FORGOTTEN_AFTER)
        return cookie, Session(None, key_sha256, None, expires_at, None)

    async def find(self, cookie: str) -> Session | None:
        """The session of a cookie, whether it is open or over."""
        rows = await self._rows("find", cookie=_digest(cookie))
        return Session(**rows[0]) if rows else None

    async def end(self, cookie: str) -> None:
        """Sign out."""
        await self._rows("end", cookie=_digest(cookie), now=self._clock())

    async def _rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        async with self._log.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SQL[name], parameters)
            return await cursor.fetchall() if cursor.description else []


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
