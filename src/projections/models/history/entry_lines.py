"""An entry as a line of a CSV file."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from projections.models.history.entry_answer import Entry

COLUMNS = (
    *("sequence", "version", "recorded_at", "type", "credits", "subscription_credits", "permanent_credits"),
    *("balance_before", "balance_after", "description", "task_id", "transaction_id", "payment_id", "source"),
    *("grant_id", "deduction_id", "hold_id"),
)
USAGE = ("provider", "model", "project", "member", "metric", "input_tokens", "output_tokens")
"""The columns after them: the usage of a deduction."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def csv_of(
    pages: AsyncIterator[list[Entry]],
    columns: Sequence[str] = (*COLUMNS, *USAGE),
    line_of: Callable[[Entry], list[Any]] | None = None,
) -> AsyncIterator[str]:
    """A CSV file of entries, yielded a page at a time. `columns` and `line_of` replace the usual columns."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    async for page in pages:
        writer.writerows(map(line_of or line, page))
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def line(shown: Entry) -> list[Any]:
    """The values of an entry in the order of COLUMNS and USAGE."""
    usage = shown["usage"] or {}
    recorded_at = shown["recorded_at"].isoformat().replace("+00:00", "Z")
    values = [recorded_at if name == "recorded_at" else shown.get(name) for name in COLUMNS]
    return [as_text(value) for value in (*values, *(usage.get(name) for name in USAGE))]


def as_text(value: Any) -> Any:
    """A value for a spreadsheet: a text that it would read as a formula gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
