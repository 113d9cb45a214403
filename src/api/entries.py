"""The running-balance history over HTTP: pages by cursor, and all of it as CSV.

The balances on an entry were decided with its event, so they are the same under every filter and page size.
"""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.bodies import ONE_LINE, Time
from api.cursors import MAX_CURSOR, cursor, key_of
from api.entry_lines import COLUMNS, USAGE, entry, line
from api.problems import invalid
from api.questions import (
    MAX_PAGE,
    PROBLEMS,
    AccountId,
    Visible,
    as_of,
    check_order,
    json_response,
    known_account,
    reader_of,
    snapshot,
    wiring_of,
)
from api.texts import with_descriptions
from api.view_schemas import HistoryAnswer
from ledger.commands import MAX_ID
from projections.changes import ENTRY_TYPES
from projections.history import FIRST_PLACE, HISTORY, LAST_PLACE, Order, Place, Wanted, page
from projections.views import Snapshot

router = APIRouter(tags=["queries"])

_TYPE = rf"({'|'.join(ENTRY_TYPES)})"
_ORDERS: dict[str, Order] = {"desc": "newest first", "asc": "oldest first"}


class _Filters(Visible):
    order: Literal["desc", "asc"] = Field("desc", description="newest or oldest first")
    type: str | None = Field(
        None, pattern=f"^{_TYPE}(,{_TYPE})*$", description="entry types, separated by commas; default: all"
    )
    from_: Time | None = Field(None, alias="from", description="entries recorded at or after this instant")
    to: Time | None = Field(None, description="entries recorded before this instant")
    task_id: str | None = Field(None, min_length=1, max_length=MAX_ID, pattern=ONE_LINE)

    def wanted(self, account_id: str) -> Wanted:
        """The entries that these filters leave. Raises Problem for a period that ends before it begins."""
        check_order(self.from_, self.to)
        low = FIRST_PLACE if self.from_ is None else Place(self.from_, -1)
        high = LAST_PLACE if self.to is None else Place(self.to, -1)
        types: Any = tuple(dict.fromkeys(self.type.split(","))) if self.type else None
        return Wanted(account_id, low, high, types, self.task_id)


class _Page(_Filters):
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the page before")


@router.get(
    "/v1/accounts/{account_id}/history",
    response_model=HistoryAnswer,
    responses=PROBLEMS,
    summary="The running-balance history",
)
async def history(request: Request, account_id: AccountId, query: Annotated[_Page, Query()]) -> Response:
    """One entry per change of balance, with the balance before and after it. Scope `ledger:read`."""
    ledger = await reader_of(request)
    wanted = query.wanted(account_id)
    order = _ORDERS[query.order]
    start = key_of(query.cursor, (wanted, order), (datetime, int))
    async with snapshot(request, query, HISTORY) as moment:
        rows = await page(moment, _from(wanted, order, Place(*start) if start else None), order, query.limit + 1)
    if not rows:
        await known_account(wiring_of(request).ledger, account_id)
    more, rows = len(rows) > query.limit, rows[: query.limit]
    next_cursor = cursor((wanted, order), rows[-1]["recorded_at"], rows[-1]["sequence"]) if more else None
    entries = await with_descriptions(ledger, account_id, [entry(row) for row in rows])
    return json_response(as_of(moment, entries=entries, next_cursor=next_cursor))


@router.get(
    "/v1/accounts/{account_id}/history.csv",
    response_class=StreamingResponse,
    responses={**PROBLEMS, 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    summary="The running-balance history as CSV",
)
async def history_csv(request: Request, account_id: AccountId, query: Annotated[_Filters, Query()]) -> Response:
    """All entries that the filters leave, streamed, as of the moment at which it begins. Scope `ledger:read`.

    Texts of callers that a spreadsheet would take for a formula begin with an apostrophe.
    """
    await reader_of(request)
    wanted = query.wanted(account_id)
    async with snapshot(request, query, HISTORY) as moment:
        newest = await page(moment, Wanted(account_id), "newest first", 1)
    if not newest:
        await known_account(wiring_of(request).ledger, account_id)
    else:
        last = Place(newest[0]["recorded_at"], newest[0]["sequence"] + 1)
        wanted = wanted._replace(high=min(wanted.high, last))
    headers = {"as-of-position": str(moment.position), "content-disposition": 'attachment; filename="history.csv"'}
    lines = _lines(request, wanted, _ORDERS[query.order])
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


async def _lines(request: Request, wanted: Wanted, order: Order) -> AsyncIterator[str]:
    """The lines of the file, a page of them at a time, each page from a snapshot of its own: entries never change."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow((*COLUMNS, *USAGE))
    while True:
        async with wiring_of(request).views.snapshot(HISTORY) as moment:
            rows = await page(moment, wanted, order, MAX_PAGE)
        shown = await with_descriptions(wiring_of(request).ledger, wanted.account_id, [entry(row) for row in rows])
        writer.writerows(map(line, shown))
        yield text.getvalue()
        text.seek(0)
        text.truncate()
        if len(rows) < MAX_PAGE:
            return
        wanted = _from(wanted, order, Place(rows[-1]["recorded_at"], rows[-1]["sequence"]))


def _from(wanted: Wanted, order: Order, start: Place | None) -> Wanted:
    """What is wanted, from behind a place on."""
    if start is None:
        return wanted
    if not wanted.low <= start <= wanted.high:
        raise invalid("cursor", "must be a `next_cursor` of this very list")
    return wanted._replace(high=start) if order == "newest first" else wanted._replace(low=start)


async def last_entries(moment: Snapshot, account_id: str, count: int) -> list[dict[str, Any]]:
    """The newest entries of an account as they are answered."""
    return [entry(row) for row in await page(moment, Wanted(account_id), "newest first", count)]


async def last_deduction(moment: Snapshot, account_id: str) -> dict[str, Any] | None:
    """The newest deduction or capture of an account as it is answered."""
    rows = await page(moment, Wanted(account_id, types=("deduction", "capture")), "newest first", 1)
    return entry(rows[0]) if rows else None
