"""Reads the times in cells: ISO 8601, seconds since 1970 or smaller units, dates as Americans and Europeans write them.

A time without a zone is in the zone that the operator names, or in UTC.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from api.imports.files.row import RowProblem, short

ReadTime = Callable[[str], datetime]

_ORDERED = {"us": (2, 0, 1), "european": (2, 1, 0)}
"""Where the year, the month and the day are in a written date."""
_DATE = re.compile(
    r"(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d\d)"
    r"(?:,?[ T]+(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,6})\d*)?)?[ \u202f]?(?i:(am|pm))?)?",
    re.ASCII,
)
_EPOCH = re.compile(r"(\d{9,10}|\d{12,13}|\d{15,16})(?:\.(\d{1,9}))?", re.ASCII)
_IN_UTC = re.compile(r" ?(?:UTC|GMT|Z)$", re.IGNORECASE)
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)

NAMED_FORMATS = tuple(_ORDERED)


class FormatProblem(Exception):
    """A format of times cannot be used. The message says why."""


def time_reader(form: str | None, zone: tzinfo = UTC) -> ReadTime:
    """A function that reads the time in a cell, as an instant in UTC; it raises RowProblem.

    `form` is `us`, `european`, a format of strptime, or None for what says itself what it is. Raises FormatProblem.
    """
    if form is None:
        return lambda text: _self_evident(text, zone)
    if form in _ORDERED:
        return lambda text: _written_date(text, _ORDERED[form], zone)
    _check(form)
    return lambda text: _formatted(text, form, zone)


def _self_evident(text: str, zone: tzinfo) -> datetime:
    epoch = _EPOCH.fullmatch(text)
    if epoch:
        return _since_epoch(epoch[1], epoch[2] or "")
    try:
        return _in_utc(_iso(text), zone)
    except (ValueError, OverflowError):
        raise RowProblem(f"is {short(text)}, not a time{_advice(text)}" if text else "is empty") from None


def _advice(text: str) -> str:
    if _DATE.fullmatch(text):
        return ": is the month or the day first? Say --time-format us or --time-format european"
    return " such as 2026-01-31T12:00:00Z; for another form give --time-format"


def _since_epoch(whole: str, part: str) -> datetime:
    """Seconds have up to 10 digits, milliseconds up to 13, microseconds up to 16."""
    unit = 1_000_000 if len(whole) <= 10 else 1_000 if len(whole) <= 13 else 1
    fraction = int((part + "000000")[:6]) * unit // 1_000_000
    return _EPOCH_START + timedelta(microseconds=int(whole) * unit + fraction)


def _iso(text: str) -> datetime:
    plain = _IN_UTC.sub("+00:00", text) if text[-1:] in "CTZctz" else text
    return datetime.fromisoformat(plain)


def _written_date(text: str, order: tuple[int, int, int], zone: tzinfo) -> datetime:
    found = _DATE.fullmatch(text)
    if found is None:
        return _self_evident(text, zone)  # a column may have both, and ISO is never mistaken
    year, month, day = (int(found[1 + place]) for place in order)
    hour, minute, second = (int(found[place] or 0) for place in (4, 5, 6))
    if found[8]:
        if not 1 <= hour <= 12:
            raise RowProblem(f"is {short(text)}, not a time: its hour is {hour} {found[8]}")
        hour = hour % 12 + 12 * (found[8].lower() == "pm")
    micro = int(((found[7] or "") + "000000")[:6])
    try:
        local = datetime(year + 2000 * (year < 100), month, day, hour, minute, second, micro)  # noqa: DTZ001
        return _in_utc(local, zone)
    except (ValueError, OverflowError):
        raise RowProblem(f"is {short(text)}, which is no date: check --time-format") from None


def _formatted(text: str, form: str, zone: tzinfo) -> datetime:
    try:
        return _in_utc(datetime.strptime(text, form), zone)  # noqa: DTZ007 - the next line gives it a zone
    except (ValueError, OverflowError):
        raise RowProblem(f"is {short(text)}, not a time of the form {form!r}") from None


def _in_utc(at: datetime, zone: tzinfo) -> datetime:
    return (at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC)


def _check(form: str) -> None:
    """Raise FormatProblem unless a format can read what it writes, with a year, a month and a day."""
    at = datetime(2026, 11, 28, 22, 33, 44, 555_555, UTC)
    try:
        again = datetime.strptime(at.strftime(form), form)  # noqa: DTZ007
    except (ValueError, re.error) as error:  # the latter where it has a part of the time twice
        raise FormatProblem(f"{form[:60]!r} is no format of times: {error}") from None
    if (again.year, again.month, again.day) != (2026, 11, 28):
        raise FormatProblem(
            f"{form[:60]!r} has no year, month and day: a format is us, european, or a text such as '%d.%m.%Y %H:%M'"
        )
