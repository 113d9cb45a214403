"""Profiles: read, changed, and copied as a whole for the person whom they are about."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ledger.postgres.named_sql import queries
from ledger.store import EventLog
from people.audit_log import by_user, note
from people.errors import AccessRefused
from people.sign_in.profile import Export, FirstSteps, Profile, ProfileChanges

SQL = queries("people", "sql/profiles.sql")
OPEN_EXPORTS, EXPORT_LASTS = 5, timedelta(days=1)
"""How many copies a person may have asked for at a time, and how long one can be fetched."""
_RETRY_AFTER = 3_600
Connection = AsyncConnection[Any]
Row = dict[str, Any]


class Profiles:
    """The profiles of a ledger. Every method raises psycopg.Error."""

    def __init__(self, log: EventLog, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock

    async def of(self, user_id: str) -> Profile:
        """The profile of a user. Raises AccessRefused: unauthenticated when they were erased meanwhile."""
        async with self._log.connection() as connection:
            return _profile(await rows(connection, "profile", user_id=user_id))

    async def change(self, user_id: str, changes: ProfileChanges) -> Profile:
        """Change a profile. Raises AccessRefused: unauthenticated when the user was erased meanwhile."""
        async with self._log.connection() as connection, connection.transaction():
            changed = _profile(await rows(connection, "change", user_id=user_id, **changes._asdict()))
            if changes.named:
                fields = {"fields": " ".join(changes.named)}
                await note(connection, self._clock(), by_user("user.profile_changed", user_id, fields))
        return changed

    async def first_steps(self, user_id: str, account_id: str) -> FirstSteps | None:
        """What a user did already in an account; None when they were erased meanwhile."""
        async with self._log.connection() as connection:
            found = await rows(connection, "first_steps", user_id=user_id, account_id=account_id)
        return FirstSteps(**found[0]) if found else None

    async def hide_first_steps(self, user_id: str) -> None:
        """Keep that a user wants no list of first steps."""
        async with self._log.connection() as connection:
            await rows(connection, "hide_first_steps", user_id=user_id)

    async def ask_export(self, user_id: str) -> Export:
        """Ask for a copy of everything. Raises AccessRefused: rate_limited, unauthenticated."""
        now, export_id = self._clock(), f"exp_{secrets.token_hex(10)}"
        given = {"export_id": export_id, "user_id": user_id, "now": now, "expires_at": now + EXPORT_LASTS}
        async with self._log.connection() as connection, connection.transaction():
            if not await rows(connection, "lock_user", user_id=user_id):
                raise _gone()
            await connection.execute(SQL["forget_exports"], given)
            found = await rows(connection, "ask_export", **given, most=OPEN_EXPORTS)
            if not found:
                detail = f"You asked for {OPEN_EXPORTS} copies within a day. Fetch one of them."
                raise AccessRefused("rate_limited", detail, retry_after=_RETRY_AFTER)
            await note(connection, now, by_user("user.export_requested", user_id))
        return Export(**found[0])

    async def export(self, user_id: str, export_id: str) -> Export | None:
        """A copy that a user asked for, as long as it can be fetched."""
        async with self._log.connection() as connection:
            found = await rows(connection, "export", user_id=user_id, export_id=export_id, now=self._clock())
        return Export(**found[0]) if found else None

    async def everything(self, user_id: str) -> dict[str, list[Row]]:
        """Every row about a user, by what it is. There is no secret in it."""
        prefix = "everything_"
        async with self._log.connection() as connection, connection.transaction():
            names = [name for name in SQL if name.startswith(prefix)]
            return {name.removeprefix(prefix): await rows(connection, name, user_id=user_id) for name in names}


async def rows(connection: Connection, name: str, /, **parameters: Any) -> list[Row]:
    """The rows of a statement."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[name], parameters)
        return await cursor.fetchall() if cursor.description else []


def _profile(found: list[Row]) -> Profile:
    if not found:
        raise _gone()
    return Profile(**{**found[0], "mails_off": tuple(found[0]["mails_off"])})


def _gone() -> AccessRefused:
    """The refusal of whoever was erased meanwhile."""
    return AccessRefused("unauthenticated", "The session is over, or there is none. Sign in.")
