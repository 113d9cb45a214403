"""Drafts of a price book, from what providers charge: rates for a person to read, change and publish.

A draft takes public prices in US dollars, adds a mark-up, and divides by what a credit is worth. Nothing of it is ever
published by itself. Where a public price says more than a rate can, the draft takes the dearest and says so.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from math import ceil
from re import fullmatch
from typing import NamedTuple

from billing.prices.document import MAX_RATES, RateBody, UnitCharge
from ledger.domain.pricing.exact import EXACT, exact
from ledger.domain.usage import Quantity

_DECIMALS = 10**12


class PublicPrice(NamedTuple):
    """What a provider charges for a model: US dollars for some units of each quantity, and what is to be said of it."""

    provider: str
    model: str
    dollars: Mapping[Quantity, tuple[Fraction, int]]
    notes: tuple[str, ...] = ()


class Terms(NamedTuple):
    """How dollars become credits: what a credit is worth in dollars, and the mark-up in percent."""

    credit_dollars: Fraction
    mark_up_percent: Fraction


class Draft(NamedTuple):
    """Rates, and for each remark the models of each provider that it is about. `left_out` counts the models without a
    price that a rate can have.
    """

    rates: list[RateBody]
    remarks: Mapping[str, Mapping[str, list[str]]]
    left_out: int


def draft(prices: Iterable[PublicPrice], terms: Terms) -> Draft:
    """A rate for each provider and model, the first of the same names. Raises ValueError for more than a book has."""
    found: dict[tuple[str, str], RateBody] = {}
    remarks: dict[str, dict[str, list[str]]] = {}
    left_out = 0
    for price in prices:
        place = price.provider, price.model
        if not price.dollars:
            left_out += 1
        elif place not in found:
            found[place] = RateBody(provider=price.provider, model=price.model, charges=list(_charges(price, terms)))
            for note in price.notes:
                remarks.setdefault(note, {}).setdefault(price.provider, []).append(price.model)
    if len(found) > MAX_RATES:
        raise ValueError(f"{len(found):,} models have a price, and a book has at most {MAX_RATES:,}: name providers")
    return Draft(list(found.values()), remarks, left_out)


def _charges(price: PublicPrice, terms: Terms) -> Iterator[UnitCharge]:
    for of, (dollars, per) in price.dollars.items():
        credits = dollars * (100 + terms.mark_up_percent) / 100 / terms.credit_dollars
        yield UnitCharge(charge="per_unit", of=of, credits=_text(credits), per=per)


def _text(number: Fraction) -> str:
    """The number as a book can say it: exactly, or else rounded up to twelve decimals."""
    plain = f"{number.numerator}/{number.denominator}"
    if len(plain) <= len("/") + 2 * 70 and fullmatch(EXACT, text := str(exact(plain))):
        return text
    return str(exact(f"{ceil(number * _DECIMALS)}/{_DECIMALS}"))
