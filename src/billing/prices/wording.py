"""Rates in words, and how two versions of the price book differ."""

from collections.abc import Iterator
from typing import NamedTuple

from billing.prices.document import BookDocument, FlatCharge, RateBody, TierCharge, UnitCharge
from ledger.domain.pricing.exact import exact
from ledger.domain.pricing.price import FittingRate

_TIMES = {3_600_000: "hours", 60_000: "minutes", 1_000: "seconds", 1: "milliseconds"}
"""The milliseconds of each unit of time, the longest first."""
_FURTHER = {"graduated": "those beyond", "volume": "all, if there are more than"}
"""Which units a further tier is for."""


class RateChange(NamedTuple):
    """A rate that is new (`before` is None), gone (`after` is None) or other."""

    fits: FittingRate
    before: RateBody | None
    after: RateBody | None


def globs_of(rate: RateBody) -> FittingRate:
    """What a rate is for. No other rate of its book has the same globs."""
    return FittingRate(rate.provider, rate.model, rate.metric)


def rate_text(rate: RateBody) -> str:
    """A rate in a line, such as `1.5 per 1,000 input tokens + 12 per 1,000 output tokens, at least 0.1`."""
    parts = [" + ".join(map(_charge_text, rate.charges))]
    if rate.minimum != "0":
        parts.append(f", at least {_credits(rate.minimum)}")
    if rate.free:
        parts.append(f"; {_listed([_noun(of) for of in rate.free])} cost nothing")
    return "".join(parts)


def rate_changes(before: BookDocument | None, after: BookDocument) -> Iterator[RateChange]:
    """The rates that differ, those of the later book first."""
    old = {} if before is None else {globs_of(rate): rate for rate in before.rates}
    new = {globs_of(rate): rate for rate in after.rates}
    for fits, rate in new.items():
        if old.get(fits) != rate:
            yield RateChange(fits, old.get(fits), rate)
    yield from (RateChange(fits, rate, None) for fits, rate in old.items() if fits not in new)


def _charge_text(charge: FlatCharge | UnitCharge | TierCharge) -> str:
    match charge:
        case FlatCharge():
            return f"{_credits(charge.credits)} each time"
        case UnitCharge(charge="package"):
            return f"{_credits(charge.credits)} for each {_units(charge.per, charge.of)} begun"
        case UnitCharge():
            return f"{_credits(charge.credits)} per {_units(charge.per, charge.of)}"
        case TierCharge():
            return _tiers_text(charge)


def _tiers_text(charge: TierCharge) -> str:
    """Tiers, such as `20 per unit, 15 for those beyond 10 units`."""
    first, *others = charge.tiers
    further = "".join(
        f", {_credits(tier.credits)} for {_FURTHER[charge.charge]} {_amount(before.up_to or 0, charge.of)}"
        for before, tier in zip(charge.tiers, others, strict=False)
    )
    return f"{_credits(first.credits)} per {_units(charge.per, charge.of)}{further}"


def _units(per: int, of: str) -> str:
    """What a price is for, such as `1,000 input tokens`, `unit` or `minute`."""
    return _amount(per, of).removeprefix("1 ")


def _amount(units: int, of: str) -> str:
    """Some units of a quantity, such as `1,000 input tokens`; of time in the longest unit that it is whole in."""
    number, noun = _time(units) if of == "duration_ms" else (units, _noun(of))
    return f"{number:,} {noun if number != 1 else noun.removesuffix('s')}"


def _time(milliseconds: int) -> tuple[int, str]:
    """A duration in the longest unit of time that it is whole in."""
    return next((milliseconds // of, noun) for of, noun in _TIMES.items() if milliseconds % of == 0)


def _credits(text: str) -> str:
    """A number of credits as a decimal, such as `1,625.5`, or as a fraction where no decimal is exact."""
    whole, dot, rest = str(exact(text)).partition(".")
    return f"{int(whole):,}{dot}{rest}" if whole.isdecimal() else whole


def _noun(of: str) -> str:
    return {"quantity": "units", "duration_ms": "durations"}.get(of, of.replace("_", " "))


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
