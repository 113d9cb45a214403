"""Queries to the balances: grants, holds, accounts, and the accounts with due expiries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString, NamedTuple

from psycopg import AsyncConnection

from ledger.domain.account import Standing
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


class Filters(NamedTuple):
    """Which accounts a list has: those whose ids begin with `prefix`, of a standing, and with all of some labels."""

    prefix: str = ""
    standing: Standing | None = None
    labels: tuple[tuple[str, str], ...] = ()


ALL_ACCOUNTS = Filters()
_ORDERS: dict[Sort, LiteralString] = {"account_id": "id", "balance": "balance", "activity": "activity"}
_AFTER_ALL = "\U0010ffff" * (MAX_ID + 1)
"""A suffix that sorts after every id, and, appended to a prefix, after every id with that prefix."""


async def accounts_page(
    moment: Snapshot, sort: Sort, filters: Filters, *, after: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """A page of accounts, sorted by id, or by credits or last activity, largest first.

    `after` is the sort key of the last account of the previous page; its last element is the id.
    """
    key = {"total": MAX_TOTAL, "at": _ALWAYS, "after": "" if sort == "account_id" else _AFTER_ALL}
    if after is not None:
        key |= {"after": after[-1], "total": after[0], "at": after[0]}
    key.pop("at" if sort == "balance" else "total")
    statement, parameters = _filtered(sort, filters)
    if filters.labels:
        label = filters.labels[0] if len(filters.labels) == 1 else await _rarest(moment, filters.labels)
        parameters |= dict(zip(("name", "value"), label, strict=True))
    return await moment.rows(statement, limit=limit, **key, **parameters)


def _filtered(sort: Sort, filters: Filters) -> tuple[LiteralString, dict[str, Any]]:
    """The statement of a list with the conditions of its filters, and their parameters but the label to begin with."""
    found = BALANCES.statements
    parameters: dict[str, Any] = {"prefix": filters.prefix, "prefix_end": filters.prefix + _AFTER_ALL}
    by_id = sort == "account_id"
    statement = found["labelled_accounts_by_id" if filters.labels and by_id else f"accounts_by_{_ORDERS[sort]}"]
    conditions: list[LiteralString] = []
    if filters.standing is not None:
        conditions.append(found["with_standing"])
        parameters["standing"] = filters.standing
    if filters.labels and not by_id:
        conditions.append(found["with_label"])
    if len(filters.labels) > 1:
        conditions.append(found["with_all_labels"])
        parameters |= _columns(filters.labels)
    return statement.replace("{filters}", " ".join(conditions)), parameters


async def _rarest(moment: Snapshot, labels: Sequence[tuple[str, str]]) -> tuple[str, str]:
    (row,) = await moment.rows(BALANCES.statements["rarest_label"], **_columns(labels))
    return row["name"], row["value"]


def _columns(labels: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {"names": [name for name, _ in labels], "values": [value for _, value in labels]}
