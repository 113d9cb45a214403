"""When people work: more on weekdays than on weekends, in the hours of their own time zone, and never quite evenly."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from math import sqrt
from random import Random
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_WEEK = (1.0, 1.1, 1.1, 1.05, 0.85, 0.16, 0.1)

Hours = Sequence[float]
"""How much of a day's work falls into each hour from midnight."""

OFFICE: Hours = (0, 0, 0, 0, 0, 0, 0.3, 1.5, 5, 9, 10, 8, 4.5, 6.5, 9, 9, 7, 4, 1.5, 0.8, 0.8, 0.6, 0.3, 0.1)
OWL: Hours = (9, 8, 6, 3, 0.5, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 5, 8, 10)
NIGHTLY: Hours = (0, 0, 1, 6, 1, *[0] * 19)


def moments(
    chance: Random,
    zone: ZoneInfo,
    hours: Hours,
    pace: Callable[[datetime], float],
    since: datetime,
    *,
    week: Sequence[float] = _WEEK,
) -> Iterator[datetime]:
    """Moments of work from some moment on, for ever; `pace` says how many there are on a usual day."""
    day = since.astimezone(zone).date()
    while True:
        expected = pace(datetime.combine(day, time(12), zone)) * week[day.weekday()]
        for moment in _of_day(chance, zone, hours, day, max(0, round(chance.gauss(expected, sqrt(expected))))):
            if moment >= since:
                yield moment
        day += _DAY


def by_day(chance: Random, zone: ZoneInfo, moment: datetime) -> datetime:
    """A moment of the same day at which people are at work."""
    at = moment.astimezone(zone).replace(hour=chance.randint(9, 16), minute=chance.randint(0, 59))
    return at.astimezone(UTC)


def _of_day(chance: Random, zone: ZoneInfo, hours: Hours, day: date, number: int) -> list[datetime]:
    midnight = datetime.combine(day, time(), zone)
    chosen = chance.choices(range(24), cum_weights=list(accumulate(hours)), k=number)
    return sorted((midnight + timedelta(hours=hour + chance.random())).astimezone(UTC) for hour in chosen)
