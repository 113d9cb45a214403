"""The running-balance history: one entry per change of balance, with the balance before and after it.

Nothing on an entry depends on a filter or a page: the balances come from the event that made it. Entries of an account
are in the order of their times and sequence numbers alike, because time never runs backwards within a stream.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from ledger.domain.changes import Fact
from ledger.domain.events import (
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    DeductionReversed,
    Event,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldReleased,
)
from ledger.postgres.arrays import bigints, moments, texts
from projections.models.projection import Projection, Table, Write

PARTS = 4
"""Sequence numbers that each event has for its entries; it makes three at most."""
MAX_SEQUENCE = 2**63 - 1


class Said(NamedTuple):
    """What an event says of its entries, beside amounts and times."""

    about: str
    hold_id: str | None = None
    task_id: str | None = None
    transaction_id: str | None = None
    payment_id: str | None = None
    source: str | None = None
    description: str | None = None
    usage: str | None = None


class Row(NamedTuple):
    """One entry as stored; `balance` is the total after it."""

    account_id: str
    sequence: int
    recorded_at: datetime
    type: str
    subscription: int
    permanent: int
    balance: int
    about: str
    hold_id: str | None
    task_id: str | None
    transaction_id: str | None
    payment_id: str | None
    source: str | None
    description: str | None
    usage: str | None


def gather(facts: Sequence[Fact]) -> list[Write]:
    """All entries of a batch."""
    rows = [row for fact in facts if fact.changes for row in entries_of(fact)]
    if not rows:
        return []
    columns: Any = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    packed: dict[str, Any] = {name: texts(values) for name, values in columns.items() if name not in _OTHERS}
    packed |= {name: bigints(columns[name]) for name in ("sequence", "subscription", "permanent", "balance")}
    return [Write("add", len(rows), packed | {"recorded_at": moments(columns["recorded_at"])})]


_OTHERS = {"sequence", "subscription", "permanent", "balance", "recorded_at"}


def entries_of(fact: Fact) -> Iterator[Row]:
    """The entries of an event that changes its account's balance."""
    _, account_id, version, event, _, changes = fact
    said: tuple[Any, ...] = _said(event)
    balance, recorded_at, number = event.balance.total, event.recorded_at, version * PARTS
    if len(changes) == 1:
        change = changes[0]
        yield Row(account_id, number, recorded_at, *change, balance, *said)
        return
    balance -= sum(change.subscription + change.permanent for change in changes)
    for part, change in enumerate(changes):
        balance += change.subscription + change.permanent
        yield Row(account_id, number + part, recorded_at, *change, balance, *said)


def _said(event: Event) -> Said:
    match event:
        case CreditsDeducted():
            usage = _json(event.usage)
            return Said(event.deduction_id, None, event.task_id, None, None, None, event.description, usage)
        case HoldCaptured():
            return Said(
                event.deduction_id,
                event.hold_id,
                event.task_id,
                description=event.description,
                usage=_json(event.usage),
            )
        case CreditsGranted():
            return Said(
                event.grant_id,
                transaction_id=event.transaction_id,
                payment_id=event.payment_id,
                source=event.source,
                description=event.description,
            )
        case DeductionReversed():
            return Said(event.deduction_id, description=event.reason)
        case GrantVoided():
            return Said(event.grant_id, description=event.reason)
        case CreditsExpired():
            return Said(event.grant_id)
        case HoldReleased() | HoldExpired():
            return Said(event.hold_id, event.hold_id)
        case _:
            raise ValueError(f"{type(event).__name__} changes no balance")


def _json(usage: Any) -> str | None:
    return orjson.dumps(usage).decode() if usage else None


HISTORY = Projection(
    "history", version=1, tables=(Table("entries", ("account_id", "recorded_at", "sequence")),), gather=gather
)
