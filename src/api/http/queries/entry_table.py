"""The table of entries: the entries of an account in some local days, filtered, sorted by date or by size, and as CSV.

A page by date searches a limited number of entries, and its answer has the time where the search stopped. A page by
size sorts all entries of the period; if there are too many, the query is refused.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple

from api.contract.answers.history import EntryTableAnswer
from api.contract.cursors import List
from api.contract.problems import Problem, validation_failed
from api.http.queries.history import after_cursor, limited_to_now, pages_in_order
from api.http.queries.periods import Period
from api.http.queries.query import FIRST_PAGE, MAX_PAGE, Page, as_of, known_account
from api.http.queries.reads import Reads
from ledger.domain.changes import EntryType
from ledger.readable_texts import with_descriptions
from projections.models.history.entry_answer import Entry, entry
from projections.models.history.projection import HISTORY
from projections.models.history.queries import (
    LOOKED_THROUGH,
    USED,
    Order,
    Place,
    Rank,
    SizeOrder,
    Wanted,
    page,
    page_by_size,
)
from projections.models.rollups.projection import COUNTS, ROLLUPS
from projections.models.rollups.queries import totals
from projections.models.views import Snapshot

Pages = AsyncIterator[list[Entry]]


class Table(NamedTuple):
    """A query for entries of an account. `types` None means all types; `usage` has pairs of dimension and value."""

    account_id: str
    period: Period
    sort: Order | SizeOrder = "newest first"
    types: tuple[EntryType, ...] | None = USED
    task_id: str | None = None
    usage: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> List:
        """The name of the list that the cursors of the table belong to."""
        return ("entry table", self)

    def wanted(self) -> Wanted:
        """The filter of the entries. Raises Problem for a period that is not valid."""
        start, end = self.period.span()
        return Wanted(self.account_id, Place(start, -1), Place(end, -1), self.types, self.task_id, self.usage)


async def entry_table_of(
    reads: Reads, table: Table, asked: Page = FIRST_PAGE, *, look_through: int = LOOKED_THROUGH
) -> EntryTableAnswer:
    """Query one page. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    sort = table.sort
    if sort == "newest first" or sort == "oldest first":
        moment, rows, last = await _page_in_order(reads, table, sort, asked, look_through)
    else:
        moment, rows, last = await _page_by_size(reads, table, sort, asked, look_through)
    if not rows:
        await known_account(reads.ledger, table.account_id)
    entries = await with_descriptions(reads.ledger.log, table.account_id, [entry(row) for row in rows])
    return {
        **as_of(moment),
        "next_cursor": reads.cursors.make(table.name, *last) if last else None,
        "entries": entries,
        "stopped_at": last.recorded_at if last and len(rows) < asked.limit else None,
    }


_Part = tuple[Snapshot, list[dict[str, Any]], Place | Rank | None]


async def _page_in_order(reads: Reads, table: Table, order: Order, asked: Page, look_through: int) -> _Part:
    start = reads.cursors.read(asked.cursor, table.name, (datetime, int))
    wanted = after_cursor(table.wanted(), order, start)
    async with reads.views.snapshot(HISTORY, at_least=asked.min_position) as moment:
        return moment, *await page(moment, wanted, order, asked.limit, look_through=look_through)


async def _page_by_size(reads: Reads, table: Table, order: SizeOrder, asked: Page, most: int) -> _Part:
    key = reads.cursors.read(asked.cursor, table.name, (int, datetime, int))
    after = Rank(*key) if key else None
    async with reads.views.snapshot(HISTORY, ROLLUPS, at_least=asked.min_position) as moment:
        await _check_count(moment, table, most)
        return moment, *await page_by_size(moment, table.wanted(), order, asked.limit, after=after)


async def entry_table_pages(
    reads: Reads, table: Table, min_position: int = 0, *, look_through: int = LOOKED_THROUGH
) -> tuple[int, Pages]:
    """The position of now, and all pages of entries until then. Raises the errors of one page, before the first."""
    position, wanted = await limited_to_now(reads, table.wanted(), min_position)
    sort = table.sort
    if sort == "newest first" or sort == "oldest first":
        return position, pages_in_order(reads, wanted, sort, look_through=look_through)
    async with reads.views.snapshot(ROLLUPS, at_least=min_position) as moment:
        await _check_count(moment, table, look_through)
    return position, _by_size(reads, wanted, sort)


async def _by_size(reads: Reads, wanted: Wanted, order: SizeOrder) -> Pages:
    last: Rank | None = None
    while True:
        async with reads.views.snapshot(HISTORY) as moment:
            rows, last = await page_by_size(moment, wanted, order, MAX_PAGE, after=last)
        yield await with_descriptions(reads.ledger.log, wanted.account_id, [entry(row) for row in rows])
        if last is None:
            return


async def _check_count(moment: Snapshot, table: Table, most: int) -> None:
    """Refuse to sort more entries than `most`. The entries of one task are few, so they are not counted."""
    if table.task_id is not None:
        return
    [total] = await totals(moment, table.account_id, [table.period.span()])
    count = sum(getattr(total, name) for name in COUNTS)
    if count > most:
        raise _too_many(count, most)


def _too_many(count: int, most: int) -> Problem:
    message = f"can order at most {most:,} entries by credits, and the period has {count:,} entries: ask for fewer days"
    return validation_failed([{"field": "sort", "message": message, "limits": {"entries": most}}])
