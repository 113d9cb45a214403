"""All accounts, for operators: searched by how their ids begin, sorted, a page at a time."""

import re
from typing import Any, Literal, get_args

from starlette.requests import Request
from starlette.responses import Response

from api.contract.bodies import ONE_LINE
from api.contract.list_answers import AccountsAnswer
from api.contract.problems import invalid
from api.dashboard.current_user import operator_of
from api.dashboard.rendering import at_least, page
from api.http.lists import accounts_of
from api.http.queries import Page
from api.http.reads import reads_of
from ledger.domain.commands import MAX_ID
from projections.models.balances.queries import Sort

LIMIT = 50
_TONES = {"active": "", "frozen": "warn", "closed": "bad"}
_HEADS: tuple[tuple[str, Sort, Literal["ascending", "descending"]], ...] = (
    ("Account", "account_id", "ascending"),
    ("Total", "balance", "descending"),
    ("Last activity", "activity", "descending"),
)


async def accounts(request: Request) -> Response:
    """A page of accounts."""
    await operator_of(request)
    prefix, sort, cursor = prefix_of(request), sort_of(request), request.query_params.get("cursor") or None
    found = await accounts_of(reads_of(request), prefix, sort, Page(LIMIT, cursor, at_least(request)))
    return await page(request, "accounts.html", **_values(found), prefix=prefix, sort=sort, first=cursor is None)


def _values(found: AccountsAnswer) -> dict[str, Any]:
    heads = {name: (order, direction) for name, order, direction in _HEADS}
    return {"accounts": found["accounts"], "next_cursor": found["next_cursor"], "heads": heads, "tones": _TONES}


def prefix_of(request: Request) -> str:
    """How the ids begin that are looked for. Raises Problem for what no id can begin with."""
    prefix = request.query_params.get("prefix", "").strip()
    if len(prefix) > MAX_ID or not re.fullmatch(ONE_LINE, prefix):
        raise invalid("prefix", f"must be at most {MAX_ID} characters of one line, as ids are")
    return prefix


def sort_of(request: Request) -> Sort:
    """In which order. Raises Problem for one that there is not."""
    text = request.query_params.get("sort") or "account_id"
    for sort in get_args(Sort):
        if text == sort:
            return sort  # type: ignore[no-any-return]
    raise invalid("sort", f"must be one of {', '.join(get_args(Sort))}")
