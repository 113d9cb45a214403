"""Keys of accounts: made, listed, changed, rotated and revoked, with entries in the log of keys and in the audit log.

The database functions of sql/0009_keys.sql do it, one after the other, so that a change is seen whole or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ledger.store import EventLog
from people.api_keys import SQL, ApiKey, Scope, key_hash, key_of, stored
from people.audit_log import AuditEntry, note
from people.errors import AccessRefused
from people.secret_format import new_secret, shown_part
from people.teams.roles import Role

MOST_KEYS = 100
"""Usable keys of one account."""
LISTED = 1_000
"""Keys of one page of a list, at most."""
LONGEST_NAME = 100
MOST_PER_MINUTE = 1_000_000
RATE = 100
"""Requests per minute of a key for which nothing else is said."""
LONGEST_GRACE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose keys somebody acts on: those of an account, and as its member only their own."""

    actor: str
    """Who acts, in the words of the audit log."""
    account_id: str
    role: Role = "owner"
    member: str | None = None
    """The person, where the account is a team's."""

    @classmethod
    def person(cls, user_id: str, account_id: str, role: Role) -> "Holder":
        """A person with a role in an account: their own, or that of a team."""
        return cls(user_id, account_id, role, None if account_id == user_id else user_id)

    @property
    def seen(self) -> str | None:
        """The member whose keys alone they see; None for all keys of the account."""
        return self.member if self.role == "member" else None

    def may_rotate(self, key: ApiKey) -> bool:
        """Whether they may have another secret of a key, which acts in its maker's name: in a team, of their own."""
        return self.member is None or key.made_by == self.member


class Wanted(NamedTuple):
    """A key to be made."""

    name: str
    scopes: Sequence[Scope]
    expires_at: datetime | None = None
    rate_per_minute: int | None = None


class Changes(NamedTuple):
    """What becomes of a key. None: it stays."""

    name: str | None = None
    rate_per_minute: int | None = None
    expires_at: datetime | None = None
    disabled: bool | None = None


class KeyPlace(NamedTuple):
    """The place of a key in the order of lists: those that are not revoked first, the newest first."""

    usable: bool
    created_at: datetime
    prefix: str


def place_of(key: ApiKey) -> KeyPlace:
    """Where a key of the database stands."""
    assert key.created_at is not None, "only the key of the settings was never made"
    return KeyPlace(key.revoked_at is None, key.created_at, key.prefix)


class Issued(NamedTuple):
    """A key with its secret, which is stored nowhere."""

    key: ApiKey
    secret: str


