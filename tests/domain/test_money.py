"""Money in minor units: the digits behind the point are those of ISO 4217, in which payments are counted."""

from decimal import Decimal

import pytest
from babel.core import get_global

from ledger.explain.money import in_units, minor_digits

NO_DIGITS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)
THREE_DIGITS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}


def tender() -> set[str]:
    """The currencies that somebody pays with today."""
    used = get_global("territory_currencies").values()
    return {code for history in used for code, _, end, is_tender in history if is_tender and end is None}


def test_every_currency_has_the_digits_of_iso_4217() -> None:
    assert tender() > NO_DIGITS | THREE_DIGITS
    found = {code: minor_digits(code) for code in tender()}
    assert found == {code: 0 if code in NO_DIGITS else 3 if code in THREE_DIGITS else 2 for code in tender()}


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [(1_999, "EUR", "19.99"), (500_000, "HUF", "5000.00"), (3_000, "JPY", "3000"), (1_500, "kwd", "1.500")],
)
def test_no_digit_of_an_amount_is_lost(minor: int, currency: str, amount: str) -> None:
    assert str(in_units(minor, currency)) == str(Decimal(amount))
