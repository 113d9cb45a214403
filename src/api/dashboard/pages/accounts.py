"""The list of all accounts, for operators: filtered by a prefix of the id, sorted, and in pages."""

import re
from typing import Any, Literal, get_args

from starlette.requests import Request
from starlette.responses import Response

from api.contract.answers.lists import AccountsAnswer
from api.contract.bodies import ONE_LINE
from api.contract.problems import invalid
from api.dashboard.rendering import page, required_position
from api.http.queries.lists import accounts_of
from api.http.queries.query import Page
from api.http.queries.reads import reads_of
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
    """Show one page of the list."""
    prefix, sort, cursor = prefix_of(request), sort_of(request), request.query_params.get("cursor") or None
    found = await accounts_of(reads_of(request), prefix, sort, Page(LIMIT, cursor, required_position(request)))
    return await page(request, "accounts.html", **_values(found), prefix=prefix, sort=sort, first=cursor is None)


def _values(found: AccountsAnswer) -> dict[str, Any]:
    heads = {name: (order, direction) for name, order, direction in _HEADS}
    return {"accounts": found["accounts"], "next_cursor": found["next_cursor"], "heads": heads, "tones": _TONES}


def prefix_of(request: Request) -> str:
    """The prefix that ids must have. Raises Problem for a text that no id can begin with."""
    prefix = request.query_params.get("prefix", "").strip()
    if len(prefix) > MAX_ID or not re.fullmatch(ONE_LINE, prefix):
        raise invalid("prefix", f"must be one line of at most {MAX_ID} characters, as account ids are")
    return prefix


def sort_of(request: Request) -> Sort:
    """The order of the list. Raises Problem for an unknown order."""
    text = request.query_params.get("sort") or "account_id"
    for sort in get_args(Sort):
        if text == sort:
            return sort  # type: ignore[no-any-return]
    raise invalid("sort", f"must be one of {', '.join(get_args(Sort))}")
