"""The overview as a member sees it: what they can use now, what binds it, and what they have used themselves."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.limits.page import binding_in, cards_of, limit_names, limits_of_member
from api.dashboard.rendering import formatter_of, page, required_position
from api.http.queries.breakdown import breakdown_of
from api.http.queries.periods import Period
from api.http.queries.reads import reads_of

DAYS = 30
"""How many days of their own usage it sums up."""


async def own_overview(request: Request, account_id: str, member: str) -> Response:
    """Show what a member can use of an account, and has used."""
    reads, formatter = reads_of(request), formatter_of(request)
    found = await limits_of_member(request, account_id, member)
    today = formatter.now.astimezone(formatter.zone).date()
    period = Period(today - timedelta(days=DAYS - 1), today, formatter.zone)
    used = await breakdown_of(reads, account_id, period, required_position(request), member=member)
    cards = cards_of(found, formatter, await limit_names(request, found))
    return await page(
        request,
        "own_overview.html",
        account_id=account_id,
        found=found,
        cards=cards,
        binding=binding_in(found, cards),
        totals=used["totals"],
        days=DAYS,
    )
