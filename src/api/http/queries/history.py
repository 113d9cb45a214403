"""The routes of the running-balance history: pages by cursor, and the whole history as CSV.

The balances of an entry are recorded in its event, so they are the same for every filter and page size.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.contract.answers.history import HistoryAnswer
from api.contract.bodies import ONE_LINE, Id, Time
from api.contract.cursors import MAX_CURSOR
from api.contract.problems import invalid
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import (
    FIRST_PAGE,
    MAX_PAGE,
    PROBLEMS,
    AccountId,
    Moment,
    Page,
    Visible,
    as_of,
    check_order,
    known_account,
)
from api.http.queries.reads import Reads, reads_of
from ledger.current_accounts import can_be_stored
from ledger.domain.changes import ENTRY_TYPES
from ledger.domain.commands import MAX_ID
from ledger.domain.errors import AccountNotFound
from ledger.domain.usage import DIMENSIONS
from ledger.readable_texts import with_descriptions
from projections.models.history.entry_answer import Entry, entries_of, entry
from projections.models.history.entry_lines import csv_of
from projections.models.history.projection import HISTORY
from projections.models.history.queries import (
    FIRST_PLACE,
    LAST_PLACE,
    LOOKED_THROUGH,
    SHARED_LIMIT,
    Order,
    Place,
    Wanted,
    asker_of,
    is_plain,
    page,
    pages_question,
    place_of,
    split,
    successor_question,
)
from projections.models.views import Views

router = APIRouter(route_class=AnswerRoute, tags=["queries"])

_TYPE = rf"({'|'.join(ENTRY_TYPES)})"
_ORDERS: dict[str, Order] = {"desc": "newest first", "asc": "oldest first"}


class _Filters(Visible):
    order: Literal["desc", "asc"] = Field("desc", description="newest or oldest first")
    type: str | None = Field(
        None, pattern=f"^{_TYPE}(,{_TYPE})*$", description="entry types, separated by commas; default: all"
    )
    from_: Time | None = Field(None, alias="from", description="entries recorded at or after this time")
    to: Time | None = Field(None, description="entries recorded before this time")
    task_id: str | None = Field(None, min_length=1, max_length=MAX_ID, pattern=ONE_LINE)
    provider: Id | None = Field(None, description="deductions with this value in their `usage`")
    model: Id | None = None
    project: Id | None = None
    member: Id | None = None
    metric: Id | None = None
    key: Id | None = None
    agent: Id | None = None

    def wanted(self, account_id: str) -> Wanted:
        """The filter of the entries. Raises Problem for a period that ends before it begins."""
        check_order(self.from_, self.to)
        low = FIRST_PLACE if self.from_ is None else Place(self.from_, -1)
        high = LAST_PLACE if self.to is None else Place(self.to, -1)
        types: Any = tuple(dict.fromkeys(self.type.split(","))) if self.type else None
        given = ((name, getattr(self, name)) for name in DIMENSIONS)
        usage = tuple((name, value) for name, value in given if value is not None)
        return Wanted(account_id, low, high, types, self.task_id, usage)


class _Page(_Filters):
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the previous page")

    @property
    def page(self) -> Page:
        """Which page it is."""
        return Page(self.limit, self.cursor, self.min_position)


@router.get(
    "/v1/accounts/{account_id}/history",
    responses=PROBLEMS,
    summary="The running-balance history",
)
async def history(
    request: Request, account_id: AccountId, query: Annotated[_Page, Query()]
) -> JsonAnswer[HistoryAnswer]:
    """One entry per change of balance, with the balance before and after it.

    Under filters of `usage` a page looks through 20,000 entries at most: it may have fewer than `limit`, or none, and
    yet a `next_cursor`.
    """
    wanted = query.wanted(account_id)
    return JsonAnswer(await history_of(reads_of(request), wanted, _ORDERS[query.order], query.page))


async def history_of(reads: Reads, wanted: Wanted, order: Order, asked: Page = FIRST_PAGE) -> HistoryAnswer:
    """Query one page. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    if not can_be_stored(wanted.account_id):  # others share the statement
        raise AccountNotFound(wanted.account_id)
    start = reads.cursors.read(asked.cursor, (wanted, order), (datetime, int))
    moment, found, last, successor = await _page(reads.views, after_cursor(wanted, order, start), order, asked)
    if not found:
        await known_account(reads.ledger, wanted.account_id)
    entries = await with_descriptions(reads.ledger.log, wanted.account_id, found)
    next_cursor = reads.cursors.make((wanted, order), *last) if last else None
    return {**as_of(moment), "next_cursor": next_cursor, "successor": successor, "entries": entries}


