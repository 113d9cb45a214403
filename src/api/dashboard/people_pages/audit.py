"""The audit page of an account: who did what among its people and keys, newest first, and all of it as a file."""

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.current_user import user_of
from api.dashboard.rendering import names_in, page
from api.http.people.audit_lists import about, audit_csv, audit_page
from api.http.queries.query import Page
from api.http.queries.reads import reads_of

LIMIT = 50


async def audit(request: Request) -> Response:
    """Show one page. Raises Problem for a cursor of another list."""
    account_id, cursor = request.path_params["account_id"], request.query_params.get("cursor") or None
    reads = reads_of(request)
    found = await audit_page(reads, about(reads, account_id), ("audit page", account_id), Page(LIMIT, cursor))
    is_first, me = cursor is None, user_of(request).user_id
    names = await names_in(request, account_id) | ({me: "you"} if me is not None else {})
    return await page(
        request, "audit.html", account_id=account_id, **found, first=is_first, title_of=title_of, names=names
    )


async def audit_file(request: Request) -> Response:
    """Send all entries as a CSV file."""
    return audit_csv(about(reads_of(request), request.path_params["account_id"]))


def title_of(action: str) -> str:
    """An action in words: `member.role_changed` is `Member role changed`."""
    return action.replace(".", " ").replace("_", " ").capitalize()
