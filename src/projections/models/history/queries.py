"""What can be asked of the history: pages of entries by date and by size, under filters."""

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from ledger.domain.changes import EntryType
from projections.models.history.projection import HISTORY, MAX_SEQUENCE, _json
from projections.models.views import Snapshot

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
