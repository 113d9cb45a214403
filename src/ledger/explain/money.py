"""Amounts of money in minor units, as in payments."""

from collections.abc import Iterable
from decimal import Decimal

from babel.numbers import get_currency_precision

from ledger.domain.events import Event, PaymentRecorded

Currencies = dict[tuple[str | None, str], str]
"""The currencies of payments, by provider and payment id. Old refunds name no provider: theirs is the first."""

_MINOR_UNITS = {
    **dict.fromkeys(("AFN", "ALL", "COP", "HUF", "IDR", "IRR", "KPW", "LAK", "LBP", "MGA"), 2),
    **dict.fromkeys(("MMK", "SOS", "SYP", "YER"), 2),
    "IQD": 3,
}
"""Currencies whose coins are out of use. The CLDR, and so babel, gives them no digits, but ISO 4217 defines minor units
for them, in which payments are counted."""


def add_currency(currencies: Currencies, payment: PaymentRecorded) -> None:
    """Add the currency of one more payment."""
    currencies[payment.provider, payment.payment_id] = payment.currency
    currencies.setdefault((None, payment.payment_id), payment.currency)


def currencies_of(events: Iterable[Event]) -> Currencies:
    """The currencies of the payments among some events."""
    currencies: Currencies = {}
    for event in events:
        if isinstance(event, PaymentRecorded):
            add_currency(currencies, event)
    return currencies


def minor_digits(currency: str) -> int:
    """The number of decimal places of a currency: an amount in minor units has so many digits after the point."""
    code = currency.upper()
    return _MINOR_UNITS.get(code, get_currency_precision(code))


def in_units(minor: int, currency: str) -> Decimal:
    """Convert an amount in minor units to units of the currency, with all decimal places."""
    return Decimal(minor).scaleb(-minor_digits(currency))
