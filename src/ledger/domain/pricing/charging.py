"""What the charges of a rate come to for some usage: the lines of its price, each exact.

A charge is prepared once for its rate: its credits for one unit, or one package, are a whole number of parts of a
credit, in the scale of the rate. What it comes to is then a product of integers. Nothing is rounded here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ledger.domain.pricing.exact import Exact, Scale
from ledger.domain.pricing.price import LineKind, PriceLine
from ledger.domain.pricing.rates import Charge, Flat, Package, PerUnit, Rate, Tiers
from ledger.domain.usage import COUNTED, Quantity, Usage

Line = tuple[PriceLine, int]
"""A line of a price, and its parts."""


class Step(NamedTuple):
    """A prepared charge, or one tier of it: `parts` for one unit, or for one package of `per` units.

    Units count from above `below` to `up_to`; None: to the last. `tier` is None where there are no tiers.
    """

    kind: LineKind
    of: Quantity | None
    parts: int
    rate: str
    per: int
    tier: int | None = None
    below: int = 0
    up_to: int | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A rate whose charges are prepared.

    `uncovered` are the quantities that usage must not say, and `needed` those of which it must say one, if any.
    """

    rate: Rate
    scale: Scale
    steps: tuple[Step, ...]
    minimum: int
    uncovered: tuple[Quantity, ...]
    needed: tuple[Quantity, ...]

    @classmethod
    def of(cls, rate: Rate) -> "Prepared":
        """The same rate."""
        scale, charged = rate.scale, rate.charged
        steps = tuple(step for charge in rate.charges for step in _steps(charge, scale))
        uncovered = tuple(name for name in COUNTED if name not in charged and name not in rate.free)
        by_count_alone = len(charged) == len(rate.charges) and "quantity" not in charged
        minimum = _parts(rate.minimum, 1, scale)
        return cls(rate, scale, steps, minimum, uncovered, charged if by_count_alone else ())


def lines_of(prepared: Prepared, usage: Usage) -> list[Line]:
    """The lines of all charges, and what is missing to the minimum, if anything."""
    lines: list[Line] = []
    total, text = 0, prepared.scale.text
    for step in prepared.steps:
        kind, of, parts, rate, per, tier, _, _ = step
        if of is None:
            lines.append((PriceLine(kind, text(parts)), parts))
        else:
            used = usage.get(of, 1 if of == "quantity" else 0)
            units = used if isinstance(used, int) else 0
            if tier is not None:
                if not _counts(step, units):
                    continue
                units = _within(step, units)
            parts *= -(-units // per) if kind == "package" else units
            lines.append((PriceLine(kind, text(parts), of, units, rate, per, tier), parts))
        total += parts
    if total < prepared.minimum:
        missing = prepared.minimum - total
        lines.append((PriceLine("minimum", text(missing)), missing))
    return lines


def _counts(step: Step, units: int) -> bool:
    """Whether a tier has a line: it has units, or it is the first one and nothing was used."""
    if step.kind == "volume" and step.up_to is not None and units > step.up_to:
        return False
    return units > step.below or not (units or step.below)


def _within(step: Step, units: int) -> int:
    """The units that count in a tier."""
    if step.kind == "volume":
        return units
    return (units if step.up_to is None else min(units, step.up_to)) - step.below


def _steps(charge: Charge, scale: Scale) -> Iterator[Step]:
    match charge:
        case Flat(credits):
            yield Step("flat", None, _parts(credits, 1, scale), str(credits), 1)
        case PerUnit(of, credits, per):
            yield Step("per_unit", of, _parts(credits, per, scale), str(credits), per)
        case Package(of, credits, per):
            yield Step("package", of, _parts(credits, 1, scale), str(credits), per)
        case Tiers(kind, of, tiers, per):
            below = 0
            for number, tier in enumerate(tiers, 1):
                parts = _parts(tier.credits, per, scale)
                yield Step(kind, of, parts, str(tier.credits), per, number, below, tier.up_to)
                below = tier.up_to or 0


def _parts(credits: Exact, per: int, scale: Scale) -> int:
    return credits.numerator * (scale.parts // (credits.denominator * per))
