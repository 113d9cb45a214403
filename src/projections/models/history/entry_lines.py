"""An entry as a line of a CSV file."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

from projections.models.history.entry_answer import Entry
from projections.models.spreadsheet import csv_line

COLUMNS = (
    *("sequence", "version", "recorded_at", "type", "credits", "subscription_credits", "permanent_credits"),
    *("balance_before", "balance_after", "description", "task_id", "transaction_id", "payment_id", "source"),
    *("grant_id", "deduction_id", "hold_id"),
)
USAGE = (
    *("provider", "model", "project", "member", "metric", "input_tokens", "output_tokens"),
    *("key", "agent", "quantity", "duration_ms", "success"),
)
"""The columns after them: the usage of a deduction."""
LAST = ("occurred_at", "uncollected")
LATER_USAGE = ("cached_tokens",)
"""More of the usage. Columns that are added later come last, so that those before stay where they are."""
ALL_COLUMNS = (*COLUMNS, *USAGE, *LAST, *LATER_USAGE)


async def csv_of(
    pages: AsyncIterator[list[Entry]],
    columns: Sequence[str] = ALL_COLUMNS,
    line_of: Callable[[Entry], list[Any]] | None = None,
) -> AsyncIterator[str]:
    """A CSV file of entries, yielded a page at a time. `columns` and `line_of` replace the usual columns."""
    head = csv_line(columns)
    async for page in pages:
        yield head + "".join(map(csv_line, map(line_of or line, page)))
        head = ""


def line(shown: Entry) -> list[Any]:
    """The values of an entry in the order of ALL_COLUMNS."""
    usage = shown["usage"] or {}
    recorded_at = _time(shown["recorded_at"])
    values = [recorded_at if name == "recorded_at" else shown.get(name) for name in COLUMNS]
    occurred_at = None if shown["occurred_at"] is None else _time(shown["occurred_at"])
    later = (usage.get(name) for name in LATER_USAGE)
    return [*values, *(_said(usage.get(name)) for name in USAGE), occurred_at, shown["uncollected"], *later]


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _said(value: object) -> object:
    """A value of usage; a boolean as in JSON."""
    return ("true" if value else "false") if isinstance(value, bool) else value
