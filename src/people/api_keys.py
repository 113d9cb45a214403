"""API keys: bearer tokens with scopes. The database has the SHA-256 of a key; the key itself is shown once.

A key of a service acts on all accounts, as its scopes say. A key of an account acts for its holder, or for one member
of a team, with scopes of its own: `read`, `write` and `admin`. It has no scope of services, so that it opens nothing
unless a route says what it may do there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from ledger.postgres.connecting import connect
from ledger.postgres.named_sql import queries
from people import audit_log
from people.audit_log import SYSTEM, AuditEntry
from people.secret_format import new_secret
from people.teams.roles import Role

VERIFY = "keys:verify"
READ_PEOPLE, MANAGE_PEOPLE = "people:read", "people:write"
SCOPES = (
    *("ledger:write", "ledger:manage", "ledger:read", "audit:read", "portal:write"),
    *(VERIFY, READ_PEOPLE, MANAGE_PEOPLE, "admin"),
)
"""The scopes of services."""
Scope = Literal["read", "write", "admin"]
OWN_SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
"""The scopes of keys of accounts. They are stored as `own:read` and so on, which no service has."""
State = Literal["active", "expired", "disabled", "revoked"]

SQL = queries("people", "sql/api_keys.sql")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key, without its secret. `prefix` is that of its present secret, `key_id` that of its first one."""

    prefix: str
    name: str
    scopes: frozenset[str]
    key_id: str = ""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    account_id: str | None = None
    """The account on which it acts; None for a key of a service."""
    member: str | None = None
    """The member of a team whose use of the account it is."""
    made_by: str | None = None
    rate_per_minute: int | None = None
    disabled_at: datetime | None = None
    replaces: str | None = None
    role: Role | None = None
    """What whoever made it is in the account, now. A key never does more, and nothing without a role."""

    @property
    def actor(self) -> str:
        """The name of the key in the metadata of events."""
        return f"key:{self.key_id}"

    @property
    def lasts(self) -> bool:
        """Whether the key is usable at any time, as nearly all are."""
        return self.expires_at is None and self.revoked_at is None and self._is_enabled

    @property
    def _is_enabled(self) -> bool:
        return self.disabled_at is None and (self.account_id is None or self.role is not None)

    def usable(self, now: datetime) -> bool:
        """Whether the key is neither revoked, disabled nor expired."""
        return self.state(now) == "active"

    def state(self, now: datetime) -> State:
        """What the key is now. That it was revoked is told before all else."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        return "active" if self._is_enabled else "disabled"

    def allows(self, scope: str) -> bool:
        """Whether the key has a scope of services. `admin` has every scope; a key of an account has none."""
        return self.account_id is None and (scope in self.scopes or "admin" in self.scopes)

    def allows_own(self, scope: Scope) -> bool:
        """Whether the key has a scope on its account, and whoever made it a role for that."""
        may = self.role in {"owner", "admin"} if scope == "admin" else self.role is not None
        return self.account_id is not None and may and stored(scope) in self.scopes

    @property
    def own_scopes(self) -> list[Scope]:
        """The scopes of a key of an account, from the least to the most."""
        return [scope for scope in OWN_SCOPES if stored(scope) in self.scopes]


def stored(scope: Scope) -> str:
    """A scope of a key of an account as it is stored."""
    return f"own:{scope}"


def key_hash(secret: str) -> bytes:
    """The SHA-256 of a key, which is stored."""
    return sha256(secret.encode()).digest()


def bearer_of(authorization: bytes | None) -> bytes | None:
    """The key in an Authorization header; None if the header has no key."""
    scheme, _, secret = (authorization or b"").partition(b" ")
    return secret.strip() if scheme.lower() == b"bearer" and secret else None


def key_digest(authorization: bytes | None) -> bytes | None:
    """The SHA-256 of the key in an Authorization header; None if the header has no key."""
    secret = bearer_of(authorization)
    return None if secret is None else sha256(secret).digest()


def key_of(row: dict[str, Any]) -> ApiKey:
    """The key of a row, which may have more columns."""
    columns = {name: value for name, value in row.items() if name not in {"sha256", "changed"}}
    return ApiKey(**{**columns, "scopes": frozenset(row["scopes"])})


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
    secret, scopes = new_secret(), list(scopes)
    parameters = {
        "prefix": secret.prefix,
        "sha256": key_hash(secret.text),
        "name": name,
        "scopes": scopes,
        "expires_at": expires_at,
        "first": first,
    }
    with connect(conninfo) as connection:
        made = connection.execute(SQL["create_key"], parameters).fetchone() == (True,)
        if made:
            _note(connection, "key.created", secret.prefix, name=name, scopes=" ".join(scopes))
    return secret.text if made else None


def list_keys(conninfo: str) -> list[ApiKey]:
    """All keys, the oldest first."""
    with connect(conninfo, row_factory=dict_row) as connection:
        return [key_of(row) for row in connection.execute(SQL["all_keys"])]


def revoke_key(conninfo: str, prefix: str) -> bool:
    """Revoke a key. Returns whether there is a key with that prefix."""
    with connect(conninfo) as connection:
        found = connection.execute(SQL["revoke_key"], {"prefix": prefix}).fetchone() == (True,)
        if found:
            _note(connection, "key.revoked", prefix)
        return found


def _note(connection: psycopg.Connection[Any], action: str, prefix: str, **details: str) -> None:
    entry = AuditEntry(action, SYSTEM, f"key:{prefix}", details=details)
    connection.execute(audit_log.SQL["note"], audit_log.row_of(datetime.now(UTC), entry))
