"""The price book once more, naively: in fractions, with regular expressions, one rate after the other."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from ledger.domain.pricing.rates import Charge, Flat, Package, PerUnit, Rate, Tiers

QUANTITIES = ("input_tokens", "output_tokens", "cached_tokens", "quantity")
Said = Mapping[str, Any]


def number(exact: tuple[int, int]) -> Fraction:
    return Fraction(*exact)


def fits(glob: str, text: str | None) -> bool:
    if text is None:
        return glob == "*"
    return re.fullmatch(".*".join(map(re.escape, glob.split("*"))), text, re.DOTALL) is not None


def narrowness(rate: Rate) -> list[tuple[bool, int]]:
    return [("*" not in glob, len(glob.replace("*", ""))) for glob in (rate.metric, rate.model, rate.provider)]


def best(rates: Sequence[Rate], usage: Said) -> Rate | None:
    found = None
    for rate in rates:
        if all(fits(getattr(rate, name), usage.get(name)) for name in ("provider", "model", "metric")) and (
            found is None or narrowness(rate) > narrowness(found)
        ):
            found = rate
    return found


def cost(charge: Charge, usage: Said) -> Fraction:
    if isinstance(charge, Flat):
        return number(charge.credits)
    units = usage.get(charge.of, 1 if charge.of == "quantity" else 0)
    match charge:
        case PerUnit():
            return Fraction(units, charge.per) * number(charge.credits)
        case Package():
            packages = 0
            while packages * charge.per < units:
                packages += 1
            return packages * number(charge.credits)
        case Tiers(kind="volume"):
            tier = next(one for one in charge.tiers if one.up_to is None or units <= one.up_to)
            return Fraction(units, charge.per) * number(tier.credits)
        case Tiers():
            ends = [units if one.up_to is None else min(units, one.up_to) for one in charge.tiers]
            starts = [0, *ends[:-1]]
            parts = zip(charge.tiers, starts, ends, strict=True)
            return sum(
                (Fraction(end - start, charge.per) * number(tier.credits) for tier, start, end in parts), Fraction()
            )


def price(rates: Sequence[Rate], usage: Said) -> Fraction | str:
    """What usage costs exactly, or why nobody knows."""
    rate = best(rates, usage)
    if rate is None:
        return "no_rate"
    counted = [charge.of for charge in rate.charges if not isinstance(charge, Flat)]
    if any(usage.get(name) for name in QUANTITIES if name not in counted and name not in rate.free):
        return "not_charged"
    counts_only = counted and len(counted) == len(rate.charges) and "quantity" not in counted
    if counts_only and not set(counted) & set(usage):
        return "nothing_said"
    return max(sum((cost(charge, usage) for charge in rate.charges), Fraction()), number(rate.minimum))
