"""Queries to the subscriptions: who is due, lists of all accounts, and what they come to."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from ledger.domain.plans.subscribed import SubscriptionStatus
from projections.models.subscriptions.projection import SUBSCRIPTIONS
from projections.models.views import Snapshot

_DAYS_IN_A_MONTH = Fraction(1461, 48)
"""The mean of four years."""


async def due(connection: AsyncConnection[Any], now: datetime, limit: int) -> list[str]:
    """Accounts with an allowance that is due by `now`, the longest overdue first. It lags like the projection."""
    cursor = await connection.execute(SUBSCRIPTIONS.statements["due"], {"now": now, "limit": limit})
    return [account_id for (account_id,) in await cursor.fetchall()]


async def page(
    moment: Snapshot,
    *,
    now: datetime,
    after: tuple[str, str],
    plan: str | None,
    status: SubscriptionStatus | None,
    limit: int,
) -> list[dict[str, Any]]:
    """A page of the subscriptions of all accounts, after an account and a subscription of it."""
    place = {"account": after[0], "subscription": after[1]}
    return await moment.rows(SUBSCRIPTIONS.statements["page"], now=now, plan=plan, status=status, limit=limit, **place)


async def several(moment: Snapshot, *, now: datetime, limit: int) -> list[dict[str, Any]]:
    """The subscriptions that run now, of accounts that have more than one."""
    return await moment.rows(SUBSCRIPTIONS.statements["several"], now=now, limit=limit)


class Group(NamedTuple):
    """Subscriptions that have not ended, of one plan, status, currency and length of a paid period."""

    plan: str | None
    status: SubscriptionStatus
    ending: bool
    currency: str | None
    size: int
    monthly_minor: Fraction
    """What their last full periods cost, for a month."""


async def groups(moment: Snapshot, *, now: datetime) -> list[Group]:
    """The subscriptions that have not ended, in groups."""
    rows = await moment.rows(SUBSCRIPTIONS.statements["groups"], now=now)
    return [
        Group(row["plan"], row["status"], row["ending"], row["currency"], row["count"], _monthly(row))
        for row in rows
        if row["status"] != "ended"
    ]


def _monthly(row: dict[str, Any]) -> Fraction:
    if row["billed"] is None or row["currency"] is None:
        return Fraction(0)
    length = Fraction(row["billed"])
    months = length if row["billed_unit"] == "months" else length / _DAYS_IN_A_MONTH
    return Fraction(int(row["paid_minor"])) / months


class Paying(NamedTuple):
    """Subscriptions that are paid for, in a span of time."""

    at_start: int
    began: int
    ended: int
    lost: int
    """Those of `at_start` that ended."""


async def paying(moment: Snapshot, starts: Sequence[datetime], *, now: datetime) -> list[Paying]:
    """How many subscriptions are paid for in each span. `starts` also has the end of the last span."""
    rows = await moment.rows(SUBSCRIPTIONS.statements["paying"], starts=list(starts), now=now)
    counted = {row["place"]: row for row in rows}
    running, found = 0, []
    for place in range(len(starts)):
        row = counted.get(place, {"began": 0, "ended": 0, "lost": 0})
        began, ended = int(row["began"]), int(row["ended"])
        found.append(Paying(running, began, ended, int(row["lost"])))
        running += began - ended
    return found[1:]
