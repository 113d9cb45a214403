"""The history: one entry for each change of an account's balance, with the balance before and after it.

The balances of an entry come from its event, so they do not depend on filters or pages. The order of an account's
entries by time and by sequence number is the same, because time never runs backwards within a stream.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from ledger.domain.changes import EntryType, Fact
from ledger.domain.events import (
    AccountClosed,
    AccountReopened,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsReceived,
    CreditsSent,
    CreditsSentBack,
    DeductionReversed,
    DisputeRecorded,
    Event,
    GrantExpiryChanged,
    GrantStarted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldReleased,
    Source,
    TransferReversed,
)
from ledger.domain.usage import Usage
from ledger.postgres.arrays import bigints, moments, texts
from projections.models.projection import Projection, Table, Write

PARTS = 4
"""The number of sequence numbers of each event. An event makes at most three entries."""
MAX_SEQUENCE = 2**63 - 1
CODES: dict[EntryType, str] = {
    "grant": "g",
    "deduction": "d",
    "capture": "c",
    "reversal": "r",
    "void": "v",
    "expiry": "e",
    "reinstatement": "i",
    "transfer": "t",
}
"""The letters by which entries have their types."""


class Described(NamedTuple):
    """The fields of an entry that come from its event, apart from amounts and times."""

    about: str
    hold_id: str | None = None
    task_id: str | None = None
    transaction_id: str | None = None
    payment_id: str | None = None
    source: Source | None = None
    description: str | None = None
    usage: Usage | None = None
    transfer_id: str | None = None
    other_account_id: str | None = None
    occurred_at: datetime | None = None
    uncollected: int = 0


class Row(NamedTuple):
    """An entry with the fields of its event; `balance` is the total after it."""

    account_id: str
    sequence: int
    recorded_at: datetime
    type: EntryType
    subscription: int
    permanent: int
    balance: int
    about: str
    hold_id: str | None
    task_id: str | None
    transaction_id: str | None
    payment_id: str | None
    source: Source | None
    description: str | None
    usage: Usage | None
    transfer_id: str | None
    other_account_id: str | None
    occurred_at: datetime | None
    uncollected: int
    """What was asked for and not available; negative where it is waived."""


def gather(facts: Sequence[Fact]) -> list[Write]:
    """The entries of a batch."""
    rows: list[tuple[Any, ...]] = []
    successors: dict[str, str | None] = {}
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
        elif isinstance(event, AccountClosed | AccountReopened):
            successors[account_id] = event.successor if isinstance(event, AccountClosed) else None
    opened = [(position, account_id) for position, account_id, version, *_ in facts if version == 1]
    writes = []
    if opened:
        numbers, names = zip(*opened, strict=True)
        writes.append(Write("add_accounts", len(opened), {"numbers": bigints(numbers), "accounts": texts(names)}))
    if successors:
        told = {"accounts": texts(list(successors)), "successors": texts(list(successors.values()))}
        writes.append(Write("put_successors", len(successors), told))
    return writes + _stored(rows) if rows else writes


def _stored(rows: Sequence[tuple[Any, ...]]) -> list[Write]:
    """The groups in use, and the entries as stored. Columns of numbers have no null: so they are packed faster."""
    fields: Any = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    accounts: dict[str, int] = {}
    whose = [accounts.setdefault(account_id, len(accounts) + 1) for account_id in fields["account_id"]]
    groups = [_group(usage) if usage else None for usage in fields["usage"]]
    columns: dict[str, Any] = {
        "accounts": texts(list(accounts)),
        "whose": bigints(whose),
        "recorded_at": moments(fields["recorded_at"]),
        "types": "".join([CODES[kind] for kind in fields["type"]]),
        "about_kinds": "".join([about[0] for about in fields["about"]]),
        "about": bigints(list(map(_about, fields["type"], fields["about"], fields["sequence"]))),
        "hold": bigints([0 if hold_id is None else int(hold_id[4:]) for hold_id in fields["hold_id"]]),
        "transfer": bigints([0 if name is None else int(name[4:]) for name in fields["transfer_id"]]),
        "group_id": texts([group and group[0] for group in groups]),
    }
    for name in ("input_tokens", "output_tokens"):
        columns[name] = bigints([usage.get(name, -1) if usage else -1 for usage in fields["usage"]])
    columns |= _rare(fields)
    columns |= {name: bigints(fields[name]) for name in _NUMBERS}
    columns |= {name: texts(fields[name]) for name in _TEXTS}
    writes = [Write("add", len(rows), columns)]
    if known := dict(filter(None, groups)):
        packed = {"group_ids": texts(list(known)), "names": texts(list(known.values()))}
        writes.insert(0, Write("add_groups", len(known), packed, exact=False))
    return writes


def _rare(fields: Any) -> dict[str, Any]:
    """The columns that few entries have a value in. One without any value is empty, which stands for nulls."""
    columns: dict[str, Any] = {}
    for name in ("cached_tokens", "quantity", "duration_ms"):
        counts = [usage.get(name, -1) if usage else -1 for usage in fields["usage"]]
        columns[name] = bigints(counts if max(counts) >= 0 else [])
    said = any(at is not None for at in fields["occurred_at"])
    return columns | {"occurred_at": moments(fields["occurred_at"] if said else [])}


_NUMBERS = ("sequence", "subscription", "permanent", "balance", "uncollected")
_TEXTS = ("task_id", "transaction_id", "payment_id", "source", "description", "other_account_id")


def _about(kind: EntryType, about: str, sequence: int) -> int:
    """The version in the id of a grant or deduction; 0 when it is that of the event, or one that has a column."""
    if kind == "deduction":  # nearly every entry is one
        return 0
    version = int(about[4:])
    return 0 if version == sequence // PARTS or about[0] in "ht" else version


def _group(usage: Usage) -> tuple[str, str]:
    """The id of what some usage has in common with other usage, and the beginning of its JSON."""
    get = usage.get
    names = get("model"), get("member"), get("metric"), get("project"), get("provider")
    return _named((get("key"), get("agent"), *names[:4], get("success"), names[4]))


@lru_cache(10_000)
def _named(values: tuple[str | int | None, ...]) -> tuple[str, str]:
    names = {name: value for name, value in zip(_NAMES, values, strict=True) if value is not None}
    text = orjson.dumps(names).removesuffix(b"}") + (b"," if names else b"")
    return blake2b(text, digest_size=16).hexdigest(), text.decode()


_NAMES = ("key", "agent", "model", "member", "metric", "project", "success", "provider")
"""In the order of PostgreSQL's jsonb, in which usage has always been answered; the numbers come after them."""


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
        described = (*described[:-1], 0)  # what was uncollected or waived is on the first line


