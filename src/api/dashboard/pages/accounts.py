"""The lists of operators: uncollected amounts; accounts, by prefix of the id, standing and labels, sorted, in pages."""

import re
from typing import Any, Literal, get_args

from starlette.requests import Request
from starlette.responses import Response

from api.contract.answers.lists import AccountsAnswer, UncollectedStatus
from api.contract.bodies import ONE_LINE
from api.contract.problems import invalid
from api.dashboard.rendering import page, required_position
from api.http.queries.lists import accounts_of, uncollected_of
from api.http.queries.query import Page
from api.http.queries.reads import reads_of
from ledger.domain.account import Standing
from ledger.domain.commands import MAX_ID
from ledger.domain.errors import InvalidField
from ledger.domain.profile import MAX_LABELS, check_labels
from projections.models.balances.queries import Filters, Sort

LIMIT = 50
_TONES = {"active": "", "frozen": "warn", "closed": "bad"}
_HEADS: tuple[tuple[str, Sort, Literal["ascending", "descending"]], ...] = (
    ("Account", "account_id", "ascending"),
    ("Total", "balance", "descending"),
    ("Last activity", "activity", "descending"),
)


async def accounts(request: Request) -> Response:
    """Show one page of the list."""
    filters = Filters(prefix_of(request), standing_of(request), labels_of(request))
    sort, cursor = sort_of(request), request.query_params.get("cursor") or None
    found = await accounts_of(reads_of(request), filters, sort, Page(LIMIT, cursor, required_position(request)))
    asked = {
        "prefix": filters.prefix,
        "standing": filters.standing or "",
        "labels": ", ".join(f"{name}={value}" for name, value in filters.labels),
        "sort": sort,
    }
    return await page(request, "accounts.html", **_values(found), asked=asked, first=cursor is None)


def _values(found: AccountsAnswer) -> dict[str, Any]:
    heads = {name: (order, direction) for name, order, direction in _HEADS}
    return {
        "accounts": found["accounts"],
        "next_cursor": found["next_cursor"],
        "heads": heads,
        "tones": _TONES,
        "standings": get_args(Standing),
    }


def prefix_of(request: Request) -> str:
    """The prefix that ids must have. Raises Problem for a text that no id can begin with."""
    prefix = request.query_params.get("prefix", "").strip()
    if len(prefix) > MAX_ID or not re.fullmatch(ONE_LINE, prefix):
        raise invalid("prefix", f"must be one line of at most {MAX_ID} characters, as account ids are")
    return prefix


def standing_of(request: Request) -> Standing | None:
    """The standing that accounts must have; None for all. Raises Problem for an unknown one."""
    text = request.query_params.get("standing", "")
    for standing in get_args(Standing):
        if text == standing:
            return standing  # type: ignore[no-any-return]
    if text:
        raise invalid("standing", f"must be one of {', '.join(get_args(Standing))}")
    return None


def labels_of(request: Request) -> tuple[tuple[str, str], ...]:
    """The labels that accounts must have, as in `plan=pro, region=eu`. Raises Problem for what is no label."""
    labels: dict[str, str] = {}
    for pair in filter(str.strip, request.query_params.get("labels", "").split(",")):
        name, _, value = (part.strip() for part in pair.partition("="))
        labels[name] = value
    if len(labels) > MAX_LABELS:
        raise invalid("labels", f"must be at most {MAX_LABELS}")
    try:
        check_labels(labels)
    except InvalidField as error:
        raise invalid("labels", "must be such as plan=pro, with a comma between two") from error
    return tuple(sorted(labels.items()))


def sort_of(request: Request) -> Sort:
    """The order of the list. Raises Problem for an unknown order."""
    text = request.query_params.get("sort") or "account_id"
    for sort in get_args(Sort):
        if text == sort:
            return sort  # type: ignore[no-any-return]
    raise invalid("sort", f"must be one of {', '.join(get_args(Sort))}")


async def uncollected(request: Request) -> Response:
    """Show one page of the deductions that asked for more than was available: what is left to collect, or all."""
    query = request.query_params
    status: UncollectedStatus | None = None if query.get("status") == "all" else "open"
    wanted = Page(LIMIT, query.get("cursor") or None, required_position(request))
    found = await uncollected_of(reads_of(request), None, status, wanted)
    return await page(request, "uncollected.html", **found, listed=status, first=wanted.cursor is None)
