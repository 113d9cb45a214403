"""API keys: bearer tokens with scopes. The database has the SHA-256 of a key; the key itself is shown once.

A process keeps all keys in memory and reads them again every REFRESH seconds, so a revoked key works that much longer
at most. A key that is not in memory is looked up in the database at once. A rate limits these look-ups, to slow down
a guesser.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ledger.postgres.connecting import connect
from ledger.postgres.named_sql import queries
from ledger.store import EventLog
from people import audit_log
from people.audit_log import SYSTEM, AuditEntry
from people.errors import AccessRefused
from people.rate_limits import RateLimits, seconds

SCOPES = ("ledger:write", "ledger:manage", "ledger:read", "audit:read", "portal:write", "admin")
REFRESH = 1.0
_TOUCH_EVERY = 30
_UNKNOWN_PER_SECOND = 20

_SQL = queries("people", "sql/api_keys.sql")
_log = logging.getLogger("credit_ledger.keys")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key, without its secret."""

    prefix: str
    name: str
    scopes: frozenset[str]
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def actor(self) -> str:
        """The name of the key in the metadata of events."""
        return f"key:{self.prefix}"

    @property
    def lasts(self) -> bool:
        """Whether the key is usable at any time, as nearly all are."""
        return self.expires_at is None and self.revoked_at is None

    def usable(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def allows(self, scope: str) -> bool:
        """Whether the key has a scope. `admin` has every scope."""
        return scope in self.scopes or "admin" in self.scopes


def new_secret() -> tuple[str, str]:
    """A new key and its prefix: clk_<prefix>_<secret>, 192 random bits in the secret."""
    prefix = secrets.token_hex(4)
    return f"clk_{prefix}_{secrets.token_urlsafe(24)}", prefix


def key_hash(secret: str) -> bytes:
    """The SHA-256 of a key, which is stored."""
    return sha256(secret.encode()).digest()


def key_digest(authorization: bytes | None) -> bytes | None:
    """The SHA-256 of the key in an Authorization header; None if the header has no key."""
    scheme, _, secret = (authorization or b"").partition(b" ")
    return sha256(secret.strip()).digest() if scheme.lower() == b"bearer" and secret else None


def _as_key(row: dict[str, Any]) -> ApiKey:
    return ApiKey(
        row["prefix"],
        row["name"],
        frozenset(row["scopes"]),
        row["created_at"],
        row["expires_at"],
        row["revoked_at"],
        row["last_used_at"],
    )


# For the command line: one connection, no event loop ------------------------------------------------------------


def create_key(conninfo: str, name: str, scopes: Iterable[str], expires_at: datetime | None = None) -> str:
    """Make a key and return it. It cannot be read again."""
    secret = _create(conninfo, name, scopes, expires_at, first=False)
    assert secret is not None
    return secret


def create_first_key(conninfo: str) -> str | None:
    """Make a key with every scope if there is no key, and return it; else None."""
    return _create(conninfo, "first key", SCOPES, None, first=True)


def _create(conninfo: str, name: str, scopes: Iterable[str], expires_at: datetime | None, *, first: bool) -> str | None:
    secret, prefix = new_secret()
    scopes = list(scopes)
    parameters = {
        "prefix": prefix,
        "sha256": key_hash(secret),
        "name": name,
        "scopes": scopes,
        "expires_at": expires_at,
        "first": first,
    }
    with connect(conninfo) as connection:
        made = connection.execute(_SQL["create_key"], parameters).fetchone() == (True,)
        if made:
            _note(connection, "key.created", prefix, name=name, scopes=" ".join(scopes))
    return secret if made else None


def list_keys(conninfo: str) -> list[ApiKey]:
    """All keys, the oldest first."""
    with connect(conninfo, row_factory=dict_row) as connection:
        return [_as_key(row) for row in connection.execute(_SQL["all_keys"])]


def revoke_key(conninfo: str, prefix: str) -> bool:
    """Revoke a key. Returns whether there is a key with that prefix."""
    with connect(conninfo) as connection:
        found = connection.execute(_SQL["revoke_key"], {"prefix": prefix}).fetchone() == (True,)
        if found:
            _note(connection, "key.revoked", prefix)
        return found


def _note(connection: psycopg.Connection[Any], action: str, prefix: str, **details: str) -> None:
    entry = AuditEntry(action, SYSTEM, f"key:{prefix}", details=details)
    connection.execute(audit_log.SQL["note"], audit_log.row_of(datetime.now(UTC), entry))


# For the service -------------------------------------------------------------------------------------------------


class KeyRing:
    """The keys that a process has in memory, by hash."""

    def __init__(
        self, log: EventLog, clock: Callable[[], datetime], admin_key: str | None, rates: RateLimits | None
    ) -> None:
        self._log = log
        self._clock = clock
        self._keys: dict[bytes, ApiKey] = {}
        self._admin: dict[bytes, ApiKey] = {}
        if admin_key:
            self._admin[key_hash(admin_key)] = ApiKey("admin", "CREDIT_LEDGER_ADMIN_KEY", frozenset(SCOPES))
        self.rates = rates
        """How many commands a second each key may send; None when there is no limit."""
        self._unknown = RateLimits(_UNKNOWN_PER_SECOND)
        self._used: set[str] = set()

    async def authenticate(self, authorization: bytes | None) -> ApiKey:
        """The key in an Authorization header. Raises AccessRefused: unauthenticated, unavailable, or rate_limited when
        too many keys are unknown."""
        digest = key_digest(authorization)
        if digest is None:
            raise AccessRefused("unauthenticated", "Send an API key as 'Authorization: Bearer <key>'.")
        key = self._keys.get(digest) or await self._find(digest)
        if key is None or not self._is_usable(key):
            raise AccessRefused("unauthenticated", "The API key is unknown, expired or revoked.")
        self._used.add(key.prefix)
        return key

    async def by_digest(self, digest: bytes) -> ApiKey | None:
        """The key with a SHA-256, if it is usable now. Raises AccessRefused: rate_limited or unavailable."""
        key = self._keys.get(digest) or await self._find(digest)
        return key if key is not None and self._is_usable(key) else None

    def _is_usable(self, key: ApiKey) -> bool:
        return key.lasts or key.usable(self._clock())

    def still_allows(self, digest: bytes, scope: str) -> bool:
        """Whether the key with a SHA-256 is still usable, as far as this process knows. It counts no request."""
        key = self._keys.get(digest)
        return key is not None and key.usable(self._clock()) and key.allows(scope)

    async def _find(self, digest: bytes) -> ApiKey | None:
        if digest in self._admin:
            key = self._keys[digest] = self._admin[digest]
            return key
        allowance = self._unknown.take("unknown")
        if not allowance.admitted:
            raise AccessRefused(
                "rate_limited",
                "Too many requests with unknown API keys.",
                retry_after=max(1, seconds(allowance.wait)),
                limit=_UNKNOWN_PER_SECOND,
            )
        try:
            rows = await self._rows("find_key", {"sha256": digest})
        except psycopg.Error as error:
            raise AccessRefused(
                "unavailable", "The database cannot be reached to check the API key.", retry_after=1
            ) from error
        for row in rows:
            self._keys[bytes(row["sha256"])] = _as_key(row)
        return self._keys.get(digest)

    async def _rows(self, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        async with self._log.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SQL[name], parameters)
            return await cursor.fetchall()

    async def refresh(self) -> None:
        """Read all keys again."""
        rows = await self._rows("all_keys", {})
        self._keys = self._admin | {bytes(row["sha256"]): _as_key(row) for row in rows}

    async def keep_fresh(self) -> None:
        """Refresh the keys until cancelled, and record from time to time which keys were used."""
        for turn in range(2**62):
            await asyncio.sleep(REFRESH)
            try:
                await self.refresh()
                if turn % _TOUCH_EVERY == 0:
                    await self.touch()
            except psycopg.Error as error:
                _log.warning("API keys could not be read: %s", error)

    async def touch(self) -> None:
        """Record which keys were used since the last call."""
        used, self._used = self._used, set()
        if used:
            async with self._log.connection() as connection:
                await connection.execute(_SQL["touch_keys"], {"prefixes": list(used)})
