"""The grants of an account from which an operator chooses one to correct: to void it, or to change its expiry."""

from starlette.requests import Request
from starlette.responses import Response

from api.contract.answers.lists import Grant, GrantStatus
from api.dashboard.rendering import page, required_position
from api.http.queries.lists import grants_of
from api.http.queries.query import Page
from api.http.queries.reads import reads_of
from ledger.domain.coming import MAX_COMING_GRANTS

LIMIT = 50


async def grants(request: Request) -> Response:
    """Show the coming and open grants, or those that have expired, the newest first."""
    account_id = request.path_params["account_id"]
    cursor = request.query_params.get("cursor") or None
    reads, position = reads_of(request), required_position(request)
    status: GrantStatus = "expired" if request.query_params.get("status") == "expired" else "open"
    found = await grants_of(reads, account_id, status, Page(LIMIT, cursor, position))
    coming: list[Grant] = []
    if cursor is None and status == "open":
        coming = (await grants_of(reads, account_id, "coming", Page(MAX_COMING_GRANTS, None, position)))["grants"]
    return await page(request, "grants.html", account_id=account_id, listed=status, coming=coming, **found)
