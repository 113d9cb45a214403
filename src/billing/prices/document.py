"""A price book as people write it: strict, exact, and with every fault named by its field.

A number of credits is an integer, or a text with a decimal number or a fraction: `"0.25"`, `"1/3"`. A float is refused,
because it is rounded before anybody sees it. Stored versions are read by the same rules, so a rule may be loosened
later and never tightened.
"""

from hashlib import sha256
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, Field, Strict, StringConstraints, WithJsonSchema, model_validator

from billing.plan_limits import Strictly
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands import MAX_ID
from ledger.domain.pricing.book import PriceBook, check_rates
from ledger.domain.pricing.exact import EXACT, Scale, exact
from ledger.domain.pricing.rates import Charge, Flat, Package, PerUnit, Rate, Tier, Tiers
from ledger.domain.usage import Quantity

MAX_RATES, MAX_CHARGES, MAX_TIERS = 2_000, 20, 50
MAX_PARTS = 10**40
"""Into how many parts the amounts of one rate may divide a credit."""
GLOB = r"^\*?([^\x00-\x1f\x7f-\x9f*]\*?)*$"
"""One line in which no two `*` stand together."""


def _as_text(value: object) -> object:
    if isinstance(value, float):
        raise ValueError('must be an integer, or a text such as "0.25" or "1/3": a float is not exact')  # noqa: TRY004
    if type(value) is not int:
        return value
    if not 0 <= value <= MAX_AMOUNT:
        raise ValueError(f"must be from 0 to {MAX_AMOUNT}")
    return str(value)


ExactNumber = Annotated[
    str,
    BeforeValidator(_as_text),
    StringConstraints(pattern=EXACT),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_AMOUNT}, {"type": "string", "pattern": EXACT}]}
    ),
]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=GLOB)]
Per = Annotated[int, Field(ge=1, le=10**9)]
Free = Annotated[
    tuple[Quantity, ...],
    Strict(False),
    Field(max_length=10, description="quantities that cost nothing although usage says them"),
]


class FlatCharge(Strictly):
    """The same credits for each use."""

    charge: Literal["flat"]
    credits: ExactNumber

    def made(self) -> Charge:
        """The charge as the rating has it."""
        return Flat(exact(self.credits))


class UnitCharge(Strictly):
    """`per_unit`: credits for `per` units of a quantity, in proportion. `package`: for each package begun."""

    charge: Literal["per_unit", "package"]
    of: Quantity
    credits: ExactNumber
    per: Per = 1

    def made(self) -> Charge:
        """The charge as the rating has it."""
        kind = PerUnit if self.charge == "per_unit" else Package
        return kind(self.of, exact(self.credits), self.per)


class TierBody(Strictly):
    """Credits for `per` units, up to a number of units; null: for all that are left."""

    up_to: int | None = Field(None, ge=1, le=MAX_AMOUNT)
    credits: ExactNumber


class TierCharge(Strictly):
    """`graduated`: each unit at its own tier. `volume`: all units at the tier of the last one."""

    charge: Literal["graduated", "volume"]
    of: Quantity
    tiers: Annotated[list[TierBody], Field(min_length=1, max_length=MAX_TIERS)]
    per: Per = 1

    def made(self) -> Charge:
        """The charge as the rating has it."""
        tiers = tuple(Tier(tier.up_to, exact(tier.credits)) for tier in self.tiers)
        return Tiers(self.charge, self.of, tiers, self.per)

    @model_validator(mode="after")
    def _rises(self) -> "TierCharge":
        ends = [tier.up_to or MAX_AMOUNT + 1 for tier in self.tiers]
        if self.tiers[-1].up_to is not None or sorted(set(ends)) != ends:
            raise ValueError("must have tiers of rising `up_to`, and only the last one without")
        return self


Charges = Annotated[
    list[Annotated[FlatCharge | UnitCharge | TierCharge, Field(discriminator="charge")]],
    Field(min_length=1, max_length=MAX_CHARGES),
]


class RateBody(Strictly):
    """What usage costs that the three globs match: the sum of the charges, and at least the minimum."""

    provider: Glob = "*"
    model: Glob = "*"
    metric: Glob = "*"
    charges: Charges
    minimum: ExactNumber = "0"
    free: Free = ()

    def made(self) -> Rate:
        """The rate as the rating has it."""
        charges = tuple(charge.made() for charge in self.charges)
        return Rate(self.provider, self.model, self.metric, charges, exact(self.minimum), self.free)

    @model_validator(mode="after")
    def _has_a_scale(self) -> "RateBody":
        scale: Scale = self.made().scale
        if scale.parts > MAX_PARTS:
            raise ValueError("must have amounts with a common denominator of at most 40 digits")
        return self


Rates = Annotated[list[RateBody], Field(min_length=1, max_length=MAX_RATES)]


class BookDocument(Strictly):
    """All rates of a price book. Of two that match some usage one must be more specific."""

    rates: Rates

    @model_validator(mode="after")
    def _is_unambiguous(self) -> "BookDocument":
        check_rates([rate.made() for rate in self.rates])
        return self

    def book(self, version: int) -> PriceBook:
        """The book that prices usage."""
        return PriceBook.of(version, self.digest.hex(), [rate.made() for rate in self.rates])

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the canonical form: JSON with sorted names, without spaces."""
        return sha256(orjson.dumps(self.as_json(), option=orjson.OPT_SORT_KEYS)).digest()

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON has them, with defaults."""
        return self.model_dump(mode="json")
