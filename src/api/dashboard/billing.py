"""Billing: payments and what each of them bought, and all grants with what is left of them and when they lapse."""

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.current_user import account_seen
from api.dashboard.rendering import at_least, page
from api.http.lists import grants_of, payments_of
from api.http.queries import Page
from api.http.reads import reads_of
from ledger.explain.event_titles import GRANT_TITLES

LIMIT = 25


async def billing(request: Request) -> Response:
    """Two lists, each with pages of its own."""
    _, account_id = await account_seen(request)
    reads, position, query = reads_of(request), at_least(request), request.query_params
    payments = await payments_of(reads, account_id, None, Page(LIMIT, query.get("payments") or None, position))
    grants = await grants_of(reads, account_id, None, Page(LIMIT, query.get("grants") or None, position))
    given = {name: query.get(name, "") for name in ("payments", "grants", "tz")}
    return await page(
        request,
        "billing.html",
        account_id=account_id,
        payments=payments,
        grants=grants,
        given=given,
        sources=GRANT_TITLES,
    )