class Keys:
    """The keys of accounts. Every method raises psycopg.Error."""

    def __init__(self, log: EventLog, clock: Callable[[], datetime], brand: str) -> None:
        self._log = log
        self.clock = clock
        self.brand = brand

    async def listed(
        self,
        account_id: str | None,
        member: str | None = None,
        *,
        services: bool = False,
        text: str | None = None,
        after: KeyPlace | None = None,
        limit: int = LISTED,
    ) -> list[ApiKey]:
        """Keys behind a place, those that are not revoked first: of an account, of a member of it, or all; with a text
        those about which it is."""
        async with self._log.connection() as connection:
            return await _found(
                connection, account_id, member, None, services=services, text=text, after=after, limit=limit
            )

    async def make(self, holder: Holder, wanted: Wanted) -> Issued:
        """Make a key. Whoever leaves the account at this moment makes none.

        Raises AccessRefused: missing_scope, not_found, or keys_limit_exceeded.
        """
        _check_role(holder.role, wanted)
        secret, now = new_secret(self.brand), self.clock()
        values = {
            **wanted._asdict(),
            "prefix": secret.prefix,
            "sha256": key_hash(secret.text),
            "scopes": sorted({stored(one) for one in wanted.scopes}),
            "account_id": holder.account_id,
            "member": holder.member,
            "made_by": holder.actor,
            "most": MOST_KEYS,
            "at": now,
            "rate_per_minute": wanted.rate_per_minute or RATE,
        }
        async with self._log.connection() as connection, connection.transaction():
            if holder.member == holder.actor:  # one in the team: who is removed meanwhile comes before or after this
                await connection.execute(SQL["lock_changes"])
                _check_role(await _value(connection, "role_behind", values), wanted)
            if not await _value(connection, "make_key", values):
                detail = f"The account has {MOST_KEYS} usable keys. Revoke one that is not needed."
                raise AccessRefused("keys_limit_exceeded", detail, limit=MOST_KEYS)
            await self._note(connection, "key.created", holder, secret.prefix, name=wanted.name)
            return Issued(await _one(connection, holder, secret.prefix), secret.text)

    async def change(self, holder: Holder, key_id: str, changes: Changes) -> ApiKey:
        """Change a key. Raises AccessRefused: key_not_found."""
        async with self._log.connection() as connection, connection.transaction():
            await _one(connection, holder, key_id)
            given = {"key_id": key_id, "account_id": holder.account_id, "at": self.clock()}
            if not await _value(connection, "change_key", {**given, **changes._asdict()}):
                raise key_not_found(key_id)
            await self._note(connection, _action(changes), holder, key_id)
            return await _one(connection, holder, key_id)

    async def rotate(self, holder: Holder, key_id: str, grace: timedelta) -> Issued:
        """Give a key another secret; the present one ends after the grace. In a team, only whoever made the key may.

        Raises AccessRefused: key_not_found.
        """
        secret, now = new_secret(self.brand), self.clock()
        given = {"key_id": key_id, "account_id": holder.account_id, "at": now, "ends_at": now + grace}
        values = {**given, "prefix": secret.prefix, "sha256": key_hash(secret.text)}
        async with self._log.connection() as connection, connection.transaction():
            key = await _one(connection, holder, key_id)
            if not holder.may_rotate(key):
                raise AccessRefused("key_not_found", "Only whoever made this key may rotate it.", key_id=key_id)
            if not await _value(connection, "rotate_key", values):
                raise key_not_found(key_id)
            await self._note(connection, "key.rotated", holder, key_id, grace_seconds=int(grace.total_seconds()))
            return Issued(await _one(connection, holder, key_id), secret.text)

    async def revoke(self, holder: Holder, key_id: str) -> None:
        """Revoke a key with all its secrets. One that is revoked stays so. Raises AccessRefused: key_not_found."""
        async with self._log.connection() as connection, connection.transaction():
            await _one(connection, holder, key_id)
            given = {"account_id": holder.account_id, "key_id": key_id, "member": None, "at": self.clock()}
            if await _value(connection, "end_keys", given):
                await self._note(connection, "key.revoked", holder, key_id)

    async def one(self, holder: Holder, key_id: str) -> ApiKey:
        """A key that its holder may act on. Raises AccessRefused: key_not_found."""
        async with self._log.connection() as connection:
            return await _one(connection, holder, key_id)

    async def end(self, actor: str, key: ApiKey) -> None:
        """Revoke a key of an account or of a service. The key of the settings stays."""
        if key.account_id is not None:
            await self.revoke(Holder(actor, key.account_id), key.key_id)
            return
        async with self._log.connection() as connection, connection.transaction():
            if key.revoked_at is None and await _value(connection, "revoke_key", {"prefix": key.prefix}):
                await note(connection, self.clock(), AuditEntry("key.revoked", actor, f"key:{key.key_id}"))

    async def find(self, key_id: str, *, services: bool = False) -> ApiKey:
        """A key of any account, or of a service too. Raises AccessRefused: key_not_found."""
        async with self._log.connection() as connection:
            found = await _found(connection, None, None, key_id, services=services)
        if not found:
            raise key_not_found(key_id)
        return found[0]

    async def _note(
        self, connection: AsyncConnection[Any], action: str, holder: Holder, key_id: str, **details: str | int
    ) -> None:
        entry = AuditEntry(action, holder.actor, f"key:{key_id}", holder.account_id, details)
        await note(connection, self.clock(), entry)


def key_not_found(key_id: str) -> AccessRefused:
    """The refusal of a key that the account does not have, or that is over."""
    return AccessRefused("key_not_found", f"There is no usable key {key_id} here.", key_id=key_id)


def _check_role(role: Role | None, wanted: Wanted) -> None:
    """Raise AccessRefused unless somebody with a role may make such a key: missing_scope; not_found without a role."""
    if role is None:
        raise AccessRefused("not_found", "You have no such account.")
    if "admin" in wanted.scopes and role == "member":
        detail = "A member of a team cannot make a key with the scope admin."
        raise AccessRefused("missing_scope", detail, scope="admin")


def _action(changes: Changes) -> str:
    if changes.disabled is None:
        return "key.changed"
    return "key.disabled" if changes.disabled else "key.enabled"


async def _one(connection: AsyncConnection[Any], holder: Holder, key_id: str) -> ApiKey:
    """A key that its holder may act on. Raises AccessRefused: key_not_found."""
    found = await _found(connection, holder.account_id, holder.seen, key_id)
    if not found:
        raise key_not_found(key_id)
    return found[0]


async def _found(
    connection: AsyncConnection[Any],
    account_id: str | None,
    member: str | None,
    key_id: str | None,
    *,
    services: bool = False,
    text: str | None = None,
    after: KeyPlace | None = None,
    limit: int = LISTED,
) -> list[ApiKey]:
    given = {"account_id": account_id, "member": member, "key_id": key_id, "services": services, "limit": limit}
    given |= {"text": text, "shown": shown_part(text) if text else None}
    place = after._asdict() if after is not None else dict.fromkeys(KeyPlace._fields)
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL["listed_keys"], given | place)
        return [key_of(row) for row in await cursor.fetchall()]


async def _value(connection: AsyncConnection[Any], name: str, values: dict[str, Any]) -> Any:
    """What a function of the database returns."""
    row = await (await connection.execute(SQL[name], values)).fetchone()
    assert row is not None
    return row[0]
