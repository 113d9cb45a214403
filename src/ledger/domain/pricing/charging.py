"""What the charges of a rate come to for some usage: the lines of its price, each exact.

An amount is a whole number of parts of a credit, in the scale of the rate. Nothing is rounded here.
"""

from collections.abc import Iterator
from typing import Literal

from ledger.domain.pricing.exact import Exact, Scale
from ledger.domain.pricing.price import PriceLine
from ledger.domain.pricing.rates import Charge, Flat, Package, PerUnit, Rate, Tiers
from ledger.domain.usage import Quantity, Usage

Line = tuple[PriceLine, int]
"""A line of a price, and its parts."""


def lines_of(rate: Rate, scale: Scale, usage: Usage) -> list[Line]:
    """The lines of all charges, and what is missing to the minimum, if anything."""
    lines = [line for charge in rate.charges for line in _lines(charge, scale, usage)]
    missing = _parts(rate.minimum, 1, scale) - sum([parts for _, parts in lines])
    return [*lines, (PriceLine("minimum", scale.text(missing)), missing)] if missing > 0 else lines


def units_of(usage: Usage, of: Quantity) -> int:
    """How many units of a quantity were used. A use that does not say its `quantity` is one unit."""
    value = usage.get(of, 1 if of == "quantity" else 0)
    return value if isinstance(value, int) else 0


def _parts(credits: Exact, per: int, scale: Scale) -> int:
    return credits.numerator * (scale.parts // (credits.denominator * per))


def _lines(charge: Charge, scale: Scale, usage: Usage) -> list[Line]:
    match charge:
        case PerUnit(of, credits, per):
            units = units_of(usage, of)
            return [_line("per_unit", units * _parts(credits, per, scale), scale, of, units, credits, per)]
        case Flat(credits):
            parts = _parts(credits, 1, scale)
            return [(PriceLine("flat", scale.text(parts)), parts)]
        case Package(of, credits, per):
            units = units_of(usage, of)
            return [_line("package", -(-units // per) * _parts(credits, 1, scale), scale, of, units, credits, per)]
        case Tiers():
            return list(_tier_lines(charge, units_of(usage, charge.of), scale))


def _tier_lines(charge: Tiers, units: int, scale: Scale) -> Iterator[Line]:
    """A line for each tier that has units, and at least one."""
    below = 0
    for number, tier in enumerate(charge.tiers, 1):
        is_last = tier.up_to is None or units <= tier.up_to
        if is_last or charge.kind == "graduated":
            upper = units if is_last or tier.up_to is None else tier.up_to
            within = units if charge.kind == "volume" else upper - below
            parts = within * _parts(tier.credits, charge.per, scale)
            yield _line(charge.kind, parts, scale, charge.of, within, tier.credits, charge.per, number)
        if is_last:
            return
        below = tier.up_to or 0


def _line(
    kind: Literal["per_unit", "package", "graduated", "volume"],
    parts: int,
    scale: Scale,
    of: Quantity,
    units: int,
    rate: Exact,
    per: int,
    tier: int | None = None,
) -> Line:
    return PriceLine(kind, scale.text(parts), of, units, str(rate), per, tier), parts