def _described(event: Event) -> Described:
    match event:
        case CreditsDeducted():
            text, usage, occurred_at = event.description, event.usage or None, event.occurred_at
            owed = event.uncollected or 0
            return Described(
                event.deduction_id, None, event.task_id, None, None, None, text, usage, None, None, occurred_at, owed
            )
        case HoldCaptured():
            return Described(
                event.deduction_id,
                event.hold_id,
                event.task_id,
                description=event.description,
                usage=event.usage or None,
                occurred_at=event.occurred_at,
                uncollected=event.uncollected or 0,
            )
        case CreditsGranted():
            return Described(
                event.grant_id,
                transaction_id=event.transaction_id,
                payment_id=event.payment_id,
                source=event.source,
                description=event.description,
            )
        case CreditsReceived():
            return Described(
                event.grant_id,
                description=event.description,
                transfer_id=event.transfer_id,
                other_account_id=event.from_account_id,
            )
        case CreditsSent():
            return _of_transfer(event.transfer_id, event.to_account_id, event.description)
        case TransferReversed():
            return _of_transfer(event.transfer_id, event.to_account_id, event.reason)
        case CreditsSentBack():
            return _of_transfer(event.transfer_id, event.from_account_id, event.reason)
        case GrantStarted():
            return Described(
                event.grant_id,
                transaction_id=event.transaction_id,
                payment_id=event.payment_id,
                source=event.source,
            )
        case DeductionReversed():
            return Described(event.deduction_id, description=event.reason, uncollected=-(event.waived or 0))
        case GrantVoided() | GrantExpiryChanged():
            return Described(event.grant_id, description=event.reason)
        case CreditsExpired():
            return Described(event.grant_id)
        case DisputeRecorded():
            assert event.hold_id is not None, "credits came back"
            return Described(event.hold_id, event.hold_id, payment_id=event.payment_id, description=event.reason)
        case HoldReleased() | HoldExpired():
            return Described(event.hold_id, event.hold_id)
        case _:
            raise ValueError(f"{type(event).__name__} changes no balance")


def _of_transfer(transfer_id: str, other_account_id: str, text: str | None) -> Described:
    return Described(transfer_id, description=text, transfer_id=transfer_id, other_account_id=other_account_id)


HISTORY = Projection(
    "history",
    version=4,
    tables=(Table("entries", ("account_id", "recorded_at", "sequence")), Table("successors", ("account_id",))),
    gather=gather,
    stored=("history_accounts", "history_groups", "successors", "entry_rows"),
)
