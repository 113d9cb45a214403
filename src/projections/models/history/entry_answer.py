"""An entry as answered: one line of the history, in the form that pages, the API and files use."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, cast

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from ledger.domain.changes import EntryType
from ledger.domain.events import Source
from ledger.domain.usage import Usage
from projections.models.history.projection import PARTS, Row


class Entry(TypedDict):
    """One signed line of the history, with the balance before and after it."""

    sequence: Annotated[int, Field(description="ascending and unique within the account; gaps mean nothing")]
    version: Annotated[int, Field(description="the event that made it")]
    recorded_at: datetime
    type: EntryType
    credits: Annotated[int, Field(description="signed; the two kinds together")]
    subscription_credits: int
    permanent_credits: int
    balance_before: int
    balance_after: int
    description: str | None
    task_id: str | None
    transaction_id: str | None
    payment_id: str | None
    source: Source | None
    grant_id: str | None
    deduction_id: str | None
    hold_id: str | None
    transfer_id: str | None
    other_account_id: Annotated[str | None, Field(description="of a transfer: the other account")]
    usage: Usage | None
    occurred_at: Annotated[datetime | None, Field(description="of the usage, if the caller said it")]
    uncollected: Annotated[
        int, Field(description="what was asked for and not available; negative: so much of it is waived")
    ]


COLUMNS: tuple[str, ...] = tuple(Entry.__annotations__)
"""The fields of an entry, in the order in which they are read and answered."""


def entries_of(rows: Iterable[Sequence[Any]]) -> list[Entry]:
    """The answers for rows that begin with COLUMNS. Their usage is a JSON text."""
    found: Any = [dict(zip(COLUMNS, row, strict=False)) for row in rows]
    for one in found:
        if one["usage"] is not None:
            one["usage"] = orjson.loads(one["usage"])
    return cast("list[Entry]", found)


def entry(row: Mapping[str, Any]) -> Entry:
    """The answer for a row that was read with the names of its columns."""
    [found] = entries_of([[row[name] for name in COLUMNS]])
    return found


def entry_from(row: Row) -> Entry:
    """The answer for an entry that was made from an event and not read: what the SQL of the read model says too."""
    credits = row.subscription + row.permanent
    return {
        "sequence": row.sequence,
        "version": row.sequence // PARTS,
        "recorded_at": row.recorded_at,
        "type": row.type,
        "credits": credits,
        "subscription_credits": row.subscription,
        "permanent_credits": row.permanent,
        "balance_before": row.balance - credits,
        "balance_after": row.balance,
        "description": row.description,
        "task_id": row.task_id,
        "transaction_id": row.transaction_id,
        "payment_id": row.payment_id,
        "source": row.source,
        "grant_id": row.about if row.about.startswith("grt_") else None,
        "deduction_id": row.about if row.about.startswith("ded_") else None,
        "hold_id": row.hold_id,
        "transfer_id": row.transfer_id,
        "other_account_id": row.other_account_id,
        "usage": row.usage,
        "occurred_at": row.occurred_at,
        "uncollected": row.uncollected,
    }
