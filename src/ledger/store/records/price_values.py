"""The price of a priced event in JSON: computed once, read strictly, never computed again.

A line is a list, because every priced event has some: the charge and its credits; then, where it counts something, the
quantity, the units, the rate and its units, and the number of the tier if it has one.
"""

from typing import Any

from ledger.domain.pricing.exact import is_exact
from ledger.domain.pricing.price import FittingRate, LineKind, Price, PriceLine
from ledger.store.records.stored_values import number, reader_of, text

_kind = reader_of(LineKind)
Json = dict[str, Any]
_UNCOUNTED, _WITHOUT_TIER = 2, 6
"""The length of a line that counts nothing, and of one without a tier."""


def price_to_json(price: Price) -> Json:
    """A price, its names sorted."""
    book, sha256, credits, exact, fits, lines = price
    return {
        "book": book,
        "credits": credits,
        "exact": exact,
        "fits": tuple(fits),
        "lines": [
            line[:_UNCOUNTED] if line.of is None else line[:_WITHOUT_TIER] if line.tier is None else tuple(line)
            for line in lines
        ],
        "sha256": sha256,
    }


def price_from_json(data: Json) -> Price:
    """The same, read back. Raises KeyError, TypeError or ValueError for other values."""
    provider, model, metric = map(text, data["fits"])
    return Price(
        number(data["book"]),
        text(data["sha256"]),
        number(data["credits"]),
        _exact(data["exact"]),
        FittingRate(provider, model, metric),
        tuple(map(_line, data["lines"])),
    )


def _line(values: list[Any]) -> PriceLine:
    charge, credits = _kind(values[0]), _exact(values[1])
    if len(values) == _UNCOUNTED:
        return PriceLine(charge, credits)
    of, units, rate, per, *tier = values[_UNCOUNTED:]
    return PriceLine(charge, credits, text(of), number(units), _exact(rate), number(per), *map(number, tier))


def _exact(value: Any) -> str:
    """The text of an exact number."""
    if not is_exact(text(value)):
        raise ValueError(f"{value!r:.64} is no exact number")
    return str(value)
