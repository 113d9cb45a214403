"""The audit log: who did what to whom, among people, teams and keys. An entry is written in the transaction of what it
tells about, and never changed; see sql/0005_audit.sql. It has no address, no name and no secret: those change or go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ledger.postgres.named_sql import queries

SQL = queries("people", "sql/audit_log.sql")
SYSTEM = "system"
"""The actor of what nobody asked for now, or what was done at the command line."""
NEWEST = 2**63 - 1
"""The number that all entries are below."""
Details = Mapping[str, str | int | None]
Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody did."""

    action: str
    """`noun.verb`, in the past: `key.revoked`."""
    actor: str
    """`usr_...`, `key:<prefix>`, `operator:<key prefix>`, or `system`."""
    subject: str
    """The id of whom or what it was done to."""
    account_id: str | None = None
    """The account that it was done in."""
    details: Details = field(default_factory=dict)


class Audited(NamedTuple):
    """An entry in the log."""

    entry_id: int
    """Entries that are written at the same time may show up out of order."""
    at: datetime
    action: str
    actor: str
    subject: str
    account_id: str | None
    details: Details | None
    """None after they were erased."""


class AuditFilters(NamedTuple):
    """Which entries are listed: those of an account, by an actor, of an action. None lets all through."""

    account_id: str | None = None
    actor: str | None = None
    action: str | None = None


def by_user(action: str, user_id: str, details: Details | None = None) -> AuditEntry:
    """What a person did to themselves."""
    return AuditEntry(action, user_id, user_id, user_id, details or {})


async def note(connection: Connection, at: datetime, *entries: AuditEntry) -> None:
    """Write entries, in the transaction of what they tell about. Raises psycopg.Error."""
    for entry in entries:
        await connection.execute(SQL["note"], row_of(at, entry))


def row_of(at: datetime, entry: AuditEntry) -> dict[str, Any]:
    """The parameters of the statement `note`, for the command line, which has no event loop."""
    names = {"action": entry.action, "actor": entry.actor, "subject": entry.subject, "account_id": entry.account_id}
    return {"at": at, **names, "details": Jsonb(dict(entry.details))}


async def page(connection: Connection, filters: AuditFilters, before: int, limit: int) -> list[Audited]:
    """Entries below a number, the newest first. Raises psycopg.Error."""
    return await _entries(connection, "page", **filters._asdict(), before=before, limit=limit)


async def page_about(connection: Connection, about: str, before: int, limit: int) -> list[Audited]:
    """Entries of an account or a person below a number, the newest first: done by them, to them, or in their account.

    Raises psycopg.Error.
    """
    return await _entries(connection, "page_about", about=about, before=before, limit=limit)


async def erase(connection: Connection, user_id: str, email: str) -> None:
    """Forget a person: details go, and their address where it stands. Raises psycopg.Error."""
    await connection.execute(SQL["erase"], {"user_id": user_id, "email": email})


async def _entries(connection: Connection, name: str, **parameters: Any) -> list[Audited]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[name], parameters)
        return [Audited(**row) for row in await cursor.fetchall()]
