"""An entry as a line of a CSV file."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from projections.models.history.entry_answer import Entry
from projections.models.spreadsheet import csv_line

COLUMNS = (
    *("sequence", "version", "recorded_at", "type", "credits", "subscription_credits", "permanent_credits"),
    *("balance_before", "balance_after", "description", "task_id", "transaction_id", "payment_id", "source"),
    *("grant_id", "deduction_id", "hold_id"),
)
USAGE = ("provider", "model", "project", "member", "metric", "input_tokens", "output_tokens")
"""The columns after them: the usage of a deduction."""


async def csv_of(
    pages: AsyncIterator[list[Entry]],
    columns: Sequence[str] = (*COLUMNS, *USAGE),
    line_of: Callable[[Entry], list[Any]] | None = None,
) -> AsyncIterator[str]:
    """A CSV file of entries, yielded a page at a time. `columns` and `line_of` replace the usual columns."""
    head = csv_line(columns)
    async for page in pages:
        yield head + "".join(map(csv_line, map(line_of or line, page)))
        head = ""


def line(shown: Entry) -> list[Any]:
    """The values of an entry in the order of COLUMNS and USAGE."""
    usage = shown["usage"] or {}
    recorded_at = shown["recorded_at"].isoformat().replace("+00:00", "Z")
    values = [recorded_at if name == "recorded_at" else shown.get(name) for name in COLUMNS]
    return [*values, *(usage.get(name) for name in USAGE)]
