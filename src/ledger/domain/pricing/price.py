"""The price of usage, as it is answered and as an event keeps it for ever. Nothing ever computes it again."""

from typing import Literal, NamedTuple

LineKind = Literal["flat", "per_unit", "package", "graduated", "volume", "minimum"]
Why = Literal["no_book", "no_rate", "not_charged", "nothing_said", "too_much"]


class PriceLine(NamedTuple):
    """One line of a price: what a charge of the rate comes to, exactly.

    `units` of the quantity `of` at `rate` credits for `per` of them; of tiers it is the `tier`, counted from 1.
    """

    charge: LineKind
    credits: str
    of: str | None = None
    units: int | None = None
    rate: str | None = None
    per: int | None = None
    tier: int | None = None


class FittingRate(NamedTuple):
    """The rate of a book that fits: its three globs, which no other rate of the book has."""

    provider: str
    model: str
    metric: str


class Price(NamedTuple):
    """What usage costs: `credits` is `exact` rounded up, and the lines add up to `exact`.

    `book` is the version of the price book, `sha256` the hash of its content in hex.
    """

    book: int
    sha256: str
    credits: int
    exact: str
    fits: FittingRate
    lines: tuple[PriceLine, ...]


class NoPrice(NamedTuple):
    """Why usage has no price: no book is in force, no rate fits, the rate does not cover what the usage says, or the
    credits are more than an amount can be.

    `fields` are the quantities that are said and not charged, or those of which one must be said.
    """

    why: Why
    book: int | None = None
    fields: tuple[str, ...] = ()


Priced = Price | NoPrice
"""What a book says about some usage."""
