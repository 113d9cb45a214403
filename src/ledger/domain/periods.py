"""Periods: the windows of time in which a limit counts, as instants.

A calendar window is a local hour, day, week, month or year. It begins with a local day, as days begin everywhere here:
at midnight or, when a clock change skips midnight, at the first moment after it. A timed window begins with the first
use and lasts some seconds. Whoever decides fixes the end of a window in the event, so that a replay does not ask the
database of time zones, and a new version of that database does not move a window that is open.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)
SHORTEST_TIMED, LONGEST_TIMED = 60, 366 * 86_400
"""Seconds of a timed window."""
_QUARTERS = 8
"""The longest local hour: one that is partly repeated, with room."""

Every = Literal["hour", "day", "week", "month", "year"]
LAST_START: dict[Every, int] = {"hour": 1, "day": 1, "week": 7, "month": 31, "year": 1}
"""The largest `starts` of each calendar period."""
LONGEST: dict[Every, timedelta] = {
    "hour": timedelta(hours=2),
    "day": timedelta(days=3),
    "week": timedelta(days=9),
    "month": timedelta(days=33),
    "year": timedelta(days=368),
}
"""More than the longest window of each, whatever clocks do: what an auditor can check without a database of zones."""


class UnknownZone(ValueError):
    """There is no time zone with this name."""


@dataclass(frozen=True, slots=True)
class CalendarPeriod:
    """A local hour, day, week, month or year. `starts` is the weekday (1 is Monday) or the day of the month.

    A month without that day starts on its last day.
    """

    every: Every
    zone: str = "UTC"
    starts: int = 1


@dataclass(frozen=True, slots=True)
class TimedPeriod:
    """Some seconds from the first use."""

    seconds: int


Period = CalendarPeriod | TimedPeriod


def period_of(every: Every | None, zone: str | None, starts: int | None, seconds: int | None) -> Period:
    """The period that fields of a body or of a file name; `every` and `seconds` exclude each other. Raises ValueError.

    What no calendar can be, the command refuses.
    """
    if every is None:
        if seconds is None or zone is not None or starts is not None:
            raise ValueError("must be absent, or have `every`, or `seconds` and nothing else")
        return TimedPeriod(seconds)
    if seconds is not None:
        raise ValueError("must be absent, or have `every` or `seconds`, and not both")
    return CalendarPeriod(every, zone or "UTC", starts or 1)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime"})  # "localtime" differs between machines


def zone(name: str) -> ZoneInfo:
    """The time zone of the IANA database with this name. Raises UnknownZone."""
    if name not in _zones():
        raise UnknownZone(name)
    return ZoneInfo(name)


def day_start(day: date, tz: ZoneInfo) -> datetime:
    """The instant (UTC) at which a local day begins."""
    return datetime.combine(day, time(), tz).astimezone(UTC)


def window_end(period: Period | None, at: datetime) -> datetime | None:
    """The end (UTC) of the window that contains `at`, or that a use at that moment opens; None: it never ends.

    A window is half-open: its end belongs to the next one.
    """
    if period is None:
        return None
    if isinstance(period, TimedPeriod):
        return at + timedelta(seconds=period.seconds)
    return _calendar_end(period, at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0))


@lru_cache(4_096)
def _calendar_end(period: CalendarPeriod, quarter: datetime) -> datetime:
    """The end of the window that contains a quarter of an hour (UTC): windows consist of whole ones."""
    tz = ZoneInfo(period.zone)
    if period.every == "hour":
        return _hour_end(quarter, tz)
    day = _next_start(quarter.astimezone(tz).date(), period)
    while (end := day_start(day, tz)) <= quarter:  # a clock put back over midnight shows the day before once more
        day = _next_start(day, period)
    return end


def _hour_end(quarter: datetime, tz: ZoneInfo) -> datetime:
    """The next moment at which the local clock shows a full hour, or a local day begins."""
    end = quarter
    for _ in range(_QUARTERS):  # offsets are whole quarters of an hour
        end += QUARTER
        local = end.astimezone(tz)
        if local.minute == 0 or end == day_start(local.date(), tz):
            break
    return end


def _next_start(day: date, period: CalendarPeriod) -> date:
    """The first day after `day` on which a window starts."""
    match period.every:
        case "week":
            return day + DAY * (7 - (day.isoweekday() - period.starts) % 7)
        case "month":
            start = _start_in_month(day.year, day.month, period.starts)
            return start if day < start else _start_in_month(*_month_after(day), period.starts)
        case "year":
            return date(day.year + 1, 1, 1)
        case _:
            return day + DAY


def _start_in_month(year: int, month: int, starts: int) -> date:
    return date(year, month, min(starts, monthrange(year, month)[1]))


def _month_after(day: date) -> tuple[int, int]:
    return (day.year, day.month + 1) if day.month < 12 else (day.year + 1, 1)
