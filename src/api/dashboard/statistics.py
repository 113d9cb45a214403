"""The operators' statistics: what is owed, what came and went, and what was refused, day by day."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.charts import Bar, Chart, Counts, Point, Series, bars, columns
from api.dashboard.current_user import operator_of
from api.dashboard.formatting import Reader, day, short_day
from api.dashboard.ranges import Choices, range_of
from api.dashboard.rendering import at_least, page, reader_of
from api.http.reads import reads_of
from api.http.totals import statistics_of

CHOICES: Choices = {"7d": ("Last 7 days", 7), "30d": ("Last 30 days", 30), "90d": ("Last 90 days", 90)}
_KINDS = (Series("Subscription", "subscription"), Series("Permanent", "permanent"))
_FLOWS = (("granted", "Granted", "s0"), ("spent", "Spent", "s2"), ("lapsed", "Lapsed", "s1"))
_MOST_CODES = 12
"""Bars of refusals; the table below them has every code."""

Day = Mapping[str, Any]
Values = Callable[[Day], Sequence[int]]


async def statistics(request: Request) -> Response:
    """All accounts together, over a range of days."""
    await operator_of(request)
    reader, chosen = reader_of(request), range_of(request, CHOICES, "30d")
    found = await statistics_of(reads_of(request), chosen.period, at_least(request))
    zone = {"tz": request.query_params.get("tz")}
    return await page(
        request,
        "statistics.html",
        totals=found["totals"],
        as_of=found["as_of"],
        refused=sum(found["totals"]["refusals"].values()),
        range=chosen,
        choices=CHOICES,
        zone=zone,
        charts=charts_of(found, reader),
    )


def charts_of(found: Mapping[str, Any], reader: Reader) -> dict[str, Chart]:
    """The pictures of what GET /v1/statistics answers."""
    owed = _per_day("owed", "Outstanding credits", _KINDS, found["days"], _owed, reader, "levels")
    flows = {
        name: _per_day(name, title, (Series(title, css),), found["days"], _one(name), reader)
        for name, title, css in _FLOWS
    }
    return {"owed": owed, **flows, "refusals": _refusals(found["totals"]["refusals"], reader)}


def _owed(one: Day) -> Sequence[int]:
    return int(one["outstanding"]["subscription_credits"]), int(one["outstanding"]["permanent_credits"])


def _one(name: str) -> Values:
    return lambda one: (int(one[name]),)


def _per_day(
    name: str,
    title: str,
    series: Sequence[Series],
    days: Sequence[Day],
    values: Values,
    reader: Reader,
    counts: Counts = "amounts",
) -> Chart:
    points = [Point(short_day(one["date"]), day(one["date"]), values(one)) for one in days]
    return columns(name, title, series, points, reader.number, counts=counts)


def _refusals(codes: Mapping[str, int], reader: Reader) -> Chart:
    """The codes that were most often the reason."""
    most = sorted(codes.items(), key=lambda item: (-item[1], item[0]))
    rows = [Bar(code, (count,)) for code, count in most[:_MOST_CODES]]
    if rest := sum(count for _, count in most[_MOST_CODES:]):
        rows.append(Bar("all others", (rest,)))
    series = (Series("Refusals", "s3"),)
    empty = "Nothing was refused in this time"
    return bars("refusals", "Refusals by code", series, rows, reader.number, unit="refusals", head="Code", empty=empty)
