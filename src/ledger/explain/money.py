"""Amounts of money in minor units, as in payments."""

from decimal import Decimal

from babel.numbers import get_currency_precision

_MINOR_UNITS = {
    **dict.fromkeys(("AFN", "ALL", "COP", "HUF", "IDR", "IRR", "KPW", "LAK", "LBP", "MGA"), 2),
    **dict.fromkeys(("MMK", "SOS", "SYP", "YER"), 2),
    "IQD": 3,
}
"""Currencies whose coins are out of use. The CLDR, and so babel, gives them no digits, but ISO 4217 defines minor units
for them, in which payments are counted."""


def minor_digits(currency: str) -> int:
    """The number of decimal places of a currency: an amount in minor units has so many digits after the point."""
    code = currency.upper()
    return _MINOR_UNITS.get(code, get_currency_precision(code))


def in_units(minor: int, currency: str) -> Decimal:
    """Convert an amount in minor units to units of the currency, with all decimal places."""
    return Decimal(minor).scaleb(-minor_digits(currency))
