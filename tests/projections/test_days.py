"""Local days as instants, against a walk through time that asks the zone, quarter by quarter, which date it is."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.periods import DAY, QUARTER, UnknownZone, day_start, zone
from projections.models.days import FIRST_DATE, HOUR, LAST_DATE, dates, day_starts, hour_starts, pieces, quarter_starts
from tests.zones import different_zones

FIRST, LAST = date(2024, 1, 1), date(2027, 12, 31)
TICK = timedelta(microseconds=1)
MISSING_DAYS = [
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Fakaofo", date(2011, 12, 30)),
    ("Pacific/Kwajalein", date(1993, 8, 21)),
    ("Pacific/Kiritimati", date(1994, 12, 31)),
]
"""Where the date line was moved over a zone."""
NO_MIDNIGHT = ["America/Havana", "America/Santiago", "Asia/Beirut", "Africa/Cairo", "Atlantic/Azores"]


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


@cache
def changes(name: str) -> tuple[date, ...]:
    """The days (UTC) within FIRST and LAST around whose noons the clocks of a zone are changed."""
    tz = ZoneInfo(name)
    offsets = [(day, noon(day).astimezone(tz).utcoffset()) for day in dates(FIRST, LAST)]
    return tuple(day for (_, before), (day, after) in pairwise(offsets) if before != after)


def is_odd(name: str) -> bool:
    offset = noon(FIRST).astimezone(ZoneInfo(name)).utcoffset() or timedelta()
    return offset % HOUR != timedelta() or abs(offset) > 12 * HOUR


@cache
def changing() -> list[str]:
    """The zones whose clocks are changed. To find them takes a second, so it is not done when tests are collected."""
    return [name for name in different_zones() if changes(name)]


@cache
def odd() -> list[str]:
    """The zones with odd offsets whose clocks are not changed."""
    return [name for name in different_zones() if is_odd(name) and not changes(name)]


def each(names: Iterable[str]) -> Iterator[str]:
    """Names one after the other; the last one printed is the one that fails."""
    for name in names:
        print(name)
        yield name


def walked(start: datetime, end: datetime, tz: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Every quarter of an hour from a moment to another, with the local time at which it begins."""
    at = start
    while at < end:
        yield at, at.astimezone(tz)
        at += QUARTER


def first_of_each(start: datetime, end: datetime, tz: ZoneInfo) -> dict[date, datetime]:
    """The first quarter of each local date that a walk meets."""
    found: dict[date, datetime] = {}
    for at, local in walked(start, end, tz):
        found.setdefault(local.date(), at)
    return found


def check(name: str, around: date) -> list[datetime]:
    """Days around a date are what a walk through them finds; returns where they begin."""
    tz = ZoneInfo(name)
    first, last = around - 3 * DAY, around + 3 * DAY
    starts = day_starts(first, last, tz)
    found = first_of_each(starts[0] - 2 * DAY, starts[-1] + QUARTER, tz)
    assert starts == [found[day] for day in dates(first, last + DAY)], name
    for day, (start, end) in zip(dates(first, last), pairwise(starts), strict=True):
        assert start < end
        assert (start - TICK).astimezone(tz).date() < day
        assert start.astimezone(tz).date() == (end - TICK).astimezone(tz).date() == day
        assert {local.date() for _, local in walked(start, end, tz)} == {day}
    return starts


# Days ---------------------------------------------------------------------------------------------------------


def test_there_are_zones_to_look_at() -> None:
    assert len(changing()) > 100
    assert {"Europe/Berlin", "Australia/Lord_Howe", "Pacific/Chatham", "Antarctica/Troll"} <= set(changing())
    assert {"Asia/Kathmandu", "Asia/Kolkata", "Pacific/Kiritimati", "Australia/Eucla"} <= set(odd())


def test_days_are_right_wherever_the_clocks_are_changed() -> None:
    for name in each(changing()):
        for around in changes(name):
            check(name, around)


def test_days_are_right_in_zones_with_odd_offsets() -> None:
    for name in each(odd()):
        starts = check(name, date(2026, 7, 1))
        assert {end - start for start, end in pairwise(starts)} == {DAY}


