"""The open grants of an account, for the operator who is about to void one."""

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.current_user import acting_operator
from api.dashboard.rendering import at_least, page
from api.http.lists import grants_of
from api.http.queries import Page
from api.http.reads import reads_of

LIMIT = 50


async def grants(request: Request) -> Response:
    """What can be voided, the newest first."""
    await acting_operator(request)
    account_id = request.path_params["account_id"]
    cursor = request.query_params.get("cursor") or None
    found = await grants_of(reads_of(request), account_id, "open", Page(LIMIT, cursor, at_least(request)))
    return await page(request, "grants.html", account_id=account_id, **found)
