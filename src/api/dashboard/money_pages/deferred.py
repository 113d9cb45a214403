"""What of the money is earned, and what is still owed as credits, by month: a page for operators, and a file."""

from collections.abc import Sequence
from datetime import date
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.charts import Chart, Point, Series, columns
from api.dashboard.formatting import Formatter
from api.dashboard.rendering import formatter_of, page
from api.http.billing.earned import earned_so_far, still_reading
from audit.export.revenue import as_csv
from audit.revenue.months import Month
from audit.revenue.reading import StillReading

MOST_MONTHS = 60
"""The months of a currency that the page shows, the newest ones. The file has all of them."""
_MOST_CHARTS = 3


async def deferred(request: Request) -> Response:
    """Show the months of each currency, or how far the log is read."""
    try:
        found = await earned_so_far(request)
    except StillReading as error:
        return await page(request, "deferred.html", reading=error)
    formatter, currencies = formatter_of(request), by_currency(found.months)
    return await page(
        request,
        "deferred.html",
        reading=None,
        as_of=found.at,
        currencies=currencies,
        charts=[_chart(months, formatter) for months in currencies[:_MOST_CHARTS]],
        name=month_name,
    )


async def deferred_csv(request: Request) -> Response:
    """Send the months of all currencies as CSV: the file of `credit-ledger export --format revenue`."""
    try:
        found = await earned_so_far(request)
    except StillReading as error:
        raise still_reading(error) from error
    headers = {"content-disposition": 'attachment; filename="revenue.csv"', "cache-control": "no-store"}
    return Response("".join(as_csv(found.months)), media_type="text/csv; charset=utf-8", headers=headers)


def by_currency(months: Sequence[Month]) -> list[list[Month]]:
    """The newest months of each currency, in the order of the currencies."""
    names = sorted({one.currency for one in months})
    return [[one for one in months if one.currency == name][-MOST_MONTHS:] for name in names]


def month_name(month: str) -> str:
    """A month, such as Nov 2026, from 2026-11."""
    return f"{date.fromisoformat(f'{month}-01'):%b %Y}"


def _chart(months: Sequence[Month], formatter: Formatter) -> Chart:
    currency = months[0].currency
    points = [
        Point(f"{date.fromisoformat(one.month + '-01'):%b}", month_name(one.month), (one.revenue,)) for one in months
    ]
    number = partial(formatter.minor, currency=currency)
    tick = partial(formatter.short_minor, currency=currency)
    title = f"Revenue earned in {currency}"
    return columns(
        f"earned-{currency}", title, (Series(currency, "s0"),), points, number, tick=tick, unit=currency, head="Month"
    )
