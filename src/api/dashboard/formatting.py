"""Formatting of numbers, money, dates and times. Pure: language, time zone and time are arguments.

The texts of the dashboard are English. Dates are English too and name the month in letters, because 3/4 is two
different days in two countries. Numbers follow the language of the browser.
"""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.numbers import (
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
    get_currency_precision,
)

from ledger.explain.money import in_units

MINUS = "\N{MINUS SIGN}"
_ENGLISH = Locale("en")
_MOST_LANGUAGES = 10
_WEIGHT = re.compile(r"[01](\.\d{0,3})?")


class Formatter(NamedTuple):
    """Formats values for one page, with its language, its time zone and the time of the request."""

    locale: Locale
    zone: ZoneInfo
    now: datetime

    def number(self, value: int) -> str:
        """An integer with separators."""
        return _number(value, self.locale)

    def signed(self, value: int) -> str:
        """An integer with its sign; 0 has no sign."""
        sign = "+" if value > 0 else MINUS if value < 0 else ""
        return sign + self.number(abs(value))

    def decimal(self, value: Decimal | None, places: int = 2) -> str:
        """A number with at most `places` decimal places; a dash for None."""
        if value is None:
            return "\N{EM DASH}"
        return format_decimal(value, format=f"#,##0.{'#' * places}", locale=self.locale)

    def percent(self, share: float) -> str:
        """A share of 1, such as 42%."""
        return format_percent(share, locale=self.locale)

    def money(self, value: Decimal, currency: str) -> str:
        """An amount of money, rounded to the minor unit of its currency. A smaller amount keeps all of its places."""
        coin = Decimal(1).scaleb(-get_currency_precision(currency))
        if 0 < abs(value) < coin:
            return self.price(value, currency)
        return format_currency(value, currency, locale=self.locale)

    def price(self, value: Decimal, currency: str) -> str:
        """An amount of money with all of its decimal places, because the price of a credit is small."""
        return format_currency(value, currency, locale=self.locale, decimal_quantization=False)

    def minor(self, amount: int, currency: str) -> str:
        """An amount of money that is given in minor units."""
        return self.money(in_units(amount, currency), currency)

    def short_minor(self, amount: int, currency: str) -> str:
        """The same where there is little room and the currency is known: 500, 2.5K."""
        return format_compact_decimal(in_units(amount, currency), locale=self.locale, fraction_digits=2)

    def duration(self, milliseconds: float) -> str:
        """A length of time, such as 850 ms, 1.2 s or 2 h 5 min."""
        if milliseconds < 1_000:
            return f"{self.number(round(milliseconds))} ms"
        if milliseconds < 60_000:
            return f"{self.decimal(Decimal(str(milliseconds)) / 1_000, 1)} s"
        minutes, seconds = divmod(round(milliseconds / 1_000), 60)
        if minutes < 60:
            return f"{minutes} min {seconds} s"
        hours, minutes = divmod(minutes, 60)
        return f"{self.number(hours)} h {minutes} min"

    def local(self, at: datetime) -> datetime:
        """A time in the zone of the page."""
        return at.astimezone(self.zone)

    def today(self) -> date:
        """The date of today in the zone of the page."""
        return self.local(self.now).date()

    def exact(self, at: datetime) -> str:
        """A time to the second, with its zone."""
        local = self.local(at)
        return f"{day(local)}, {local:%H:%M:%S} {local.tzname()}"

    def minute(self, at: datetime) -> str:
        """A time to the minute, without its zone, which the page names once."""
        local = self.local(at)
        return f"{day(local)}, {local:%H:%M}"

    @staticmethod
    def day_name(value: date) -> str:
        """A date."""
        return day(value)

    def day_of(self, at: datetime) -> str:
        """The date of a time, in the zone of the page."""
        return day(self.local(at))

    def relative(self, at: datetime) -> str:
        """A time relative to now, such as `3 minutes ago` or `in 5 days`; beyond 45 days, the date."""
        return relative(at, self.now) or self.day_of(at)


@lru_cache(10_000)
def _number(value: int, locale: Locale) -> str:
    """Cached, because a page repeats the same numbers and formatting one takes as long as the rest of its row."""
    return format_decimal(value, locale=locale).replace("-", MINUS)


def formatter(languages: str | None, zone: ZoneInfo, now: datetime) -> Formatter:
    """A formatter for an Accept-Language header, a time zone and the time of the request."""
    return Formatter(_locale(languages or ""), zone, now)


def _locale(header: str) -> Locale:
    """The first language of the header that babel knows."""
    for tag in _by_preference(header)[:_MOST_LANGUAGES]:
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return _ENGLISH


def _by_preference(header: str) -> list[str]:
    weighted = []
    for place, part in enumerate(header[:500].split(",")):
        tag, _, weight = part.strip().partition(";q=")
        if _WEIGHT.fullmatch(weight or "1"):
            weighted.append((-float(weight or 1), place, tag))
    return [tag for _, _, tag in sorted(weighted)]


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


def ordinal(number: int) -> str:
    """The place of a day in a month, such as 1st or 22nd."""
    ending = "th" if 10 < number % 100 < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


_STEPS = (
    (timedelta(minutes=1), timedelta(seconds=1), "second"),
    (timedelta(hours=1), timedelta(minutes=1), "minute"),
    (timedelta(days=1), timedelta(hours=1), "hour"),
    (timedelta(days=45), timedelta(days=1), "day"),
)


def relative(at: datetime, now: datetime) -> str | None:
    """The distance of a time from now, in the largest unit that fits at least once; None beyond 45 days."""
    distance = abs(at - now)
    if distance < timedelta(seconds=10):
        return "just now" if at <= now else "in a moment"
    for limit, unit, noun in _STEPS:
        if distance < limit:
            count = plural(distance // unit, noun)
            return f"{count} ago" if at <= now else f"in {count}"
    return None


def iso(at: datetime) -> str:
    """A time as ISO 8601 in UTC, for programs."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