def test_days_are_24_hours_but_where_the_clocks_are_changed() -> None:
    """The hours that a year of changes gives and takes are those by which its days differ from 24."""
    for name in each(changing()):
        tz = ZoneInfo(name)
        starts = day_starts(FIRST, LAST, tz)
        assert starts == sorted(set(starts))
        unusual = [end - start for start, end in pairwise(starts) if end - start != DAY]
        assert 1 <= len(unusual) <= len(changes(name)) + 1  # a change right at the end belongs to a day after it
        first, last = (at.astimezone(tz).utcoffset() or timedelta() for at in (starts[0], starts[-1]))
        assert sum((length - DAY for length in unusual), timedelta()) == first - last


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Pacific/Chatham", date(2026, 4, 5), 25),
        ("Pacific/Chatham", date(2026, 9, 27), 23),
        ("Antarctica/Troll", date(2026, 3, 29), 22),
        ("Antarctica/Troll", date(2026, 10, 25), 26),
        ("America/Havana", date(2026, 3, 8), 23),  # midnight is skipped
        ("America/Havana", date(2026, 11, 1), 25),  # and comes twice
        ("Asia/Beirut", date(2026, 3, 29), 23),
        ("Africa/Cairo", date(2026, 4, 24), 23),
        ("Africa/Cairo", date(2026, 10, 29), 25),
        ("America/Santiago", date(2026, 4, 4), 25),
        ("America/Santiago", date(2026, 9, 6), 23),
        ("America/Asuncion", date(2023, 10, 1), 23),
        ("Asia/Almaty", date(2024, 2, 29), 25),
        ("Asia/Pyongyang", date(2018, 5, 4), 23.5),
        ("America/Caracas", date(2007, 12, 9), 24.5),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
        ("UTC", date(2026, 3, 29), 24),
    ],
)
def test_the_length_of_a_day(name: str, day: date, hours: float) -> None:
    starts = check(name, day)
    assert starts[4] - starts[3] == timedelta(hours=hours)
    assert starts[3] == day_start(day, ZoneInfo(name))


@pytest.mark.parametrize("name", NO_MIDNIGHT)
def test_some_days_begin_after_midnight(name: str) -> None:
    """Where the clocks skip midnight, the day begins at the first moment after."""
    starts = [start.astimezone(ZoneInfo(name)) for start in day_starts(FIRST, LAST, ZoneInfo(name))]
    assert Counter(start.time() for start in starts).keys() == {time(0), time(1)}


@pytest.mark.parametrize(("name", "day"), MISSING_DAYS)
def test_a_day_that_never_was_has_no_length(name: str, day: date) -> None:
    tz = ZoneInfo(name)
    starts = day_starts(day - DAY, day + DAY, tz)
    assert [end - start for start, end in pairwise(starts)] == [DAY, timedelta(), DAY]
    local = [start.astimezone(tz).date() for start in starts]
    assert local == [day - DAY, day + DAY, day + DAY, day + 2 * DAY]
    spans = list(pairwise(starts))
    assert {piece.place for piece in pieces(spans)} == {0, 2}
    assert hour_starts(starts, tz) == sorted(set(hour_starts(starts, tz)))


def test_a_day_begins_once_where_its_first_minute_came_twice() -> None:
    """At 00:01 the clocks of Newfoundland were put back to 23:01: the day had begun, and what came again is its own."""
    tz = ZoneInfo("America/St_Johns")
    before, start, end = day_starts(date(2010, 11, 6), date(2010, 11, 7), tz)
    assert (start - before, end - start) == (DAY, DAY + HOUR)
    assert (start + 2 * timedelta(minutes=1)).astimezone(tz).date() == date(2010, 11, 6)


def test_days_that_can_be_asked_for_begin_with_a_quarter() -> None:
    """From the first date on that can be asked for, any zone's days are whole buckets."""
    days = [FIRST_DATE, *(date(year, month, 15) for year in range(FIRST_DATE.year, 2200) for month in range(1, 13))]
    for name in different_zones():
        starts = [day_start(day, ZoneInfo(name)) for day in days]
        assert not [start for start in starts if start.minute % 15 or start.second], name


def test_the_last_day_that_can_be_asked_for() -> None:
    for name in ("Pacific/Kiritimati", "Pacific/Niue", "Europe/Berlin"):
        start, end = day_starts(LAST_DATE, LAST_DATE, ZoneInfo(name))
        assert end - start == DAY


# Zones --------------------------------------------------------------------------------------------------------


def test_zones_by_their_names() -> None:
    for name in available_timezones() - {"localtime"}:
        assert zone(name).key == name


