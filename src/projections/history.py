"""The running-balance history: one entry per change of balance, with the balance before and after it.

Nothing on an entry depends on a filter or a page: the balances come from the event that made it. Entries of an account
are in the order of their times and sequence numbers alike, because time never runs backwards within a stream.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import orjson

from ledger.domain.changes import EntryType, Fact
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
from projections.projection import Projection, Table, Write
from projections.views import Snapshot

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


Order = Literal["newest first", "oldest first"]
SizeOrder = Literal["largest first", "smallest first"]
_DESCENDING = {"newest first", "largest first"}


class Place(NamedTuple):
    """Where an entry stands among those of its account."""

    recorded_at: datetime
    sequence: int


FIRST_PLACE = Place(datetime.min.replace(tzinfo=UTC), -1)
LAST_PLACE = Place(datetime.max.replace(tzinfo=UTC), MAX_SEQUENCE)


USED: tuple[EntryType, ...] = ("deduction", "capture")
"""The types of entries that say what credits were used for."""

LOOKED_THROUGH = 20_000
"""Entries that one page goes through at most, where no index leads to those that are wanted."""


class Wanted(NamedTuple):
    """Which entries of an account: those between two places, which are not among them; of some types, of one task, and
    of deductions whose usage says some things."""

    account_id: str
    low: Place = FIRST_PLACE
    high: Place = LAST_PLACE
    types: tuple[EntryType, ...] | None = None
    task_id: str | None = None
    usage: tuple[tuple[str, str], ...] = ()

    def behind(self, place: Place, order: Order) -> "Wanted":
        """Those of them that come after a place."""
        return self._replace(high=place) if order == "newest first" else self._replace(low=place)


class Found(NamedTuple):
    """One page of entries as stored, and behind which place the next one goes on; None at the end."""

    rows: list[dict[str, Any]]
    last: Place | None


async def page(
    moment: Snapshot, wanted: Wanted, order: Order, limit: int, *, look_through: int = LOOKED_THROUGH
) -> Found:
    """Entries in order, at most `limit`. Those of a usage may be fewer, or none, and yet not the last."""
    rows = await _rows(moment, _statement(wanted), wanted, order, limit=limit + 1, look_through=look_through)
    if len(rows) > limit:
        return Found(rows[:limit], _place(rows[limit - 1]))
    if _statement(wanted) == "page_of_usage":
        return Found(rows, await _reach(moment, wanted, order, look_through))
    return Found(rows, None)


async def _reach(moment: Snapshot, wanted: Wanted, order: Order, look_through: int) -> Place | None:
    """The last entry that a page looked at, if there are more behind it."""
    rows = await _rows(moment, "reach", wanted, order, before=look_through - 1)
    return _place(rows[0]) if len(rows) > 1 else None


async def _rows(
    moment: Snapshot, name: str, wanted: Wanted, order: Order | SizeOrder, **limits: Any
) -> list[dict[str, Any]]:
    statement = HISTORY.statements[name]
    return await moment.rows(
        statement if order in _DESCENDING else statement.replace(" DESC", ""),
        account=wanted.account_id,
        low_at=wanted.low.recorded_at,
        low=wanted.low.sequence,
        high_at=wanted.high.recorded_at,
        high=wanted.high.sequence,
        types=list(wanted.types) if wanted.types else None,
        task=wanted.task_id,
        usage=_json(dict(wanted.usage)),
        **limits,
    )


def _place(row: dict[str, Any]) -> Place:
    return Place(row["recorded_at"], row["sequence"])


def _statement(wanted: Wanted) -> str:
    if wanted.task_id is not None:
        return "page_of_task"
    if wanted.usage:
        return "page_of_usage"
    return "page_of_types" if wanted.types else "page"


class Rank(NamedTuple):
    """Where an entry stands among those of its account by its size: how many credits it moves, whatever their sign."""

    size: int
    recorded_at: datetime
    sequence: int


LOWEST, HIGHEST = Rank(-1, *FIRST_PLACE), Rank(MAX_SEQUENCE, *LAST_PLACE)


class Ranked(NamedTuple):
    """One page of entries by size, and behind which rank the next one goes on; None at the end."""

    rows: list[dict[str, Any]]
    last: Rank | None


async def page_by_size(
    moment: Snapshot, wanted: Wanted, order: SizeOrder, limit: int, *, after: Rank | None = None
) -> Ranked:
    """Entries by size, at most `limit`: of two of the same size, the newest is the larger.

    All that are wanted are sorted: whoever asks sees to it that they are not too many. Those of one task never are.
    """
    low, high = LOWEST, HIGHEST
    if after is not None:
        low, high = (low, after) if order == "largest first" else (after, high)
    ranks = {f"{name}_{part}": value for name, rank in (("low", low), ("high", high)) for part, value in _named(rank)}
    rows = await _rows(moment, "page_by_size", wanted, order, limit=limit + 1, **ranks)
    more, rows = len(rows) > limit, rows[:limit]
    return Ranked(rows, Rank(rows[-1]["size"], *_place(rows[-1])) if more else None)


def _named(rank: Rank) -> list[tuple[str, Any]]:
    return [("size", rank.size), ("size_at", rank.recorded_at), ("size_sequence", rank.sequence)]


HISTORY = Projection(
    "history", version=1, tables=(Table("entries", ("account_id", "recorded_at", "sequence")),), gather=gather
)
