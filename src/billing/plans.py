"""What is sold: plans, which give credits again and again, and packages of permanent credits.

The values are read strictly, from the body of a request or from a TOML file: what is missing, unknown or of another
type is refused by the name of its field. Nothing here knows of versions, which are the catalogue's. Stored versions are
read by the same rules, so a rule may be loosened later and never tightened.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import Field, Strict, StringConstraints, field_validator, model_serializer, model_validator

from billing.errors import Kind
from billing.plan_limits import ONE_LINE, CreditsOrNone, Id, PlanLimit, Strictly
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands import MAX_ID
from ledger.domain.limits import MAX_LIMITS
from ledger.domain.texts import MAX_TEXT

Provider = Literal["dodo", "lemonsqueezy", "stripe", "polar", "paddle"]
"""The providers whose products can be sold."""

ENTRY_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""The ids of plans, packages and prices: they stand in addresses, and in the names of TOML tables."""
_LINES = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"
MAX_NAME, MAX_FEATURES, MAX_PRICES = 100, 50, 20
LONGEST_GRACE = 30 * 24
"""Hours."""
LONGEST_TRIAL = 366
"""Days."""

EntryId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=ENTRY_ID)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=ONE_LINE)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=_LINES)]
Credits = Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
AppliesTo = Annotated[
    Literal["new", "all"],
    Field(description="who gets the terms of this version: who buys from now on, or those who have bought before too"),
]
Features = Annotated[tuple[Line, ...], Strict(False), Field(max_length=MAX_FEATURES)]
Rank = Annotated[int, Field(ge=0, le=1_000, description="a change to a plan of a higher rank is an upgrade")]
Grace = Annotated[
    int, Field(ge=0, le=LONGEST_GRACE, description="hours that credits last after the end of their interval")
]


class Interval(Strictly):
    """Some months or some days."""

    months: int | None = Field(None, ge=1, le=120)
    days: int | None = Field(None, ge=1, le=3_660)

    @model_validator(mode="after")
    def _has_one_unit(self) -> "Interval":
        if (self.months is None) == (self.days is None):
            raise ValueError("must have `months` or `days`, and not both")
        return self

    @model_serializer
    def _as_given(self) -> dict[str, int]:
        return {"days": self.days} if self.days is not None else {"months": self.months or 0}

    def __str__(self) -> str:
        """The interval after the word `every`: month, 3 months, year, 2 years, 14 days."""
        if self.days is not None:
            return "day" if self.days == 1 else f"{self.days} days"
        months = self.months or 0
        count, unit = (months, "month") if months % 12 else (months // 12, "year")
        return unit if count == 1 else f"{count} {unit}s"


MONTHLY = Interval(months=1, days=None)


class RollOver(Strictly):
    """What is unused at the end of an interval stays for some more, up to a cap."""

    cap: Credits = Field(description="the most credits that stay")
    periods: int = Field(1, ge=1, le=24, description="the intervals for which they stay")


class Trial(Strictly):
    """Days before the first payment, with credits of their own."""

    days: int = Field(ge=1, le=LONGEST_TRIAL)
    credits: CreditsOrNone


class Price(Strictly):
    """A price, and what providers call it. Credits follow the product of a payment, never its amount."""

    price: EntryId = Field(description="its name, unique in the plan or package")
    amount_minor: CreditsOrNone = Field(description="in minor units of the currency, such as cents")
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] = Field(description="ISO 4217")
    products: dict[Provider, Id] = Field(
        {}, description="for each provider its id: a price of Stripe, a product of Dodo, a variant of Lemon Squeezy"
    )


class PlanPrice(Price):
    """A price that is paid again and again."""

    interval: Interval = Field(description="the time that one payment pays for")


Prices = Annotated[tuple[Price, ...], Strict(False), Field(max_length=MAX_PRICES)]
PlanPrices = Annotated[tuple[PlanPrice, ...], Strict(False), Field(max_length=MAX_PRICES)]
Limits = Annotated[
    tuple[PlanLimit, ...],
    Strict(False),
    Field(max_length=MAX_LIMITS, description="limits of its subscribers, of the source `plan`"),
]


