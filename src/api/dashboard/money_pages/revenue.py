"""What plans bring in, for operators: active subscriptions, revenue and churn by month, and who pays twice."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.contract.answers.billing.money import BillingMonth, RevenueOf
from api.dashboard.charts import Chart, Point, Series, columns
from api.dashboard.formatting import Formatter
from api.dashboard.plans.plan_card import STATUS_WORDS
from api.dashboard.rendering import formatter_of, page, required_position
from api.http.billing.catalog import entries_of
from api.http.queries.money import revenue_of
from api.http.queries.reads import Reads, reads_of
from billing.plans import Plan
from projections.models.subscriptions.projection import SUBSCRIPTIONS
from projections.models.subscriptions.queries import several

CHOICES = {"12": "12 months", "24": "24 months", "60": "5 years"}
_MOST_CHARTS = 3
"""Currencies with a chart of their own, those with the most payments. The table has all of them."""
_MOST_RUNNING = 1_000
_ONE_GROUP = "plans"
"""The group of plans that the catalogue does not have."""


class PaidTwice(NamedTuple):
    """An account with several subscriptions of one group that run now, and what the projection says of each."""

    account_id: str
    subscriptions: Sequence[Mapping[str, Any]]


async def revenue(request: Request) -> Response:
    """Show the statistics of subscriptions and money over the last months."""
    reads, formatter, position = reads_of(request), formatter_of(request), required_position(request)
    chosen = request.query_params.get("months", "12")
    chosen = chosen if chosen in CHOICES else "12"
    found = await revenue_of(reads, int(chosen), formatter.zone, position)
    sold = {entry.id: entry.body for entry in await entries_of(reads, "plan") if isinstance(entry.body, Plan)}
    return await page(
        request,
        "revenue.html",
        **found,
        chosen=chosen,
        choices=CHOICES,
        zone={"tz": request.query_params.get("tz")},
        charts=charts_of(found["months"], formatter),
        told=_since_the_first(found["months"]),
        names={plan_id: plan.name for plan_id, plan in sold.items()},
        twice=await _paid_twice(reads, sold, position),
        words=STATUS_WORDS,
        month_name=month_name,
    )


def _since_the_first(months: Sequence[BillingMonth]) -> Sequence[BillingMonth]:
    """The months from the first one in which there is anything to tell; at least this month."""
    for place, month in enumerate(months):
        if month["revenue"] or month["paying"] or month["began"]:
            return months[place:]
    return months[-1:]


def month_name(month: str) -> str:
    """A month, such as Nov 2026, from 2026-11."""
    return f"{date.fromisoformat(f'{month}-01'):%b %Y}"


def charts_of(months: Sequence[BillingMonth], formatter: Formatter) -> list[Chart]:
    """A chart of the months for each currency, those with the most payments first."""
    payments: defaultdict[str, int] = defaultdict(int)
    for month in months:
        for one in month["revenue"]:
            payments[one["currency"]] += one["payments"]
    currencies = sorted(payments, key=lambda currency: (-payments[currency], currency))
    return [_chart(currency, months, formatter) for currency in currencies[:_MOST_CHARTS]]


def _chart(currency: str, months: Sequence[BillingMonth], formatter: Formatter) -> Chart:
    points = [
        Point(f"{date.fromisoformat(one['month'] + '-01'):%b}", month_name(one["month"]), (_kept(currency, one),))
        for one in months
    ]
    series = (Series(currency, "s0"),)
    number = partial(formatter.minor, currency=currency)
    tick = partial(formatter.short_minor, currency=currency)
    title = f"Revenue in {currency}"
    return columns(f"paid-{currency}", title, series, points, number, tick=tick, unit=currency, head="Month")


def _kept(currency: str, month: BillingMonth) -> int:
    """What was paid in a month, less what went back in it."""
    return sum(kept(one) for one in month["revenue"] if one["currency"] == currency)


def kept(one: RevenueOf) -> int:
    """What was paid, less what was refunded or lost in disputes."""
    return one["paid_minor"] - one["refunded_minor"] - one["lost_minor"]


async def _paid_twice(reads: Reads, sold: Mapping[str, Plan], position: int) -> list[PaidTwice]:
    """The accounts that have several subscriptions of one group, in the order of their ids."""
    now: datetime = reads.clock()
    async with reads.views.snapshot(SUBSCRIPTIONS, at_least=position) as moment:
        rows = await several(moment, now=now, limit=_MOST_RUNNING)
    found: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        plan = sold.get(row["plan"])
        found[row["account_id"], plan.group if plan is not None else _ONE_GROUP].append(row)
    return [PaidTwice(account_id, running) for (account_id, _), running in found.items() if len(running) > 1]
