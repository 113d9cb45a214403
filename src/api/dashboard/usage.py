"""The usage page: where the credits of some days went, in pictures and entry by entry, with what paid and why."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.contract.history_answers import EntryTable
from api.contract.problems import Problem
from api.contract.total_answers import UsageGroup
from api.dashboard import entry_words
from api.dashboard.current_user import account_seen
from api.dashboard.event_rows import Told, told_of
from api.dashboard.formatting import Reader
from api.dashboard.options import options_of
from api.dashboard.ranges import Choices, Range, range_of
from api.dashboard.rendering import at_least, page, reader_of
from api.dashboard.usage_charts import charts_of
from api.http.breakdown import BreakdownAnswer, breakdown_of
from api.http.entry_table import Table, entry_table_of, entry_table_pages
from api.http.history import csv_response
from api.http.queries import Page
from api.http.reads import Reads, reads_of
from ledger.domain.commands import MAX_ID
from ledger.service import Ledger
from projections.models.history.entry_answer import Entry
from projections.models.history.entry_lines import as_text, csv_of
from projections.models.history.queries import USED
from projections.models.usage.projection import Dimension

LIMIT = 50
CHOICES: Choices = {"7d": ("Last 7 days", 7), "30d": ("Last 30 days", 30), "month": ("Month to date", None)}
FILTERS = ("provider", "model", "project", "member")
_SORTS: Mapping[str, Any] = {
    "newest": "newest first",
    "oldest": "oldest first",
    "largest": "largest first",
    "smallest": "smallest first",
}
_COLUMNS = (
    *("date", "task", "what", "description", "project", "model", "input_tokens", "output_tokens", "total_tokens"),
    *("credits", "balance"),
)


class Wanted(NamedTuple):
    """What the address asks for."""

    range: Range
    table: Table
    given: dict[str, str]
    """The parameters that lead here again, but for the page and the opened entry."""


def _wanted(request: Request, account_id: str) -> Wanted:
    """Raises Problem for a range that is none; what else makes no sense is left out."""
    query, chosen = request.query_params, range_of(request, CHOICES, "30d")
    filters = tuple((name, query[name][:MAX_ID]) for name in FILTERS if query.get(name))
    sort = query["sort"] if query.get("sort") in _SORTS else "newest"
    task = (query.get("task") or "")[:MAX_ID] or None
    everything = query.get("show") == "all"
    table = Table(account_id, chosen.period, _SORTS[sort], None if everything else USED, task, filters)
    given = {"sort": "" if sort == "newest" else sort, "task": task or "", "show": "all" if everything else ""}
    given |= (
        dict.fromkeys(FILTERS, "")
        | dict(filters)
        | {name: query.get(name, "") for name in ("range", "from", "to", "tz")}
    )
    return Wanted(chosen, table, given)


async def usage(request: Request) -> Response:
    """One account, over a range of days."""
    _, account_id = await account_seen(request)
    reads, reader, wanted = reads_of(request), reader_of(request), _wanted(request, account_id)
    position = at_least(request)
    found = await breakdown_of(reads, account_id, wanted.range.period, position)
    asked = Page(LIMIT, request.query_params.get("cursor") or None, position)
    table, refused = await _table(reads, wanted.table, asked)
    entries = table["entries"]
    return await page(
        request,
        "usage.html",
        account_id=account_id,
        range=wanted.range,
        choices=CHOICES,
        given=wanted.given,
        totals=found["totals"],
        value=options_of(request).value_of(found["totals"]["credits"]),
        charts=charts_of(found, reader),
        menus=_menus(found, wanted.given),
        table=table,
        refused=refused,
        sort=wanted.given["sort"] or "newest",
        cursor=asked.cursor,
        first_page=asked.cursor is None,
        opened=await _opened(reads.ledger, account_id, entries, request.query_params.get("open")),
        words=entry_words,
    )


async def _table(reads: Reads, table: Table, asked: Page) -> tuple[EntryTable, str | None]:
    """One page of entries; or none, and why the question was refused: the rest of the page is shown all the same."""
    try:
        return await entry_table_of(reads, table, asked), None
    except Problem as problem:
        if problem.code != "validation_failed":
            raise
        why = "; ".join(f"{error['field']} {error['message']}" for error in problem.facts["errors"])
        return {"entries": [], "next_cursor": None, "stopped_at": None}, why


def _menus(found: BreakdownAnswer, given: Mapping[str, str]) -> dict[str, list[str]]:
    """The names that each filter offers."""
    lists: dict[Dimension, Sequence[UsageGroup]] = {
        "provider": found["providers"],
        "model": found["models"],
        "project": found["projects"],
        "member": found["members"],
    }
    return {kind: _names(listed, kind, given.get(kind)) for kind, listed in lists.items()}


def _names(listed: Sequence[UsageGroup], kind: Dimension, chosen: str | None) -> list[str]:
    """By credits, and the one that is chosen in any case."""
    names = [name for one in listed if (name := one.get(kind))]
    return [*names, chosen] if chosen and chosen not in names else names


async def _opened(ledger: Ledger, account_id: str, entries: list[Entry], wanted: str | None) -> tuple[int, Told] | None:
    """The entry that is to be explained, by its number, if it is on the page."""
    for entry in entries:
        if str(entry["sequence"]) == wanted:
            found = await ledger.explain_event(account_id, entry["version"])
            return (entry["sequence"], told_of(found.explanation)) if found else None
    return None


async def usage_csv(request: Request) -> Response:
    """All pages of the table in one file, with its columns."""
    _, account_id = await account_seen(request)
    reader, wanted = reader_of(request), _wanted(request, account_id)
    position, pages = await entry_table_pages(reads_of(request), wanted.table)
    period = wanted.range.period
    name = f"usage-{period.first}-{period.last}.csv"
    return csv_response(name, position, csv_of(pages, _COLUMNS, lambda entry: _line(entry, reader)))


def _line(entry: Entry, reader: Reader) -> list[Any]:
    """An entry as the table has it; numbers and times are for machines, times with the offset of the reader's zone."""
    usage = entry["usage"] or {}
    texts = (entry["task_id"], entry_words.title_of(entry), entry["description"], usage.get("project"))
    return [
        reader.local(entry["recorded_at"]).isoformat(),
        *map(as_text, (*texts, usage.get("model"))),
        *entry_words.tokens(entry),
        entry["credits"],
        entry["balance_after"],
    ]
