"""Pages of the audit log, for the routes of people and of operators and for the page; and all of it as a CSV file."""

from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
from fastapi import Response
from fastapi.responses import StreamingResponse

from api.contract.cursors import List
from api.contract.people.audit import COLUMNS, AuditAnswer, audit_fields
from api.http.queries.query import MAX_PAGE, Page
from api.http.queries.reads import Reads
from people import audit_log
from people.audit_log import NEWEST, Audited, AuditFilters
from projections.models.spreadsheet import csv_line

Ask = Callable[[int, int], Awaitable[list[Audited]]]
"""Entries below a number, the newest first, and how many at most."""


def about(reads: Reads, account_id: str) -> Ask:
    """What asks for the entries of an account or a person: done by them, to them, or in their account."""

    async def ask(before: int, limit: int) -> list[Audited]:
        async with reads.ledger.log.connection() as connection:
            return await audit_log.page_about(connection, account_id, before, limit)

    return ask


def matching(reads: Reads, filters: AuditFilters) -> Ask:
    """What asks for the entries of all that filters let through."""

    async def ask(before: int, limit: int) -> list[Audited]:
        async with reads.ledger.log.connection() as connection:
            return await audit_log.page(connection, filters, before, limit)

    return ask


async def audit_page(reads: Reads, ask: Ask, of: List, page: Page) -> AuditAnswer:
    """One page. Raises Problem for a cursor of another list, and psycopg.Error."""
    key = reads.cursors.read(page.cursor, of, (int,))
    found = await ask(key[0] if key else NEWEST, page.limit + 1)
    shown = found[: page.limit]
    more = len(found) > len(shown)
    return {
        "entries": [audit_fields(entry) for entry in shown],
        "next_cursor": reads.cursors.make(of, shown[-1].entry_id) if more else None,
    }


def audit_csv(ask: Ask) -> Response:
    """A file of all entries, the newest first. Entries never change, so each page is asked for by itself."""
    headers = {"content-disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(_lines(ask), media_type="text/csv; charset=utf-8", headers=headers)


async def _lines(ask: Ask) -> AsyncIterator[str]:
    head, before = csv_line(COLUMNS), NEWEST
    while True:
        found = await ask(before, MAX_PAGE)
        yield head + "".join(_line(entry) for entry in found)
        if len(found) < MAX_PAGE:
            return
        head, before = "", found[-1].entry_id


def _line(entry: Audited) -> str:
    details = None if entry.details is None else orjson.dumps(entry.details, option=orjson.OPT_SORT_KEYS).decode()
    shown = audit_fields(entry)
    at = shown["at"].isoformat().replace("+00:00", "Z")
    return csv_line([entry.entry_id, at, entry.action, entry.actor, entry.subject, entry.account_id, details])