@pytest.mark.parametrize(
    "name", ["", "Berlin", "europe/berlin", "Europe/Berlin ", "../../etc/passwd", "/etc/localtime", "UTC\0", "x" * 9999]
)
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(UnknownZone):
        zone(name)


def test_the_machines_own_zone_is_none() -> None:
    """It has no name, and is another one elsewhere."""
    with pytest.raises(UnknownZone):
        zone("localtime")


# Hours and quarters -------------------------------------------------------------------------------------------


def test_hours_and_quarters_are_the_days() -> None:
    """Each begins where the one before ended, none goes past midnight, and hours begin when a clock strikes."""
    for name in each([*changing(), *odd()]):
        for around in changes(name)[:4] or (date(2026, 7, 1),):
            check_hours(ZoneInfo(name), around)


def check_hours(tz: ZoneInfo, around: date) -> None:
    """Hours and quarters of three days."""
    starts = day_starts(around - DAY, around + DAY, tz)
    quarters, hours = quarter_starts(starts), hour_starts(starts, tz)
    assert {end - start for start, end in pairwise(quarters)} == {QUARTER}
    assert set(starts) <= set(hours) <= set(quarters)
    assert hours == sorted(set(hours))
    struck = {at for at, local in walked(starts[0], starts[-1], tz) if local.minute == 0}
    assert set(hours) == struck | set(starts)


def test_hours_of_a_day_whose_clock_is_put_back() -> None:
    tz = ZoneInfo("Europe/Berlin")
    hours = hour_starts(day_starts(date(2026, 10, 25), date(2026, 10, 25), tz), tz)
    shown = [at.astimezone(tz).hour for at in hours[:-1]]
    assert shown == [0, 1, 2, 2, *range(3, 24)]
    assert {end - start for start, end in pairwise(hours)} == {HOUR}


def test_hours_of_a_zone_that_is_off_by_three_quarters() -> None:
    tz = ZoneInfo("Asia/Kathmandu")
    hours = hour_starts(day_starts(date(2026, 1, 1), date(2026, 1, 1), tz), tz)
    assert hours[0] == datetime(2025, 12, 31, 18, 15, tzinfo=UTC)
    assert len(hours) == 25
    assert {at.minute for at in hours} == {15}


# Pieces -------------------------------------------------------------------------------------------------------

quarters = st.integers(0, 24 * 4 * 20).map(lambda n: datetime(2026, 3, 20, tzinfo=UTC) + QUARTER * n)
spans = st.lists(st.tuples(quarters, quarters).map(lambda ends: (min(ends), max(ends))), max_size=8)


@settings(deadline=None)
@given(spans)
def test_pieces_cover_each_span_once(wanted: list[tuple[datetime, datetime]]) -> None:
    covered: Counter[tuple[int, datetime]] = Counter()
    for piece in pieces(wanted):
        assert piece.start < piece.end
        assert piece.width in {15, 60}
        assert piece.width == 15 or (piece.start.minute, piece.end.minute) == (0, 0)
        covered.update((piece.place, at) for at, _ in walked(piece.start, piece.end, ZoneInfo("UTC")))
    expected = {(place, at) for place, ends in enumerate(wanted) for at, _ in walked(*ends, ZoneInfo("UTC"))}
    assert covered == dict.fromkeys(expected, 1)


@given(spans)
def test_pieces_are_hours_wherever_they_can_be(wanted: list[tuple[datetime, datetime]]) -> None:
    """Of quarters a span has less than an hour at either end."""
    for place, (start, end) in enumerate(wanted):
        single = sum((p.end - p.start for p in pieces(wanted) if p.place == place and p.width == 15), timedelta())
        assert single < 2 * HOUR
        assert single == end - start or single % HOUR != timedelta() or end - start >= HOUR


@pytest.mark.parametrize("name", ["Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe", "Europe/Berlin"])
def test_pieces_of_a_year_of_days(name: str) -> None:
    starts = day_starts(date(2026, 1, 1), date(2026, 12, 31), ZoneInfo(name))
    parts = sorted(pieces(list(pairwise(starts))), key=lambda piece: piece.start)
    assert [parts[0].start, *(part.end for part in parts)] == [*(part.start for part in parts), starts[-1]]
    for part in parts:
        assert part.place == bisect_right(starts, part.start) - 1
    assert {part.width for part in parts} == ({60} if name == "Europe/Berlin" else {15, 60})
