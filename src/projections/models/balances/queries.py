"""Queries to the balances: grants, holds, accounts, and the accounts with due expiries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from psycopg import AsyncConnection

from ledger.domain.commands import MAX_ID
from projections.models.balances.projection import _ALWAYS, BALANCES, MAX_TOTAL
from projections.models.views import Snapshot


async def due(connection: AsyncConnection[Any], now: datetime, limit: int) -> list[str]:
    """Accounts with an expiry that is due by `now`, the longest overdue first. The answer lags like the projection."""
    cursor = await connection.execute(BALANCES.statements["due"], {"now": now, "limit": limit})
    return [account_id for (account_id,) in await cursor.fetchall()]


async def grants_page(
    moment: Snapshot, account_id: str, *, now: datetime, before: int, status: str | None, limit: int
) -> list[dict[str, Any]]:
    """A page of grants with numbers below `before`, newest first."""
    statement = BALANCES.statements["grants_page"]
    return await moment.rows(statement, account=account_id, now=now, before=before, status=status, limit=limit)


async def holds_page(
    moment: Snapshot, account_id: str, *, now: datetime, before: int, status: str | None, limit: int
) -> list[dict[str, Any]]:
    """A page of holds with numbers below `before`, newest first."""
    statement = BALANCES.statements["holds_page"]
    return await moment.rows(statement, account=account_id, now=now, before=before, status=status, limit=limit)


Sort = Literal["account_id", "balance", "activity"]
_AFTER_ALL = "\U0010ffff" * (MAX_ID + 1)
"""A suffix that sorts after every id, and, appended to a prefix, after every id with that prefix."""


async def accounts_page(
    moment: Snapshot, sort: Sort, *, prefix: str, after: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """A page of accounts whose ids begin with `prefix`, sorted by id, or by credits or last activity, largest first.

    `after` is the sort key of the last account of the previous page; its last element is the id.
    """
    key = {"total": MAX_TOTAL, "at": _ALWAYS, "after": "" if sort == "account_id" else _AFTER_ALL}
    if after is not None:
        key |= {"after": after[-1], "total": after[0], "at": after[0]}
    key.pop("at" if sort == "balance" else "total")
    statement = BALANCES.statements[f"accounts_by_{sort.removeprefix('account_')}"]
    return await moment.rows(statement, prefix=prefix, prefix_end=prefix + _AFTER_ALL, limit=limit, **key)
