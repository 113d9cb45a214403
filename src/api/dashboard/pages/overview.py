"""The overview of an account: the balance, the latest usage, and when the credits will run out."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.charts import Chart, Point, Series, columns
from api.dashboard.current_user import account_path, root_of, user_of
from api.dashboard.done_notice import done_by
from api.dashboard.formatting import Formatter
from api.dashboard.formatting import day as day_name
from api.dashboard.limits.own_overview import own_overview
from api.dashboard.limits.page import limits_now, notices_of
from api.dashboard.options import options_of
from api.dashboard.pages import entry_labels
from api.dashboard.person_forms import people_of
from api.dashboard.plans.change_links import change_links
from api.dashboard.plans.plan_card import STATUS_WORDS, plan_card_of
from api.dashboard.rendering import formatter_of, names_in, page, required_position
from api.http.queries.reads import reads_of
from api.http.queries.summary import SERIES_DAYS, summary_of
from people.teams.words import TEAM_PREFIX

EXPIRES_SOON = timedelta(days=7)
"""The page warns of credits that expire within this time."""
BEHIND_AFTER = timedelta(seconds=5)
"""The page says that the history is behind if it is older than this."""
FORECAST_LIMIT = timedelta(days=365)
"""The page names no date of running out beyond this."""


class Expiring(NamedTuple):
    """The number of credits that expire within EXPIRES_SOON, and the time of the first expiry."""

    credits: int
    first: datetime


class Step(NamedTuple):
    """One of the first steps of a person: what it is, whether it is done, and the page for it, if there is one."""

    says: str
    done: bool
    page: str | None = None


async def overview(request: Request) -> Response:
    """Show the overview; to a member, what they can use now."""
    account_id = request.path_params["account_id"]
    own = user_of(request).sees_only
    if own is not None:
        return await own_overview(request, account_id, own)
    reads, formatter = reads_of(request), formatter_of(request)
    summary = await summary_of(reads, account_id, formatter.zone, required_position(request))
    balance = summary["balance"]
    return await page(
        request,
        "overview.html",
        account_id=account_id,
        summary=summary,
        balance=balance,
        expiring=expiring_soon(balance["expiries"], formatter.now),
        runs_out=runs_out(balance["available"], summary["last_seven_days"], formatter.now),
        pace=pace(summary["last_seven_days"]),
        average=summary["average_cost_per_task"]["average"] and Decimal(summary["average_cost_per_task"]["average"]),
        week=week_chart(summary["last_seven_days"], formatter),
        low=summary["standing"] != "closed" and balance["available"] <= options_of(request).low_credits,
        labels=entry_labels,
        names=await names_in(request, account_id),
        stale_since=stale_since(summary, formatter.now),
        done=await done_by(request, account_id),
        limits=notices_of(await limits_now(reads, account_id)),
        plan=(card := await plan_card_of(reads, account_id)),
        plan_words=STATUS_WORDS,
        plan_links=change_links(request, account_id, card),
        steps=await first_steps(request, account_id, used=summary["last_deduction"] is not None),
    )


async def first_steps(request: Request, account_id: str, *, used: bool) -> tuple[Step, ...]:
    """The first steps of whoever signed in here; none when all are done, or when they hid them."""
    user_id = user_of(request).user_id
    if user_id is None or request.app.state.people is None:
        return ()
    found = await people_of(request).profiles.first_steps(user_id, account_id)
    if found is None or found.hidden or (used and all(found[1:])):
        return ()
    root = root_of(request)
    is_team = account_id.startswith(TEAM_PREFIX)
    of_teammates = account_path(root, account_id, "team") if is_team else f"{root}/my/accounts"
    return (
        Step("Confirm your address", found.verified),
        Step("Make an API key", found.has_key, account_path(root, account_id, "keys")),
        Step("Use credits", used, account_path(root, account_id, "usage")),
        Step("Share with a teammate", found.has_teammate, of_teammates),
    )


def expiring_soon(expiries: Sequence[Mapping[str, Any]], now: datetime) -> Expiring | None:
    """All credits that expire within EXPIRES_SOON; None if there are none."""
    soon = [part for part in expiries if part["expires_at"] <= now + EXPIRES_SOON and part["credits"]]
    return Expiring(sum(part["credits"] for part in soon), soon[0]["expires_at"]) if soon else None


def pace(days: Sequence[Mapping[str, Any]]) -> int:
    """The credits that were used on some days, less reversals."""
    return sum(day["deducted"] - day["reversed"] for day in days)


def runs_out(available: int, days: Sequence[Mapping[str, Any]], now: datetime) -> datetime | None:
    """When the credits run out at the pace of the last seven days; None without usage or beyond FORECAST_LIMIT."""
    used = pace(days)
    if used <= 0:
        return None
    left = timedelta(days=SERIES_DAYS) * (available / used) if available < used * 1_000 else FORECAST_LIMIT
    return now + left if left < FORECAST_LIMIT else None


def week_chart(days: Sequence[Mapping[str, Any]], formatter: Formatter) -> Chart:
    """The chart of the credits that were used on each of the last seven days."""
    points = [Point(f"{day['date']:%a}", day_name(day["date"]), (day["deducted"],)) for day in days]
    return columns("week", "The last seven days", (Series("Credits used", "s0"),), points, formatter.number)


def stale_since(summary: Mapping[str, Any], now: datetime) -> datetime | None:
    """The time up to which the history is complete, if it is behind; None if it is up to date."""
    as_of: datetime | None = summary["as_of"]
    if as_of is None or summary["balance"]["position"] <= summary["as_of_position"] or now - as_of < BEHIND_AFTER:
        return None
    return as_of
