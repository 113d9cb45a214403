"""What our own provider waits for: for an account, and for operators who look at their bank."""

from datetime import UTC, date, datetime
from typing import NamedTuple

from psycopg.rows import class_row

from billing.checkouts.checkout import Purpose, State
from billing.checkouts.table import Connection
from billing.errors import Kind
from ledger.postgres.named_sql import queries

_SQL = queries("billing", "sql/manual.sql")


class Due(NamedTuple):
    """A payment that an account is asked for. It is waited for until `expires_at`."""

    checkout_id: str
    amount_minor: int
    currency: str
    period_start: datetime
    expires_at: datetime


class Awaited(NamedTuple):
    """A transfer that is waited for, or was."""

    checkout_id: str
    account_id: str
    reference: str
    amount_minor: int
    currency: str
    purpose: Purpose
    kind: Kind
    entry_id: str
    quantity: int
    created_at: datetime
    expires_at: datetime | None
    period_start: datetime | None
    state: State
    paid_on: date | None
    paid_by: str | None


class Place(NamedTuple):
    """A place in the list of transfers, which begins with the oldest."""

    created_at: datetime
    checkout_id: str


FIRST = Place(datetime(1, 1, 1, tzinfo=UTC), "")


async def due_of(connection: Connection, account_id: str) -> list[Due]:
    """The payments that an account is asked for, the oldest first."""
    async with connection.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(_SQL["due_of_account"], {"account_id": account_id})
        return await cursor.fetchall()


async def awaited(connection: Connection, reference: str | None, after: Place, limit: int) -> list[Awaited]:
    """The transfers that are waited for, the oldest first; with a reference the one that has it, whatever it is."""
    wanted = {"reference": reference, "after": after.created_at, "after_id": after.checkout_id, "limit": limit}
    async with connection.cursor(row_factory=class_row(Awaited)) as cursor:
        await cursor.execute(_SQL["awaited"], wanted)
        return await cursor.fetchall()
