"""The overview: what a person has, what became of it lately, and for how long it will do."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard import entry_words
from api.dashboard.charts import Chart, Point, Series, columns
from api.dashboard.current_user import account_seen
from api.dashboard.formatting import Reader
from api.dashboard.formatting import day as day_name
from api.dashboard.notices import done_of
from api.dashboard.options import options_of
from api.dashboard.rendering import at_least, page, reader_of
from api.http.reads import reads_of
from api.http.summary import SERIES_DAYS, summary_of

SOON = timedelta(days=7)
"""Credits that expire sooner are worth a warning."""
LATE = timedelta(seconds=5)
"""How long the projections may take before a page says that they are behind."""
FAR = timedelta(days=365)
"""A year ahead nobody can tell."""


class Expiring(NamedTuple):
    """Credits that lapse within SOON, and the first moment at which some do."""

    credits: int
    first: datetime


async def overview(request: Request) -> Response:
    """The first page of an account."""
    visitor, account_id = await account_seen(request)
    reads, reader = reads_of(request), reader_of(request)
    summary = await summary_of(reads, account_id, reader.zone, at_least(request))
    balance = summary["balance"]
    return await page(
        request,
        "overview.html",
        account_id=account_id,
        summary=summary,
        balance=balance,
        expiring=expiring_soon(balance["expiries"], reader.now),
        runs_out=runs_out(balance["available"], summary["last_seven_days"], reader.now),
        pace=pace(summary["last_seven_days"]),
        average=summary["average_cost_per_task"]["average"] and Decimal(summary["average_cost_per_task"]["average"]),
        week=week_chart(summary["last_seven_days"], reader),
        low=balance["available"] <= options_of(request).low_credits,
        words=entry_words,
        stale_since=stale_since(summary, reader.now),
        done=await done_of(request, visitor, account_id),
    )


def expiring_soon(expiries: Sequence[Mapping[str, Any]], now: datetime) -> Expiring | None:
    """What lapses within a week, together."""
    soon = [part for part in expiries if part["expires_at"] <= now + SOON and part["credits"]]
    return Expiring(sum(part["credits"] for part in soon), soon[0]["expires_at"]) if soon else None


def pace(days: Sequence[Mapping[str, Any]]) -> int:
    """Credits that some days took, less what was given back."""
    return sum(day["deducted"] - day["reversed"] for day in days)


def runs_out(available: int, days: Sequence[Mapping[str, Any]], now: datetime) -> datetime | None:
    """When nothing is left if it goes on as in the last seven days; None when nothing was used, or too far off."""
    used = pace(days)
    if used <= 0:
        return None
    left = timedelta(days=SERIES_DAYS) * (available / used) if available < used * 1_000 else FAR
    return now + left if left < FAR else None


def week_chart(days: Sequence[Mapping[str, Any]], reader: Reader) -> Chart:
    """Credits used on each of the last seven days."""
    points = [Point(f"{day['date']:%a}", day_name(day["date"]), (day["deducted"],)) for day in days]
    return columns("week", "The last seven days", (Series("Credits used", "s0"),), points, reader.number)


def stale_since(summary: Mapping[str, Any], now: datetime) -> datetime | None:
    """Until when the page knows everything, if that was a while ago and something has happened since."""
    as_of: datetime | None = summary["as_of"]
    if as_of is None or summary["balance"]["position"] <= summary["as_of_position"] or now - as_of < LATE:
        return None
    return as_of
