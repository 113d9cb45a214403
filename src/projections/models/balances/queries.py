"""Queries to the balances: grants, holds, accounts, and the accounts with due expiries."""

from collections.abc import Collection, Sequence
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
    statement = _grants("grants_below")
    return await moment.rows(statement, account=account_id, now=now, before=before, status=status, limit=limit)


async def grants_numbered(
    moment: Snapshot, account_id: str, *, now: datetime, numbers: Collection[int]
) -> list[dict[str, Any]]:
    """The grants of an account with some numbers, in no order."""
    return await moment.rows(_grants("grants_numbered"), account=account_id, now=now, numbers=list(numbers))


def _grants(which: LiteralString) -> LiteralString:
    """The statement that reads some grants of an account."""
    found = BALANCES.statements
    return found["grants_now"].replace("{which}", found[which])


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
FEW = 1_000
"""Fewer accounts than this are all looked at, whatever the order of the list."""
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
    parameters = {"prefix": filters.prefix, "prefix_end": filters.prefix + _AFTER_ALL, "limit": limit, **key}
    few = False
    if filters.labels:
        columns = {"names": [name for name, _ in filters.labels], "values": [value for _, value in filters.labels]}
        [rarest] = await moment.rows(BALANCES.statements["rarest_label"], few=FEW, **columns)
        few = rarest["accounts"] < FEW
        parameters |= columns | {"name": rarest["name"], "value": rarest["value"]}
    return await moment.rows(_statement(sort, filters, few=few), **parameters)


def _statement(sort: Sort, filters: Filters, *, few: bool) -> LiteralString:
    """The statement of a list with the conditions of its filters.

    When `few` accounts have the rarest label, all of them are looked at. Otherwise the order is followed: that of a
    label, which has its accounts by id, or that of the list.
    """
    found = BALANCES.statements
    begin: LiteralString = f"accounts_by_{_ORDERS[sort]}"
    conditions: list[LiteralString] = []
    if filters.standing is not None:
        conditions.append(found[f"with_{filters.standing}"])
    if filters.labels and few:
        conditions.append(found["with_rare_label"])
    elif filters.labels and sort == "account_id" and filters.standing in {None, "active"}:
        begin = "labelled_accounts_by_id"
    if filters.labels:
        conditions.append(found["with_all_labels"])
    return found[begin].replace("{filters}", " ".join(conditions))
