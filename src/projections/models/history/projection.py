"""The history: one entry for each change of an account's balance, with the balance before and after it.

The balances of an entry come from its event, so they do not depend on filters or pages. The order of an account's
entries by time and by sequence number is the same, because time never runs backwards within a stream.
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
"""The number of sequence numbers of each event. An event makes at most three entries."""
MAX_SEQUENCE = 2**63 - 1


class Described(NamedTuple):
    """The fields of an entry that come from its event, apart from amounts and times."""

    about: str
    hold_id: str | None = None
    task_id: str | None = None
    transaction_id: str | None = None
    payment_id: str | None = None
    source: str | None = None
    description: str | None = None
    usage: str | None = None


class Row(NamedTuple):
    """An entry as stored; `balance` is the total after it."""

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
    """The entries of a batch."""
    rows: list[tuple[Any, ...]] = []
    for fact in facts:
        _, account_id, version, event, _, changes = fact
        if len(changes) == 1:  # nearly every event has one, and a Row for each takes a third of the time
            balance, described = event.balance, _described(event)
            rows.append(
                (
                    account_id,
                    version * PARTS,
                    event.recorded_at,
                    *changes[0],
                    balance.subscription + balance.permanent,
                    *described,
                )
            )
        elif changes:
            rows += entries_of(fact)
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
    described: tuple[Any, ...] = _described(event)
    balance, recorded_at, number = event.balance.total, event.recorded_at, version * PARTS
    if len(changes) == 1:
        change = changes[0]
        yield Row(account_id, number, recorded_at, *change, balance, *described)
        return
    balance -= sum(change.subscription + change.permanent for change in changes)
    for part, change in enumerate(changes):
        balance += change.subscription + change.permanent
        yield Row(account_id, number + part, recorded_at, *change, balance, *described)


def _described(event: Event) -> Described:
    match event:
        case CreditsDeducted():
            usage = _json(event.usage)
            return Described(event.deduction_id, None, event.task_id, None, None, None, event.description, usage)
        case HoldCaptured():
            return Described(
                event.deduction_id,
                event.hold_id,
                event.task_id,
                description=event.description,
                usage=_json(event.usage),
            )
        case CreditsGranted():
            return Described(
                event.grant_id,
                transaction_id=event.transaction_id,
                payment_id=event.payment_id,
                source=event.source,
                description=event.description,
            )
        case DeductionReversed():
            return Described(event.deduction_id, description=event.reason)
        case GrantVoided():
            return Described(event.grant_id, description=event.reason)
        case CreditsExpired():
            return Described(event.grant_id)
        case HoldReleased() | HoldExpired():
            return Described(event.hold_id, event.hold_id)
        case _:
            raise ValueError(f"{type(event).__name__} changes no balance")


def _json(usage: Any) -> str | None:
    return orjson.dumps(usage).decode() if usage else None


HISTORY = Projection(
    "history", version=1, tables=(Table("entries", ("account_id", "recorded_at", "sequence")),), gather=gather
)
