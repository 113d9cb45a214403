"""The price of a priced event in JSON: computed once, read strictly, never computed again."""

from typing import Any

from ledger.domain.pricing.exact import exact
from ledger.domain.pricing.price import FittingRate, LineKind, Price, PriceLine
from ledger.store.records.stored_values import number, reader_of, text

_kind = reader_of(LineKind)
Json = dict[str, Any]


def price_to_json(price: Price) -> Json:
    """A price, its names sorted."""
    return {
        "book": price.book,
        "credits": price.credits,
        "exact": price.exact,
        "fits": {"metric": price.fits.metric, "model": price.fits.model, "provider": price.fits.provider},
        "lines": [_line_to_json(line) for line in price.lines],
        "sha256": price.sha256,
    }


def price_from_json(data: Json) -> Price:
    """The same, read back. Raises KeyError, TypeError or ValueError for other values."""
    fits = data["fits"]
    return Price(
        number(data["book"]),
        text(data["sha256"]),
        number(data["credits"]),
        _exact(data["exact"]),
        FittingRate(text(fits["provider"]), text(fits["model"]), text(fits["metric"])),
        tuple(map(_line_from_json, data["lines"])),
    )


def _line_to_json(line: PriceLine) -> Json:
    charge, credits, of, units, rate, per, tier = line
    if of is None:
        return {"charge": charge, "credits": credits}
    said = {"charge": charge, "credits": credits, "of": of, "per": per, "rate": rate}
    return {**said, "units": units} if tier is None else {**said, "tier": tier, "units": units}


def _line_from_json(data: Json) -> PriceLine:
    charge, credits = _kind(data["charge"]), _exact(data["credits"])
    if "of" not in data:
        return PriceLine(charge, credits)
    tier = data.get("tier")
    counted = text(data["of"]), number(data["units"]), _exact(data["rate"]), number(data["per"])
    return PriceLine(charge, credits, *counted, None if tier is None else number(tier))


def _exact(value: Any) -> str:
    """The text of an exact number."""
    exact(text(value))
    return str(value)
