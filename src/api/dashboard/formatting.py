"""Words: numbers, money and moments as a reader wants to read them. Pure: reader, zone and time are handed in.

The dashboard speaks English, so dates are English and say their month in letters: nobody takes 3/4 for another day.
Numbers are written as the reader's own language writes them.
"""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision

from ledger.explain.money import in_units

MINUS = "\N{MINUS SIGN}"
_ENGLISH = Locale("en")
_MOST_LANGUAGES = 10
_WEIGHT = re.compile(r"[01](\.\d{0,3})?")


class Reader(NamedTuple):
    """Who reads a page: how they write numbers, where their days begin, and what time it is."""

    locale: Locale
    zone: ZoneInfo
    now: datetime

    def number(self, value: int) -> str:
        """An integer with separators."""
        return _number(value, self.locale)

    def signed(self, value: int) -> str:
        """An integer with its sign; 0 has none."""
        sign = "+" if value > 0 else MINUS if value < 0 else ""
        return sign + self.number(abs(value))

    def decimal(self, value: Decimal | None, places: int = 2) -> str:
        """A number with some places at most; a dash for none."""
        if value is None:
            return "\N{EM DASH}"
        return format_decimal(value, format=f"#,##0.{'#' * places}", locale=self.locale)

    def percent(self, share: float) -> str:
        """A share of 1, such as 42%."""
        return format_percent(share, locale=self.locale)

    def money(self, value: Decimal, currency: str) -> str:
        """An amount of money, rounded to the smallest coin; one that is less than that keeps all of its places."""
        coin = Decimal(1).scaleb(-get_currency_precision(currency))
        if 0 < abs(value) < coin:
            return self.price(value, currency)
        return format_currency(value, currency, locale=self.locale)

    def price(self, value: Decimal, currency: str) -> str:
        """An amount of money with all of its places: prices of credits are small."""
        return format_currency(value, currency, locale=self.locale, decimal_quantization=False)

    def minor(self, amount: int, currency: str) -> str:
        """An amount of money in minor units."""
        return self.money(in_units(amount, currency), currency)

    def local(self, at: datetime) -> datetime:
        """A moment in the reader's zone."""
        return at.astimezone(self.zone)

    def today(self) -> date:
        """The reader's date."""
        return self.local(self.now).date()

    def exact(self, at: datetime) -> str:
        """A moment to the second, with its zone."""
        local = self.local(at)
        return f"{day(local)}, {local:%H:%M:%S} {local.tzname()}"

    def minute(self, at: datetime) -> str:
        """A moment to the minute, without its zone: the page says that."""
        local = self.local(at)
        return f"{day(local)}, {local:%H:%M}"

    @staticmethod
    def day_name(value: date) -> str:
        """A date."""
        return day(value)

    def day_of(self, at: datetime) -> str:
        """The local date of a moment."""
        return day(self.local(at))

    def relative(self, at: datetime) -> str:
        """A moment as seen from now: `3 minutes ago`, `in 5 days`; from afar, the date."""
        return relative(at, self.now) or self.day_of(at)


@lru_cache(10_000)
def _number(value: int, locale: Locale) -> str:
    """A page says the same numbers again and again, and each costs as much as the rest of its row."""
    return format_decimal(value, locale=locale).replace("-", MINUS)


def reader(languages: str | None, zone: ZoneInfo, now: datetime) -> Reader:
    """A reader by the Accept-Language header of their browser."""
    return Reader(_locale(languages or ""), zone, now)


def _locale(header: str) -> Locale:
    """The first language of the header that we can write numbers in."""
    for tag in _by_preference(header)[:_MOST_LANGUAGES]:
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return _ENGLISH


def _by_preference(header: str) -> list[str]:
    wanted = []
    for place, part in enumerate(header[:500].split(",")):
        tag, _, weight = part.strip().partition(";q=")
        if _WEIGHT.fullmatch(weight or "1"):
            wanted.append((-float(weight or 1), place, tag))
    return [tag for _, _, tag in sorted(wanted)]


def day(value: date) -> str:
    """A date, such as 1 Nov 2026."""
    return f"{value.day} {value:%b %Y}"


def short_day(value: date) -> str:
    """A date without its year."""
    return f"{value.day} {value:%b}"


def plural(count: int, noun: str, written: str | None = None) -> str:
    """A count with its noun: `1 entry`, `2 entries`."""
    if count != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{written or count} {noun}"


_STEPS = (
    (timedelta(minutes=1), timedelta(seconds=1), "second"),
    (timedelta(hours=1), timedelta(minutes=1), "minute"),
    (timedelta(days=1), timedelta(hours=1), "hour"),
    (timedelta(days=45), timedelta(days=1), "day"),
)


def relative(at: datetime, now: datetime) -> str | None:
    """How far a moment is from now, in the largest unit of which it has one; None beyond 45 days."""
    distance = abs(at - now)
    if distance < timedelta(seconds=10):
        return "just now" if at <= now else "in a moment"
    for limit, unit, noun in _STEPS:
        if distance < limit:
            count = plural(distance // unit, noun)
            return f"{count} ago" if at <= now else f"in {count}"
    return None


def iso(at: datetime) -> str:
    """A moment for machines."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
