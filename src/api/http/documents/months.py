"""The time of a statement: a month (UTC), or some days of one that is too long for one file, or a piece of a day."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.contract.problems import Problem, invalid
from audit.documents.parts import Part

MONTH = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
DAYS = r"^([1-9]|[12][0-9]|3[01])-([1-9]|[12][0-9]|3[01])(/[1-9][0-9]{0,3})?$"


@dataclass(frozen=True, slots=True)
class MonthWanted:
    """A month such as 2026-10. `days`, such as 1-15, are its first and its last day of those that are wanted; 9-9/2 is
    the second piece of a day that is itself too long."""

    month: str
    days: str | None = None

    @property
    def name(self) -> str:
        """The name of its file, without the ending."""
        return f"statement-{self.month}" + (f"-days-{self.days.replace('/', '-part-')}" if self.days else "")

    @property
    def piece(self) -> int | None:
        """Which piece of the time is wanted, counted from 1; None: all of it."""
        _, _, piece = (self.days or "").partition("/")
        return int(piece) if piece else None

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The first moment of the days, and the one behind the last. Raises Problem for days that the month does not
        have."""
        year, number = map(int, self.month.split("-"))
        begin = datetime(year, number, 1, tzinfo=UTC)
        end = begin.replace(year=year + number // 12, month=number % 12 + 1)
        if self.days is None:
            return begin, end
        first, last = map(int, self.days.partition("/")[0].split("-"))
        some = begin + timedelta(days=first - 1), min(begin + timedelta(days=last), end)
        if some[0] >= some[1]:
            raise invalid("days", "must be days of the month, the first one first")
        return some


def month_in(month: str, days: str | None) -> MonthWanted:
    """A month that somebody wrote. Raises Problem."""
    if not re.fullmatch(MONTH, month):
        raise invalid("month", "must be a month, such as 2026-10")
    if days is not None and not re.fullmatch(DAYS, days):
        raise invalid("days", "must be the first and the last day, such as 1-15, or a piece of them, such as 9-9/2")
    return MonthWanted(month, days)


def check_begun(wanted: MonthWanted, now: datetime) -> None:
    """Refuse a time that has not begun. Raises Problem."""
    if wanted.bounds[0] > now:
        raise invalid("month" if wanted.days is None else "days", "must not be in the future")


def days_of(part: Part) -> str:
    """The days of a part of a month, and its piece, as a request names them."""
    begin, end = part.days
    assert begin is not None
    assert end is not None, "a part is between two moments"
    piece = "" if part.piece is None else f"/{part.piece}"
    return f"{begin.day}-{(end - timedelta(microseconds=1)).day}{piece}"


def days_in_words(days: str) -> str:
    """The days of a part as a link names them: `Days 1 to 12`, `Day 13`, `Day 13, part 2`."""
    named, _, piece = days.partition("/")
    first, last = named.split("-")
    words = f"Day {first}" if first == last else f"Days {first} to {last}"
    return f"{words}, part {piece}" if piece else words


def too_long(wanted: MonthWanted, parts: Sequence[Part], most: int) -> Problem:
    """The refusal of a time with more events than a PDF has room for, with the parts for which there is room. There is
    one alone where they are all of one moment."""
    found = [days_of(part) for part in parts]
    if len(found) == 1:
        how = "they are of one moment; `credit-ledger statement` takes twenty times as many, as a signed file"
    else:
        how = f"ask for it in {len(found):,} parts, with `days` as each of `parts`, from {found[0]} to {found[-1]}"
    detail = f"A PDF has room for {most:,} events, and {wanted.month} has more of them: {how}."
    return Problem("statement_too_long", detail, limit=most, parts=found)
