"""The tables of our own provider, one statement for each function. All take the connection of a transaction."""

from dataclasses import asdict
from datetime import date, datetime
from typing import NamedTuple

from psycopg.rows import class_row

from billing.checkouts.table import Connection, lock_account, requested
from billing.manual.subscription import Subscription
from ledger.postgres.named_sql import queries

_SQL = queries("billing", "sql/manual.sql")


class Receipt(NamedTuple):
    """Who says that money came, when by the bank, and how much."""

    paid_by: str
    paid_on: date
    paid_minor: int


class Due(NamedTuple):
    """A subscription that time has to change."""

    subscription_id: str
    account_id: str


async def lock(connection: Connection, subscription_id: str) -> Subscription | None:
    """A subscription, which nobody else changes until the transaction ends, and its account."""
    named = {"subscription_id": subscription_id}
    row = await (await connection.execute(_SQL["account_of"], named)).fetchone()
    if row is None:
        return None
    await lock_account(connection, row[0])
    async with connection.cursor(row_factory=class_row(Subscription)) as cursor:
        await cursor.execute(_SQL["lock"], named)
        return await cursor.fetchone()


async def due(connection: Connection, now: datetime, limit: int) -> list[Due]:
    """The subscriptions that time has to change, those first that are due for the longest."""
    async with connection.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(_SQL["due"], {"now": now, "limit": limit})
        return await cursor.fetchall()


async def postpone(connection: Connection, subscription_id: str, step_at: datetime) -> None:
    """Let the next step of a subscription wait."""
    await connection.execute(_SQL["postpone"], {"subscription_id": subscription_id, "step_at": step_at})


async def put(connection: Connection, one: Subscription) -> None:
    """Write a subscription."""
    await connection.execute(_SQL["put"], asdict(one))


async def mark_paid(
    connection: Connection, checkout_id: str, receipt: Receipt, now: datetime, *, is_over: bool
) -> bool:
    """Say that a checkout is paid; False when it was before, or was taken back. `is_over`: its subscription has ended,
    and the payment begins another."""
    row = {"checkout_id": checkout_id, "now": now, "is_over": is_over, **receipt._asdict()}
    return bool((await connection.execute(_SQL["paid"], row)).rowcount)


async def cancel_requests(connection: Connection, subscription_id: str) -> None:
    """Take back the payments that a subscription asks for."""
    await connection.execute(_SQL["cancel_requests"], {"subscription_id": subscription_id})


async def cancel_changes(connection: Connection, subscription_id: str) -> None:
    """Take back the payment that a change of a subscription asks for."""
    await connection.execute(_SQL["cancel_changes"], {"subscription_id": subscription_id})


async def withdraw_others(connection: Connection, checkout_id: str) -> None:
    """Withdraw the other checkouts of an account for a plan of the group of one that is paid."""
    await connection.execute(_SQL["withdraw_others"], {"checkout_id": checkout_id})


async def is_requested(connection: Connection, subscription_id: str) -> bool:
    """Whether the payment for the next period is asked for."""
    return await requested(connection, subscription_id) is not None
