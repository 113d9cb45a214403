"""Amounts of money in minor units, as payments have them."""

from decimal import Decimal

from babel.numbers import get_currency_precision

_MINOR_UNITS = {
    **dict.fromkeys(("AFN", "ALL", "COP", "HUF", "IDR", "IRR", "KPW", "LAK", "LBP", "MGA"), 2),
    **dict.fromkeys(("MMK", "SOS", "SYP", "YER"), 2),
    "IQD": 3,
}
"""Currencies of which nobody uses the coins: the CLDR, from which babel has its digits, counts none, but ISO 4217 has a
minor unit, and payments are counted in it."""


def minor_digits(currency: str) -> int:
    """How many digits of an amount in minor units stand behind the point."""
    code = currency.upper()
    return _MINOR_UNITS.get(code, get_currency_precision(code))


def in_units(minor: int, currency: str) -> Decimal:
    """An amount in minor units as an amount of the currency, with all of its digits."""
    return Decimal(minor).scaleb(-minor_digits(currency))
