"""Queries to the history: pages of entries, sorted by date or by size, with filters."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, LiteralString, NamedTuple, get_args

import orjson

from ledger.domain.changes import EntryType
from ledger.postgres.arrays import bigints, integers, moments, texts
from projections.models.days import Piece
from projections.models.history.projection import CODES, HISTORY, MAX_SEQUENCE
from projections.models.views import Question, SharedQuestion, Snapshot

Order = Literal["newest first", "oldest first"]
SizeOrder = Literal["largest first", "smallest first"]
_DESCENDING = {"newest first", "largest first"}


class Place(NamedTuple):
    """The place of an entry among those of its account, sorted by date."""

    recorded_at: datetime
    sequence: int


FIRST_PLACE = Place(datetime.min.replace(tzinfo=UTC), -1)
LAST_PLACE = Place(datetime.max.replace(tzinfo=UTC), MAX_SEQUENCE)


USED: tuple[EntryType, ...] = ("deduction", "capture")
"""The types of entries that have usage."""

LOOKED_THROUGH = 20_000
"""The largest number of entries that one page reads when no index leads to the wanted ones."""


class Wanted(NamedTuple):
    """A filter of an account's entries: between two places (exclusive), of some types, of one task, with some usage.

    None, or an empty `usage`, does not filter.
    """

    account_id: str
    low: Place = FIRST_PLACE
    high: Place = LAST_PLACE
    types: tuple[EntryType, ...] | None = None
    task_id: str | None = None
    usage: tuple[tuple[str, str], ...] = ()

    def behind(self, place: Place, order: Order) -> "Wanted":
        """The same filter, for the entries that come after a place in this order."""
        return self._replace(high=place) if order == "newest first" else self._replace(low=place)


class Found(NamedTuple):
    """A page of entries as stored, and the place after which the next page begins; None on the last page."""

    rows: list[dict[str, Any]]
    last: Place | None


async def page(
    moment: Snapshot, wanted: Wanted, order: Order, limit: int, *, look_through: int = LOOKED_THROUGH
) -> Found:
    """A page of at most `limit` entries in order. Filtered by usage, it may have fewer although more pages follow."""
    found = page_in(await moment.answer(page_question(wanted, order, limit, look_through=look_through)), limit)
    if found.last is None and _statement(wanted) == "page_of_usage":
        return found._replace(last=await _reach(moment, wanted, order, look_through))
    return found


_PAGES = (
    *(("accounts", texts), ("low_at", moments), ("low", bigints), ("high_at", moments), ("high", bigints)),
    ("limits", bigints),
)
SHARED_LIMIT = 100
"""The longest page that may be shared: others wait for what is asked together."""


def pages_question(order: Order) -> SharedQuestion:
    """The question for pages of entries that no filter but that of places leaves out. An asker says `asker_of`."""
    return _PAGES_QUESTIONS[order]


def asker_of(wanted: Wanted, limit: int) -> tuple[Any, ...]:
    """What one asker of such a page says: at most `limit` entries, and one more if there are more."""
    return wanted.account_id, *wanted.low, *wanted.high, limit + 1


def is_plain(wanted: Wanted) -> bool:
    """Whether a filter has only an account and places."""
    return _statement(wanted) == "page"


def _in_order(name: str, order: Order | SizeOrder) -> LiteralString:
    statement = HISTORY.statements[name]
    return statement if order in _DESCENDING else statement.replace(" DESC", "")


_PAGES_QUESTIONS = {order: SharedQuestion(_in_order("pages", order), _PAGES) for order in get_args(Order)}


def summaries_question(pieces: Sequence[Piece], limit: int) -> SharedQuestion:
    """The question for the newest `limit` entries of accounts, the newest one with usage, and the sums of pieces."""
    parameters: tuple[tuple[str, Any], ...] = (
        ("places", integers([piece.place for piece in pieces])),
        ("starts", moments([piece.start for piece in pieces])),
        ("ends", moments([piece.end for piece in pieces])),
        ("widths", integers([piece.width for piece in pieces])),
        ("codes", texts(_codes(USED))),
        ("limit", limit),
    )
    return SharedQuestion(HISTORY.statements["summaries"], (("accounts", texts),), parameters)


def page_question(wanted: Wanted, order: Order, limit: int, *, look_through: int = LOOKED_THROUGH) -> Question:
    """The question for a page of at most `limit` entries in order."""
    return _question(_statement(wanted), wanted, order, limit=limit + 1, look_through=look_through)


def successor_question(account_id: str) -> Question:
    """The question for the account into which one was merged; it has no row for others."""
    return Question(HISTORY.statements["successor"], {"account": account_id})


def split(rows: list[Any]) -> tuple[list[Any], str | None]:
    """The rows of a shared page that are entries, and the successor of an account that was merged."""
    if not rows or rows[-1][0] is not None:
        return rows, None
    return rows[:-1], rows[-1][_OTHER_ACCOUNT]


_OTHER_ACCOUNT = 18
"""The place of `other_account_id` in a row of a shared page."""


def page_in(rows: list[dict[str, Any]], limit: int) -> Found:
    """The page in the rows of such a question."""
    return Found(rows[:limit], place_of(rows[limit - 1])) if len(rows) > limit else Found(rows, None)


async def _reach(moment: Snapshot, wanted: Wanted, order: Order, look_through: int) -> Place | None:
    """The place of the last entry that a page has read; None when there are no more entries."""
    rows = await moment.answer(_question("reach", wanted, order, before=look_through - 1))
    return place_of(rows[0]) if len(rows) > 1 else None


def _question(name: str, wanted: Wanted, order: Order | SizeOrder, **limits: Any) -> Question:
    parameters = {
        "account": wanted.account_id,
        "low_at": wanted.low.recorded_at,
        "low": wanted.low.sequence,
        "high_at": wanted.high.recorded_at,
        "high": wanted.high.sequence,
        "codes": _codes(wanted.types) if wanted.types else None,
        "task": wanted.task_id,
        "usage": orjson.dumps(dict(wanted.usage)).decode() if wanted.usage else None,
    }
    return Question(_in_order(name, order), parameters | limits)


def _codes(types: Sequence[EntryType]) -> list[str]:
    return [CODES[kind] for kind in types]


def place_of(row: Mapping[str, Any]) -> Place:
    """The place of an entry, as read or as answered."""
    return Place(row["recorded_at"], row["sequence"])


def _statement(wanted: Wanted) -> str:
    if wanted.task_id is not None:
        return "page_of_task"
    if wanted.usage:
        return "page_of_usage"
    return "page_of_types" if wanted.types else "page"


class Rank(NamedTuple):
    """The place of an entry among those of its account, sorted by size: how many credits it moves, without sign."""

    size: int
    recorded_at: datetime
    sequence: int


LOWEST, HIGHEST = Rank(-1, *FIRST_PLACE), Rank(MAX_SEQUENCE, *LAST_PLACE)


class Ranked(NamedTuple):
    """A page of entries by size, and the rank after which the next page begins; None on the last page."""

    rows: list[dict[str, Any]]
    last: Rank | None


async def page_by_size(
    moment: Snapshot, wanted: Wanted, order: SizeOrder, limit: int, *, after: Rank | None = None
) -> Ranked:
    """A page of at most `limit` entries by size; of two with the same size, the newer one counts as larger.

    It sorts all wanted entries, so the caller must make sure that they are not too many. Those of one task never are.
    """
    low, high = LOWEST, HIGHEST
    if after is not None:
        low, high = (low, after) if order == "largest first" else (after, high)
    ranks = {f"{name}_{part}": value for name, rank in (("low", low), ("high", high)) for part, value in _named(rank)}
    rows = await moment.answer(_question("page_by_size", wanted, order, limit=limit + 1, **ranks))
    more, rows = len(rows) > limit, rows[:limit]
    return Ranked(rows, Rank(rows[-1]["size"], *place_of(rows[-1])) if more else None)


def _named(rank: Rank) -> list[tuple[str, Any]]:
    return [("size", rank.size), ("size_at", rank.recorded_at), ("size_sequence", rank.sequence)]
