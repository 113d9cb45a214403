"""Local days as instants: where days begin in a time zone, and which buckets (UTC) they are made of.

Pure. A day begins at its midnight, or where a change of the clocks skips that, at the first moment after; so days are
of 23, 24 or 25 hours, or of what else a zone decides, and together they are the period, without a gap or an overlap.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

FIRST_DATE, LAST_DATE = date(1980, 1, 1), date(2199, 12, 31)
"""Before and after these, zones have offsets that are no whole quarters of an hour, or none that are known."""

DAY, HOUR, QUARTER = timedelta(days=1), timedelta(hours=1), timedelta(minutes=15)


class UnknownZone(ValueError):
    """There is no time zone of that name."""


class Piece(NamedTuple):
    """A part of the day or period number `place` that is whole buckets of `width` minutes: start <= bucket < end."""

    place: int
    start: datetime
    end: datetime
    width: int


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime"})  # which is another one on every machine


def zone(name: str) -> ZoneInfo:
    """A time zone of the IANA database by its name. Raises UnknownZone."""
    if name not in _zones():
        raise UnknownZone(name)
    return ZoneInfo(name)


def day_start(day: date, tz: ZoneInfo) -> datetime:
    """The instant (UTC) at which a local day begins."""
    return datetime.combine(day, time(), tz).astimezone(UTC)


def dates(first: date, last: date) -> list[date]:
    """All days of a period, its last one included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def day_starts(first: date, last: date, tz: ZoneInfo) -> list[datetime]:
    """Where each day of a period begins, and where the last one ends: one more than there are days."""
    return [day_start(day, tz) for day in dates(first, last + DAY)]


def quarter_starts(starts: Sequence[datetime]) -> list[datetime]:
    """Where each quarter of an hour of some days begins, and where the last one ends."""
    quarters = int((starts[-1] - starts[0]) / QUARTER)
    return [*(starts[0] + QUARTER * n for n in range(quarters)), starts[-1]]


def hour_starts(starts: Sequence[datetime], tz: ZoneInfo) -> list[datetime]:
    """Where each hour that a clock on the wall strikes begins in some days, and where the last one ends.

    Where the clocks are put back by half an hour, the hour that they repeat a part of is that much longer.
    """
    midnights = frozenset(starts)
    quarters = quarter_starts(starts)[:-1]
    return [*(at for at in quarters if at in midnights or at.astimezone(tz).minute == 0), starts[-1]]


def pieces(spans: Sequence[tuple[datetime, datetime]]) -> list[Piece]:
    """Spans of time as whole hours with quarters at their ends, where a zone's days begin in the middle of an hour."""
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
