"""An entry as answered: one line of the history, in the form that pages, the API and files use."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from ledger.domain.changes import EntryType
from ledger.domain.events import Source, Usage
from projections.models.history.projection import PARTS

COLUMNS = (
    *("recorded_at", "sequence", "subscription", "permanent", "balance", "type", "about", "hold_id", "task_id"),
    *("transaction_id", "payment_id", "source", "description", "usage"),
)
"""The columns of an entry as it is read, in the order of the SQL. `usage` is a JSON text."""


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
    usage: Usage | None


def entry(row: Mapping[str, Any]) -> Entry:
    """The answer for a row of the history."""
    return entry_of([row[name] for name in COLUMNS])


def entry_of(values: Sequence[Any]) -> Entry:
    """The answer for the values of COLUMNS in a row of the history."""
    (
        recorded_at,
        sequence,
        subscription,
        permanent,
        balance,
        kind,
        about,
        hold_id,
        task_id,
        transaction_id,
        payment_id,
        source,
        description,
        usage,
    ) = values
    credits = subscription + permanent
    return {
        "sequence": sequence,
        "version": sequence // PARTS,
        "recorded_at": recorded_at,
        "type": kind,
        "credits": credits,
        "subscription_credits": subscription,
        "permanent_credits": permanent,
        "balance_before": balance - credits,
        "balance_after": balance,
        "description": description,
        "task_id": task_id,
        "transaction_id": transaction_id,
        "payment_id": payment_id,
        "source": source,
        "grant_id": about if about.startswith("grt_") else None,
        "deduction_id": about if about.startswith("ded_") else None,
        "hold_id": hold_id,
        "usage": None if usage is None else orjson.loads(usage),
    }
