"""Rates: what a price book says about some usage. All numbers of credits are exact."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ledger.domain.pricing.exact import ZERO, Exact, Scale
from ledger.domain.pricing.globs import matches, overlap, specificity
from ledger.domain.pricing.price import FittingRate
from ledger.domain.usage import Quantity


@dataclass(frozen=True, slots=True)
class Flat:
    """The same credits for each use."""

    credits: Exact


@dataclass(frozen=True, slots=True)
class PerUnit:
    """`credits` for `per` units of a quantity, in proportion."""

    of: Quantity
    credits: Exact
    per: int = 1


@dataclass(frozen=True, slots=True)
class Package:
    """`credits` for each package of `per` units; the last package counts as a whole one."""

    of: Quantity
    credits: Exact
    per: int


@dataclass(frozen=True, slots=True)
class Tier:
    """`credits` for `per` units, for those up to `up_to`; None: for all that are left."""

    up_to: int | None
    credits: Exact


@dataclass(frozen=True, slots=True)
class Tiers:
    """Tiers by the units of one use.

    `graduated`: each unit at the credits of the tier that it is in. `volume`: all at those of the last one's.
    """

    kind: Literal["graduated", "volume"]
    of: Quantity
    tiers: tuple[Tier, ...]
    per: int = 1


Charge = Flat | PerUnit | Package | Tiers


@dataclass(frozen=True, slots=True)
class Rate:
    """What usage costs that its three globs match: the sum of the charges, and at least the minimum.

    `free` are quantities that cost nothing although the usage says them.
    """

    provider: str
    model: str
    metric: str
    charges: tuple[Charge, ...]
    minimum: Exact = ZERO
    free: tuple[Quantity, ...] = ()

    @property
    def fits(self) -> FittingRate:
        """Its globs."""
        return FittingRate(self.provider, self.model, self.metric)

    @property
    def specificity(self) -> tuple[tuple[bool, int], ...]:
        """How specific it is, for comparison: by its metric, then by its model, then by its provider."""
        return specificity(self.metric), specificity(self.model), specificity(self.provider)

    def matches(self, provider: str | None, model: str | None, metric: str | None) -> bool:
        """Whether it is for such usage; None: the usage does not say it."""
        return matches(self.metric, metric) and matches(self.model, model) and matches(self.provider, provider)

    def overlaps(self, other: "Rate") -> bool:
        """Whether usage exists that both match."""
        return all(overlap(*globs) for globs in zip(self.fits, other.fits, strict=True))

    @property
    def charged(self) -> tuple[Quantity, ...]:
        """The quantities that its charges count."""
        return tuple(charge.of for charge in self.charges if not isinstance(charge, Flat))

    @property
    def scale(self) -> Scale:
        """The scale in which every line of its prices is whole."""
        return Scale.of([self.minimum.denominator, *(one for charge in self.charges for one in _denominators(charge))])


def _denominators(charge: Charge) -> Iterator[int]:
    """What divides the lines of a charge."""
    match charge:
        case Flat(credits) | Package(credits=credits):
            yield credits.denominator
        case PerUnit(credits=credits, per=per):
            yield credits.denominator * per
        case Tiers(tiers=tiers, per=per):
            yield from (tier.credits.denominator * per for tier in tiers)
