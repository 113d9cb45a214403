"""Local days as instants: when days begin in a time zone, and which buckets (UTC) they consist of.

The functions are pure. A day begins at its midnight or, when a clock change skips midnight, at the first moment after
it. So a day has 23, 24 or 25 hours, or another length that the zone defines, and days have no gaps and no overlaps.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from ledger.domain.periods import DAY, QUARTER, day_start

FIRST_DATE, LAST_DATE = date(1980, 1, 1), date(2199, 12, 31)
"""Outside of these dates, offsets of zones are not whole quarters of an hour, or are unknown."""

By = Literal["recorded", "occurred"]
"""Which time of usage counts: that of its recording, or that at which the caller says that it occurred."""

HOUR = timedelta(hours=1)


class Piece(NamedTuple):
    """A part of span number `place` that consists of whole buckets of `width` minutes: start <= bucket < end.

    A negative width stands for buckets with the differences between occurrence and recording.
    """

    place: int
    start: datetime
    end: datetime
    width: int


def dates(first: date, last: date) -> list[date]:
    """All days of a period, including the last one."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def day_starts(first: date, last: date, tz: ZoneInfo) -> list[datetime]:
    """The start of each day of a period, and the end of the last one: one instant more than there are days."""
    return [day_start(day, tz) for day in dates(first, last + DAY)]


def quarter_starts(starts: Sequence[datetime]) -> list[datetime]:
    """The start of each quarter of an hour of some days, and the end of the last one."""
    quarters = int((starts[-1] - starts[0]) / QUARTER)
    return [*(starts[0] + QUARTER * n for n in range(quarters)), starts[-1]]


def hour_starts(starts: Sequence[datetime], tz: ZoneInfo) -> list[datetime]:
    """The start of each local hour of some days, and the end of the last one.

    When the clocks are put back by half an hour, the hour that is partly repeated is half an hour longer.
    """
    midnights = frozenset(starts)
    quarters = quarter_starts(starts)[:-1]
    return [*(at for at in quarters if at in midnights or at.astimezone(tz).minute == 0), starts[-1]]


def pieces(spans: Sequence[tuple[datetime, datetime]], by: By = "recorded") -> list[Piece]:
    """The pieces of spans: whole hours and, where a span begins or ends within an hour, quarters of an hour."""
    recorded = _recorded_pieces(spans)
    return recorded if by == "recorded" else recorded + [piece._replace(width=-piece.width) for piece in recorded]


def _recorded_pieces(spans: Sequence[tuple[datetime, datetime]]) -> list[Piece]:
    found = []
    for place, (start, end) in enumerate(spans):
        first, last = _hour_from(start), _hour_until(end)
        if first >= last:
            found.append(Piece(place, start, end, 15))
            continue
        found.append(Piece(place, first, last, 60))
        if start < first:
            found.append(Piece(place, start, first, 15))
        if last < end:
            found.append(Piece(place, last, end, 15))
    return [piece for piece in found if piece.start < piece.end]


def _hour_until(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _hour_from(at: datetime) -> datetime:
    hour = _hour_until(at)
    return hour if hour == at else hour + HOUR
