"""An entry as it is shown: in JSON, and as a line of a CSV file."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from projections.models.history.projection import PARTS

COLUMNS = (
    *("sequence", "version", "recorded_at", "type", "credits", "subscription_credits", "permanent_credits"),
    *("balance_before", "balance_after", "description", "task_id", "transaction_id", "payment_id", "source"),
    *("grant_id", "deduction_id", "hold_id"),
)
USAGE = ("provider", "model", "project", "member", "metric", "input_tokens", "output_tokens")
"""The columns behind them: what a deduction was for."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def entry(row: Mapping[str, Any]) -> dict[str, Any]:
    """One entry as it is answered, from a row of the history."""
    credits = row["subscription"] + row["permanent"]
    about: str = row["about"]
    return {
        "sequence": row["sequence"],
        "version": row["sequence"] // PARTS,
        "recorded_at": row["recorded_at"],
        "type": row["type"],
        "credits": credits,
        "subscription_credits": row["subscription"],
        "permanent_credits": row["permanent"],
        "balance_before": row["balance"] - credits,
        "balance_after": row["balance"],
        "description": row["description"],
        "task_id": row["task_id"],
        "transaction_id": row["transaction_id"],
        "payment_id": row["payment_id"],
        "source": row["source"],
        "grant_id": about if about.startswith("grt_") else None,
        "deduction_id": about if about.startswith("ded_") else None,
        "hold_id": row["hold_id"],
        "usage": row["usage"],
    }


async def csv_of(
    pages: AsyncIterator[list[dict[str, Any]]],
    columns: Sequence[str] = (*COLUMNS, *USAGE),
    line_of: Callable[[dict[str, Any]], list[Any]] | None = None,
) -> AsyncIterator[str]:
    """A file of entries, a page of them at a time; without other columns, as they are answered."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    async for page in pages:
        writer.writerows(map(line_of or line, page))
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def line(shown: Mapping[str, Any]) -> list[Any]:
    """An entry in the order of COLUMNS and USAGE."""
    usage = shown["usage"] or {}
    recorded_at = shown["recorded_at"].isoformat().replace("+00:00", "Z")
    values = [recorded_at if name == "recorded_at" else shown.get(name) for name in COLUMNS]
    return [as_text(value) for value in (*values, *(usage.get(name) for name in USAGE))]


def as_text(value: Any) -> Any:
    """A value as a spreadsheet shows it: a text that it would take for a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
