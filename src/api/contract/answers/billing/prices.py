"""What answers say of prices: the price of usage, the price book, and estimates."""

from datetime import datetime
from typing import Annotated, Literal, NotRequired, Required

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer, ProblemDocument
from api.contract.answers.billing.checkouts import WayOut
from api.contract.answers.limits import LimitLeft
from billing.prices.table import BookVersion, Published
from ledger.domain.pricing.price import LineKind, Price, PriceLine
from ledger.explain.balance_answer import BalanceFields

ExactText = Annotated[str, Field(description="an exact number of credits: an integer, a decimal number or a fraction")]


class PriceLineFields(TypedDict):
    """One line of a price: what a charge comes to, and the units, their rate and their tier if it counts any."""

    charge: LineKind
    credits: ExactText
    of: NotRequired[Annotated[str, Field(description="the quantity that it counts")]]
    units: NotRequired[int]
    rate: NotRequired[Annotated[ExactText, Field(description="credits for `per` units")]]
    per: NotRequired[int]
    tier: NotRequired[Annotated[int, Field(description="the tier, counted from 1")]]


class RateGlobs(TypedDict):
    """What the rate that fits is for."""

    provider: str
    model: str
    metric: str


class PriceFields(TypedDict):
    """What usage costs, and by which version of the price book."""

    credits: Annotated[int, Field(description="`exact`, rounded up once")]
    exact: Annotated[ExactText, Field(description="the sum of the lines")]
    price_book: Annotated[int, Field(description="the version of the price book")]
    sha256: Annotated[str, Field(description="of the content of that version, in hex")]
    fits: Annotated[RateGlobs, Field(description="the most specific rate that matches the usage")]
    lines: list[PriceLineFields]


class PriceIfAny(TypedDict, total=False):
    """The price, where the usage was priced."""

    price: Annotated[PriceFields, Field(description="absent where the caller said the amount")]


UNPRICED: PriceIfAny = {}


def price_fields(price: Price) -> PriceFields:
    """A price as it is answered."""
    return {
        "credits": price.credits,
        "exact": price.exact,
        "price_book": price.book,
        "sha256": price.sha256,
        "fits": {"provider": price.fits.provider, "model": price.fits.model, "metric": price.fits.metric},
        "lines": [_line_fields(line) for line in price.lines],
    }


def price_if_any(price: Price) -> PriceIfAny:
    """The field of a price."""
    return {"price": price_fields(price)}


def _line_fields(line: PriceLine) -> PriceLineFields:
    charge, credits, of, units, rate, per, tier = line
    if of is None or units is None or rate is None or per is None:
        return {"charge": charge, "credits": credits}
    fields: PriceLineFields = {"charge": charge, "credits": credits, "of": of, "units": units, "rate": rate, "per": per}
    if tier is not None:
        fields["tier"] = tier
    return fields


class BookVersionFields(TypedDict):
    """One version of the price book, without its rates."""

    version: int
    effective_at: Annotated[datetime, Field(description="from when on it is in force")]
    sha256: Annotated[str, Field(description="of its canonical JSON, in hex")]
    created_by: Annotated[str, Field(description="the key or the operator who published it")]
    created_at: datetime
    rate_count: int


class PriceBooksAnswer(Answer):
    """All versions of the price book, the newest first, and which one is in force."""

    in_force: Annotated[int | None, Field(description="the version in force; null: nothing has a price")]
    price_books: list[BookVersionFields]


class TierFields(TypedDict):
    """A tier: credits for `per` units, up to a number of units."""

    up_to: int | None
    credits: ExactText


class ChargeFields(TypedDict, total=False):
    """A charge of a rate; which fields it has depends on its kind."""

    charge: Required[Literal["flat", "per_unit", "package", "graduated", "volume"]]
    of: str
    credits: ExactText
    per: int
    tiers: list[TierFields]


class RateFields(RateGlobs):
    """A rate: what it is for, its charges, the minimum, and the quantities that it names free."""

    charges: list[ChargeFields]
    minimum: ExactText
    free: list[str]


class PriceBookAnswer(BookVersionFields, Answer):
    """One version of the price book."""

    rates: list[RateFields]


class LimitBefore(LimitLeft):
    """A limit that would count some usage."""

    binds: Annotated[bool, Field(description="whether it would refuse the usage")]


class OfAccountIfAny(TypedDict, total=False):
    """What the price means to an account, where one is named."""

    account_id: str
    balance: BalanceFields
    sufficient: Annotated[bool, Field(description="whether the available credits cover the price")]
    shortfall: Annotated[int, Field(description="the credits that are missing")]
    limits: Annotated[list[LimitBefore], Field(description="the limits that would count it, as they are before it")]
    refusal: Annotated[
        ProblemDocument | None, Field(description="what a deduction of it would be answered now; null: it would pass")
    ]
    ways_out: Annotated[list[WayOut], Field(description="the ways out of that refusal, if it has any")]


class EstimateAnswer(PriceFields, OfAccountIfAny, Answer):
    """What usage would cost, and whether an account could pay it now. Nothing is recorded."""


def version_fields(version: BookVersion) -> BookVersionFields:
    """A version without its rates."""
    return {
        "version": version.version,
        "effective_at": version.effective_at,
        "sha256": version.sha256.hex(),
        "created_by": version.created_by,
        "created_at": version.created_at,
        "rate_count": version.rates,
    }


def price_book_answer(found: Published) -> PriceBookAnswer:
    """A version with its rates."""
    return {**version_fields(found.version), "rates": found.document.as_json()["rates"]}