class Plan(Strictly):
    """What a subscriber gets, and what it costs. A plan without a price is free."""

    KIND: ClassVar[Kind] = "plan"
    TERMS: ClassVar = ("credits", "every", "roll_over", "grace_hours", "trial", "rank", "group", "limits")
    """What a subscriber keeps when a later version says something else."""

    name: Line
    description: Text = ""
    features: Features = ()
    rank: Rank = 0
    group: EntryId = Field("plans", description="an account has at most one plan of a group")
    credits: CreditsOrNone = Field(description="subscription credits, once in each interval")
    every: Interval = Field(MONTHLY, description="the interval of the credits, whatever the interval of the price")
    roll_over: RollOver | None = Field(None, description="null: what is unused lapses")
    grace_hours: Grace = 24
    trial: Trial | None = None
    prices: PlanPrices = ()
    limits: Limits = ()
    listed: bool = Field(True, description="whether it is shown to people who choose")
    applies_to: AppliesTo = "new"

    @field_validator("prices")
    @classmethod
    def _have_own_names(cls, prices: tuple[PlanPrice, ...]) -> tuple[PlanPrice, ...]:
        check_prices(prices)
        return prices

    @field_validator("limits")
    @classmethod
    def _have_own_ids(cls, limits: tuple[PlanLimit, ...]) -> tuple[PlanLimit, ...]:
        _check_once("limit", (limit.limit_id for limit in limits))
        return limits


class Package(Strictly):
    """Permanent credits that are bought once."""

    KIND: ClassVar[Kind] = "package"
    TERMS: ClassVar = ("credits",)

    name: Line
    description: Text = ""
    credits: Credits
    prices: Prices = ()
    needs_subscription: bool = Field(False, description="whether only who has an active subscription may buy it")
    listed: bool = Field(True, description="whether it is shown to people who choose")
    applies_to: AppliesTo = "new"

    @field_validator("prices")
    @classmethod
    def _have_own_names(cls, prices: tuple[Price, ...]) -> tuple[Price, ...]:
        check_prices(prices)
        return prices


Sold = Plan | Package
READERS: dict[Kind, type[Plan] | type[Package]] = {"plan": Plan, "package": Package}
"""What reads the body of each kind."""


def check_prices(prices: Iterable[Price]) -> None:
    """Raise ValueError if two prices have one name, or are one product of a provider."""
    prices = list(prices)
    _check_once("price", (one.price for one in prices))
    products = [f"{product_id} of {provider}" for one in prices for provider, product_id in one.products.items()]
    _check_once("product", products)


def _check_once(noun: str, names: Iterable[str]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise ValueError(f"must have an id of its own each: the {noun} {name} comes twice")
        seen.add(name)


def as_json(sold: Sold) -> dict[str, Any]:
    """The fields as JSON has them, with defaults."""
    return sold.model_dump(mode="json")


def canonical(sold: Sold) -> bytes:
    """The one form in which it is hashed: JSON with sorted names, without spaces."""
    return orjson.dumps(as_json(sold), option=orjson.OPT_SORT_KEYS)


def digest(sold: Sold) -> bytes:
    """The SHA-256 of the canonical form."""
    return sha256(canonical(sold)).digest()


def products_of(sold: Sold) -> dict[tuple[Provider, str], Price]:
    """The price of each product, by provider and product id."""
    return {(name, product_id): price for price in sold.prices for name, product_id in price.products.items()}


def terms(sold: Sold, price: Price | None = None) -> dict[str, Any]:
    """What whoever buys it keeps: the terms, and the interval of the price if it is that of a plan."""
    found = {name: getattr(sold, name) for name in sold.TERMS}
    return found | ({"interval": price.interval} if isinstance(price, PlanPrice) else {})
