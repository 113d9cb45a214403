"""The users of a ledger as the service of a product manages them: made, found, changed, disabled and enabled.

The product vouches for the address of a user whom it makes, as a provider does that says `email_verified`. Such a user
has no password: they sign in by a mailed link, at the provider of the product, or never.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row

from ledger.postgres.named_sql import queries
from ledger.store import EventLog
from people.audit_log import AuditEntry, note
from people.errors import AccessRefused
from people.sign_in.sign_ins import SQL as OF_SIGN_IN
from people.sign_in.words import Place, new_user_id

SQL = queries("people", "sql/managed_users.sql")
UserStatus = Literal["active", "disabled"]
Connection = AsyncConnection[Any]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ManagedUser:
    """A user, as the service of a product sees them."""

    user_id: str
    external_id: str | None
    """The product's own name of the user, such as the `sub` of its provider."""
    email: str
    name: str
    created_at: datetime
    last_sign_in_at: datetime | None
    disabled_at: datetime | None
    deletion_at: datetime | None

    @property
    def status(self) -> UserStatus:
        """Whether they may sign in, and their keys open something."""
        return "active" if self.disabled_at is None else "disabled"


class NewUser(NamedTuple):
    """A user to be made. The address is the user's: the product says so."""

    email: str
    name: str = ""
    external_id: str | None = None


class MadeUser(NamedTuple):
    """A user, and whether they were made by an earlier request for the same one."""

    user: ManagedUser
    replayed: bool = False


class UserChanges(NamedTuple):
    """What becomes of a user. None: it stays."""

    name: str | None = None
    external_id: str | None = None
    status: UserStatus | None = None

    @property
    def named(self) -> list[str]:
        """The names of what is known of them that changes."""
        return [name for name in ("name", "external_id") if getattr(self, name) is not None]


class UserFilters(NamedTuple):
    """Which users are listed: the one with an address, or with a name of the product's. None lets all through."""

    email: str | None = None
    external_id: str | None = None


class Users:
    """The users of a service. Every method raises psycopg.Error; those about one user AccessRefused: not_found."""

    def __init__(self, log: EventLog, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock

    async def page(self, filters: UserFilters, after: Place | None, limit: int) -> list[ManagedUser]:
        """Users, the oldest first, at most `limit`."""
        since, user_id = after or (None, None)
        given = {**filters._asdict(), "after": since, "after_id": user_id, "limit": limit}
        async with self._log.connection() as connection:
            return [ManagedUser(**row) for row in await _rows(connection, "page", given)]

    async def find(self, user_id: str) -> ManagedUser:
        """One user."""
        async with self._log.connection() as connection:
            return _one(await _rows(connection, "find", {"user_id": user_id}))

    async def make(self, actor: str, wanted: NewUser) -> MadeUser:
        """Make a user. Their account opens when they first sign in here, or when the product opens it.

        Who asks again with the same address and the same `external_id` gets the user of before. Raises AccessRefused:
        user_exists.
        """
        user_id, now = new_user_id(), self._clock()
        given = {**wanted._asdict(), "user_id": user_id, "now": now}
        async with self._log.connection() as connection, connection.transaction():
            rows = await _rows(connection, "make", given)
            if not rows:
                return await _made_before(connection, wanted)
            await connection.execute(OF_SIGN_IN["drop_registrations"], given)
            await note(connection, now, AuditEntry("user.created", actor, user_id, user_id))
            return MadeUser(ManagedUser(**rows[0]))

    async def change(self, actor: str, user_id: str, changes: UserChanges) -> ManagedUser:
        """Change a user. The sessions of who is disabled end, and their keys open nothing until they are enabled.

        Raises AccessRefused: user_exists for an `external_id` that another user has.
        """
        given = {**changes._asdict(), "user_id": user_id, "now": self._clock()}
        async with self._locked(user_id, changes) as connection:
            if changes.named:
                await connection.execute(SQL["change"], given)
                fields = {"fields": " ".join(changes.named)}
                entry = AuditEntry("user.profile_changed", actor, user_id, user_id, fields)
                await note(connection, given["now"], entry)
            match changes.status:
                case "disabled":
                    await self._turn(connection, actor, "disable", given)
                    await connection.execute(SQL["end_sessions"], given)
                case "active":
                    await self._turn(connection, actor, "enable", given)
                case None:
                    pass
            return _one(await _rows(connection, "find", given))

    @asynccontextmanager
    async def _locked(self, user_id: str, changes: UserChanges) -> AsyncIterator[Connection]:
        """The connection of a transaction in which nobody else changes a user."""
        try:
            async with self._log.connection() as connection, connection.transaction():
                _one(await _rows(connection, "lock", {"user_id": user_id}))
                yield connection
        except UniqueViolation as taken:
            detail = f"Another user has the external_id {changes.external_id}."
            raise AccessRefused("user_exists", detail, field="external_id") from taken

    async def _turn(
        self, connection: Connection, actor: str, what: Literal["disable", "enable"], given: dict[str, Any]
    ) -> None:
        """Disable or enable a user; nothing is written about one who is so already."""
        if await _rows(connection, what, given):
            entry = AuditEntry(f"user.{what}d", actor, given["user_id"], given["user_id"])
            await note(connection, given["now"], entry)


async def _made_before(connection: Connection, wanted: NewUser) -> MadeUser:
    """The user whom an earlier request made. Raises AccessRefused: user_exists for any other."""
    found = _one(await _rows(connection, "in_the_way", wanted._asdict()))
    if wanted.external_id is not None and (found.email, found.external_id) == (wanted.email, wanted.external_id):
        return MadeUser(found, replayed=True)
    field = "email" if found.email == wanted.email else "external_id"
    raise AccessRefused("user_exists", f"A user has this {field} already.", field=field, user_id=found.user_id)


def _one(rows: list[Row]) -> ManagedUser:
    if not rows:
        raise AccessRefused("not_found", "There is no such user.")
    return ManagedUser(**rows[0])


async def _rows(connection: Connection, name: str, given: dict[str, Any]) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[name], given)
        return await cursor.fetchall()
