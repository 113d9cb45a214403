"""The statistics of all accounts, for operators: outstanding credits, grants, usage, expiry and refusals by day, and
how long work took."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.charts import Bar, Chart, Counts, Point, Series, bars, columns
from api.dashboard.formatting import Formatter, day, short_day
from api.dashboard.pages.ranges import Choices, range_of
from api.dashboard.rendering import formatter_of, page, required_position
from api.http.queries.reads import reads_of
from api.http.queries.totals import statistics_of

CHOICES: Choices = {"7d": ("Last 7 days", 7), "30d": ("Last 30 days", 30), "90d": ("Last 90 days", 90)}
_KINDS = (Series("Subscription", "subscription"), Series("Permanent", "permanent"))
_FLOWS = (("granted", "Granted", "s0"), ("spent", "Spent", "s2"), ("lapsed", "Lapsed", "s1"))
_MOST_CODES = 12
"""The number of refusal codes with a bar of their own; all other codes are one bar."""

Day = Mapping[str, Any]
Values = Callable[[Day], Sequence[int]]


async def statistics(request: Request) -> Response:
    """Show the statistics of a range of days."""
    formatter, chosen = formatter_of(request), range_of(request, CHOICES, "30d")
    found = await statistics_of(reads_of(request), chosen.period, required_position(request))
    zone = {"tz": request.query_params.get("tz")}
    return await page(
        request,
        "statistics.html",
        totals=found["totals"],
        groups=found["groups"],
        as_of=found["as_of"],
        refused=sum(found["totals"]["refusals"].values()),
        range=chosen,
        choices=CHOICES,
        zone=zone,
        charts=charts_of(found, formatter),
    )


def charts_of(found: Mapping[str, Any], formatter: Formatter) -> dict[str, Chart]:
    """The charts of an answer of GET /v1/statistics."""
    outstanding = _per_day(
        "outstanding", "Outstanding credits", _KINDS, found["days"], _outstanding, formatter, "levels"
    )
    flows = {
        name: _per_day(name, title, (Series(title, css),), found["days"], _one(name), formatter)
        for name, title, css in _FLOWS
    }
    return {"outstanding": outstanding, **flows, "refusals": _refusals(found["totals"]["refusals"], formatter)}


def _outstanding(one: Day) -> Sequence[int]:
    return int(one["outstanding"]["subscription_credits"]), int(one["outstanding"]["permanent_credits"])


def _one(name: str) -> Values:
    return lambda one: (int(one[name]),)


def _per_day(
    name: str,
    title: str,
    series: Sequence[Series],
    days: Sequence[Day],
    values: Values,
    formatter: Formatter,
    counts: Counts = "amounts",
) -> Chart:
    points = [Point(short_day(one["date"]), day(one["date"]), values(one)) for one in days]
    return columns(name, title, series, points, formatter.number, counts=counts)


def _refusals(codes: Mapping[str, int], formatter: Formatter) -> Chart:
    """The chart of the most frequent refusal codes."""
    most = sorted(codes.items(), key=lambda item: (-item[1], item[0]))
    rows = [Bar(code, (count,)) for code, count in most[:_MOST_CODES]]
    if rest := sum(count for _, count in most[_MOST_CODES:]):
        rows.append(Bar("all others", (rest,)))
    series = (Series("Refusals", "s3"),)
    empty = "No command was refused in this time"
    return bars(
        "refusals", "Refusals by code", series, rows, formatter.number, unit="refusals", head="Code", empty=empty
    )
