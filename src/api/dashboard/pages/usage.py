"""The usage page: the credits that were used on some days, as charts and as a table of entries."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.contract.answers.history import EntryTable
from api.contract.answers.totals import UsageGroup
from api.contract.problems import Problem
from api.contract.scopes import EXPLANATIONS
from api.dashboard.current_user import user_of
from api.dashboard.formatting import Formatter
from api.dashboard.options import options_of
from api.dashboard.pages import entry_labels
from api.dashboard.pages.event_details import EventDetails, details_of
from api.dashboard.pages.ranges import Choices, Range, range_of
from api.dashboard.pages.usage_charts import charts_of
from api.dashboard.rendering import formatter_of, names_in, page, required_position
from api.http.queries.breakdown import BreakdownAnswer, breakdown_of
from api.http.queries.entry_table import Table, entry_table_of, entry_table_pages
from api.http.queries.history import csv_response
from api.http.queries.query import Page
from api.http.queries.reads import Reads, reads_of
from ledger.domain.commands import MAX_ID
from ledger.domain.errors import MAX_SHOWN
from ledger.domain.usage import Dimension
from ledger.service import Ledger
from projections.models.days import By
from projections.models.history.entry_answer import Entry
from projections.models.history.entry_lines import csv_of
from projections.models.history.queries import USED

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
    *("credits", "balance", "cached_tokens"),
)


class UsageQuery(NamedTuple):
    """The range, the filters and the order that the address asks for."""

    range: Range
    table: Table
    by: By
    given: dict[str, str]
    """The parameters of the address, without the page of the table and the expanded entry."""


def _usage_query(request: Request, account_id: str) -> UsageQuery:
    """Read the address. Raises Problem for a range that is not valid; other values that are not valid are ignored."""
    query, chosen = request.query_params, range_of(request, CHOICES, "30d")
    own = user_of(request).sees_only
    filters = tuple(
        (name, query[name][:MAX_ID]) for name in FILTERS if query.get(name) and (own is None or name != "member")
    )
    filters += () if own is None else (("member", own),)
    sort = query["sort"] if query.get("sort") in _SORTS else "newest"
    task = (query.get("task") or "")[:MAX_ID] or None
    everything = query.get("show") == "all"
    by: By = "occurred" if query.get("by") == "occurred" else "recorded"
    table = Table(account_id, chosen.period, _SORTS[sort], None if everything else USED, task, filters)
    given = {"sort": "" if sort == "newest" else sort, "task": task or "", "show": "all" if everything else ""}
    given["by"] = "" if by == "recorded" else by
    given |= (
        dict.fromkeys(FILTERS, "")
        | dict(filters)
        | {name: query.get(name, "")[:MAX_SHOWN] for name in ("range", "from", "to", "tz")}
    )
    return UsageQuery(chosen, table, by, given)


async def usage(request: Request) -> Response:
    """Show the usage of one account in a range of days; to a member, their own."""
    account_id = request.path_params["account_id"]
    reads, formatter, wanted = reads_of(request), formatter_of(request), _usage_query(request, account_id)
    position = required_position(request)
    own, names = user_of(request).sees_only, await names_in(request, account_id)
    found = await breakdown_of(reads, account_id, wanted.range.period, position, wanted.by, own)
    table_page = Page(LIMIT, request.query_params.get("cursor") or None, position)
    table, refused = await _table(reads, wanted.table, table_page)
    entries, explains = table["entries"], user_of(request).may(EXPLANATIONS)
    wanted_entry = request.query_params.get("open") if explains else None
    return await page(
        request,
        "usage.html",
        account_id=account_id,
        range=wanted.range,
        choices=CHOICES,
        given=wanted.given,
        totals=found["totals"],
        measured=found["measured"],
        value=options_of(request).value_of(found["totals"]["credits"]),
        charts=charts_of(found, formatter, names),
        names=names,
        menus=_menus(found, wanted.given),
        table=table,
        refused=refused,
        sort=wanted.given["sort"] or "newest",
        cursor=table_page.cursor,
        first_page=table_page.cursor is None,
        expanded=await _expanded(reads.ledger, account_id, entries, wanted_entry),
        explains=explains,
        labels=entry_labels,
    )


async def _table(reads: Reads, table: Table, table_page: Page) -> tuple[EntryTable, str | None]:
    """One page of entries, or no entries and the reason why they cannot be sorted: the charts are shown in any case."""
    try:
        return await entry_table_of(reads, table, table_page), None
    except Problem as problem:
        if problem.code != "validation_failed" or {error["field"] for error in problem.facts["errors"]} != {"sort"}:
            raise
        why = "; ".join(f"{error['field']} {error['message']}" for error in problem.facts["errors"])
        return {"entries": [], "next_cursor": None, "stopped_at": None}, why


def _menus(found: BreakdownAnswer, given: Mapping[str, str]) -> dict[str, list[str]]:
    """The names that the menus of the filters offer."""
    lists: dict[Dimension, Sequence[UsageGroup]] = {
        "provider": found["providers"],
        "model": found["models"],
        "project": found["projects"],
        "member": found["members"],
    }
    return {kind: _names(listed, kind, given.get(kind)) for kind, listed in lists.items()}


def _names(listed: Sequence[UsageGroup], kind: Dimension, chosen: str | None) -> list[str]:
    """The names that a filter offers, by credits, and always the chosen one."""
    names = [name for one in listed if (name := one.get(kind))]
    return [*names, chosen] if chosen and chosen not in names else names


async def _expanded(
    ledger: Ledger, account_id: str, entries: list[Entry], wanted: str | None
) -> tuple[int, EventDetails] | None:
    """The details of the entry that the address expands, if it is on the page, with the number of the entry."""
    for entry in entries:
        if str(entry["sequence"]) == wanted:
            found = await ledger.explain_event(account_id, entry["version"])
            return (entry["sequence"], details_of(found.explanation)) if found else None
    return None


async def usage_csv(request: Request) -> Response:
    """Send all pages of the table as one CSV file with the same columns."""
    account_id = request.path_params["account_id"]
    formatter, wanted = formatter_of(request), _usage_query(request, account_id)
    position, pages = await entry_table_pages(reads_of(request), wanted.table)
    period = wanted.range.period
    name = f"usage-{period.first}-{period.last}.csv"
    return csv_response(name, position, csv_of(pages, _COLUMNS, lambda entry: _csv_row(entry, formatter)))


def _csv_row(entry: Entry, formatter: Formatter) -> list[Any]:
    """A row of the file. Numbers have no separators; times are ISO 8601 with the offset of the page's time zone."""
    usage = entry["usage"] or {}
    texts = (entry["task_id"], entry_labels.title_of(entry), entry["description"], usage.get("project"))
    return [
        formatter.local(entry["recorded_at"]).isoformat(),
        *texts,
        usage.get("model"),
        *entry_labels.token_counts(entry),
        entry["credits"],
        entry["balance_after"],
        usage.get("cached_tokens"),
    ]
