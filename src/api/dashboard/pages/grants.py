"""The open grants of an account, from which an operator chooses one to void."""

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.rendering import page, required_position
from api.http.queries.lists import grants_of
from api.http.queries.query import Page
from api.http.queries.reads import reads_of

LIMIT = 50


async def grants(request: Request) -> Response:
    """Show the grants that can be voided, the newest first."""
    account_id = request.path_params["account_id"]
    cursor = request.query_params.get("cursor") or None
    found = await grants_of(reads_of(request), account_id, "open", Page(LIMIT, cursor, required_position(request)))
    return await page(request, "grants.html", account_id=account_id, **found)
