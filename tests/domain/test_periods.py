"""Windows of limits against a clock that is watched minute by minute, where clocks do what nobody expects."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from ledger.domain.account import fold
from ledger.domain.commands import DeductCredits, NewLimit, OpenAccount, SetLimits
from ledger.domain.decisions.decider import decide
from ledger.domain.events import CreditsDeducted
from ledger.domain.limits import named
from ledger.domain.periods import LAST_START, LONGEST, CalendarPeriod, Every, TimedPeriod, window_end
from ledger.explain.explaining import explain
from tests.domain.counting_model import is_first

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PERIODS: list[tuple[Every, int]] = [("hour", 1), ("day", 1), ("week", 1), ("week", 7), ("month", 31), ("year", 1)]
CLOCKS = {
    "Europe/Berlin": date(2026, 3, 29),
    "Europe/Berlin ": date(2026, 10, 25),
    "Africa/Cairo": date(2026, 4, 24),  # no midnight
    "America/Havana": date(2026, 11, 1),  # midnight twice
    "Asia/Beirut": date(2026, 3, 29),
    "America/Santiago": date(2026, 9, 6),
    "Australia/Lord_Howe": date(2026, 4, 5),  # half an hour
    "Pacific/Apia": date(2011, 12, 30),  # no such day
    "America/St_Johns": date(2011, 11, 6),  # a minute after midnight, back into the day before
    "UTC": date(2027, 12, 31),
}


def starts_of_windows(every: Every, starts: int, tz: ZoneInfo, first: datetime, minutes: int) -> list[datetime]:
    """The minutes at which windows begin."""
    found, last = [], first.astimezone(tz).date()
    for number in range(1, minutes):
        at = first + number * MINUTE
        local = at.astimezone(tz)
        days = [last + DAY * n for n in range(1, (local.date() - last).days + 1)]
        if (every == "hour" and (local.minute == 0 or days)) or any(is_first(every, starts, day) for day in days):
            found.append(at)
        last = max(last, local.date())
    return found


@pytest.mark.parametrize("name", CLOCKS)
def test_windows_end_when_the_clock_says_so(name: str) -> None:
    zone, day = name.strip(), CLOCKS[name]
    tz, first = ZoneInfo(zone), datetime(day.year, day.month, day.day, tzinfo=UTC) - DAY
    for every, starts in PERIODS:
        windows = starts_of_windows(every, starts, tz, first, 3 * 24 * 60)
        period = CalendarPeriod(every, zone, starts)
        for start, end in pairwise(windows):
            assert window_end(period, start) == window_end(period, end - timedelta(microseconds=1)) == end
            assert end - start <= LONGEST[every]
        if windows:
            assert window_end(period, first) == windows[0]


@pytest.mark.parametrize(
    ("starts", "at", "end"),
    [
        (31, "2026-01-31", "2026-02-28"),
        (31, "2026-02-27", "2026-02-28"),
        (31, "2026-02-28", "2026-03-31"),
        (31, "2026-04-30", "2026-05-31"),
        (30, "2028-01-30", "2028-02-29"),
        (29, "2028-02-29", "2028-03-29"),
        (1, "2026-12-31", "2027-01-01"),
        (15, "2026-12-15", "2027-01-15"),
    ],
)
def test_months_are_computed_from_the_day_on_which_they_start(starts: int, at: str, end: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert window_end(CalendarPeriod("month", "UTC", starts), moment) == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_every_period_has_its_table_rows() -> None:
    assert LAST_START.keys() == LONGEST.keys() == {every for every, _ in PERIODS}


def test_the_end_that_an_event_recorded_stands_whatever_the_clock_says_later() -> None:
    """As if a government had moved the clocks after the window had been opened."""
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    limit = NewLimit("day", 10, period=CalendarPeriod("day", "Europe/Berlin"))
    account = fold(decide(OpenAccount("a", 100), None, now))
    account = fold(decide(SetLimits("a", "plan", (limit,)), account, now), account)
    [opening] = decide(DeductCredits("a", 6), account, now)
    assert isinstance(opening, CreditsDeducted)
    [count] = named(opening.counts)
    recorded = now + timedelta(hours=12)
    assert count.until == now + timedelta(hours=11)
    older = replace(opening, counts=(count._replace(until=recorded),))
    assert explain(account, older).sound
    account = fold((older,), account)
    [second] = decide(DeductCredits("a", 4), account, recorded - MINUTE)
    assert isinstance(second, CreditsDeducted)
    assert second.counts == (count._replace(until=recorded, used=10),)
    assert explain(account, second).sound
    account = fold((second,), account)
    [next_day] = decide(DeductCredits("a", 1), account, recorded)
    assert isinstance(next_day, CreditsDeducted)
    assert [one.used for one in named(next_day.counts)] == [1]


def test_a_timed_window_begins_with_the_first_use() -> None:
    at = datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=UTC)
    assert window_end(TimedPeriod(60), at) == at + MINUTE
    assert window_end(None, at) is None
