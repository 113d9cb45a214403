"""Rates in words, and how two versions of the price book differ."""

from collections.abc import Iterator
from typing import NamedTuple

from billing.prices.document import BookDocument, FlatCharge, RateBody, TierCharge, UnitCharge
from ledger.domain.pricing.price import FittingRate

_QUANTITIES = {"quantity": "units", "duration_ms": "milliseconds"}
"""The words for the quantities whose names are no words."""


class RateChange(NamedTuple):
    """A rate that is new (`before` is None), gone (`after` is None) or other."""

    fits: FittingRate
    before: RateBody | None
    after: RateBody | None


def globs_of(rate: RateBody) -> FittingRate:
    """What a rate is for. No other rate of its book has the same globs."""
    return FittingRate(rate.provider, rate.model, rate.metric)


def rate_text(rate: RateBody) -> str:
    """A rate in a line, such as `1.5 per 1,000 input tokens + 6 per 1,000 output tokens, at least 0.1`."""
    parts = [" + ".join(map(_charge_text, rate.charges))]
    if rate.minimum != "0":
        parts.append(f"at least {rate.minimum}")
    if rate.free:
        parts.append(f"{' and '.join(map(_noun, rate.free))} free")
    return ", ".join(parts)


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
            return f"{charge.credits} each time"
        case UnitCharge():
            whole = ", begun packages whole" if charge.charge == "package" else ""
            return f"{charge.credits} per {_units(charge.per, charge.of)}{whole}"
        case TierCharge():
            tiers = "; ".join(
                f"{tier.credits} up to {tier.up_to:,}" if tier.up_to is not None else f"{tier.credits} beyond"
                for tier in charge.tiers
            )
            return f"{charge.charge} per {_units(charge.per, charge.of)} ({tiers})"


def _units(per: int, of: str) -> str:
    return f"{per:,} {_noun(of)}" if per != 1 else _noun(of).removesuffix("s")


def _noun(of: str) -> str:
    return _QUANTITIES.get(of, of.replace("_", " "))
