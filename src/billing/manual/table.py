"""The tables of our own provider, one statement for each function. All take the connection of a transaction."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, NamedTuple

from psycopg.rows import class_row

from billing.checkouts.table import Connection, requested
from billing.manual.subscription import Subscription
from ledger.postgres.named_sql import queries

_SQL = queries("billing", "sql/manual.sql")


class Receipt(NamedTuple):
    """Who says that money came, when by the bank, and how much."""

    paid_by: str
    paid_on: date
    paid_minor: int


async def lock(connection: Connection, subscription_id: str) -> Subscription | None:
    """A subscription, which nobody else changes until the transaction ends."""
    return await _locked(connection, "lock", {"subscription_id": subscription_id})


async def lock_due(connection: Connection, now: datetime) -> Subscription | None:
    """A subscription that time has to change, and that nobody else works on."""
    return await _locked(connection, "lock_due", {"now": now})


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


async def _locked(connection: Connection, statement: str, wanted: Mapping[str, Any]) -> Subscription | None:
    async with connection.cursor(row_factory=class_row(Subscription)) as cursor:
        await cursor.execute(_SQL[statement], wanted)
        return await cursor.fetchone()