async def _page(
    views: Views, wanted: Wanted, order: Order, asked: Page
) -> tuple[Moment, list[Entry], Place | None, str | None]:
    """A page, the place after it, and the successor of an account that was merged."""
    limit, least = asked.limit, asked.min_position
    if is_plain(wanted) and limit <= SHARED_LIMIT:
        shared = await views.ask_together((HISTORY,), pages_question(order), *asker_of(wanted, limit), at_least=least)
        rows, successor = split(shared.rows)
        entries = entries_of(rows[:limit])
        return shared, entries, place_of(entries[-1]) if len(rows) > limit else None, successor
    async with views.snapshot(HISTORY, at_least=least) as moment:
        found = await page(moment, wanted, order, limit)
        merged = await moment.answer(successor_question(wanted.account_id))
        return moment, [entry(row) for row in found.rows], found.last, _successor(merged)


def _successor(rows: list[dict[str, Any]]) -> str | None:
    return rows[0]["successor"] if rows else None


@router.get(
    "/v1/accounts/{account_id}/history.csv",
    response_class=StreamingResponse,
    responses={**PROBLEMS, 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    summary="The running-balance history as CSV",
)
async def history_csv(request: Request, account_id: AccountId, query: Annotated[_Filters, Query()]) -> Response:
    """All entries that match the filters, up to the newest one when the request begins.

    An apostrophe is put before texts that a spreadsheet would evaluate as a formula.
    """
    reads, wanted = reads_of(request), query.wanted(account_id)
    position, wanted = await limited_to_now(reads, wanted, query.min_position)
    pages = pages_in_order(reads, wanted, _ORDERS[query.order])
    return csv_response("history.csv", position, csv_of(pages))


def csv_response(name: str, position: int, lines: AsyncIterator[str]) -> Response:
    """A CSV file of the entries up to a position."""
    headers = {"as-of-position": str(position), "content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


async def limited_to_now(reads: Reads, wanted: Wanted, min_position: int) -> tuple[int, Wanted]:
    """The position of now, and the filter without later entries. Raises AccountNotFound."""
    async with reads.views.snapshot(HISTORY, at_least=min_position) as moment:
        newest, _ = await page(moment, Wanted(wanted.account_id), "newest first", 1)
    if not newest:
        await known_account(reads.ledger, wanted.account_id)
        return moment.position, wanted
    last = Place(newest[0]["recorded_at"], newest[0]["sequence"] + 1)
    return moment.position, wanted._replace(high=min(wanted.high, last))


async def pages_in_order(
    reads: Reads, wanted: Wanted, order: Order, *, look_through: int = LOOKED_THROUGH
) -> AsyncIterator[list[Entry]]:
    """All entries in pages. Each page has a snapshot of its own, which is safe because entries never change."""
    last: Place | None = None
    while True:
        async with reads.views.snapshot(HISTORY) as moment:
            asked = wanted.behind(last, order) if last else wanted
            rows, last = await page(moment, asked, order, MAX_PAGE, look_through=look_through)
        yield await with_descriptions(reads.ledger.log, wanted.account_id, [entry(row) for row in rows])
        if last is None:
            return


def after_cursor(wanted: Wanted, order: Order, start: list[Any] | None) -> Wanted:
    """The filter for the entries after a cursor. Raises Problem for a cursor of another list."""
    if start is None:
        return wanted
    place = Place(*start)
    if not wanted.low <= place <= wanted.high:
        raise invalid("cursor", "must be a `next_cursor` of the same list")
    return wanted.behind(place, order)
