"""Checks the price of a priced deduction, hold or capture. It was computed before: a decision computes none."""

from ledger.domain.errors import InvalidField, UsageHasNoPrice
from ledger.domain.pricing.price import NoPrice, Price, Priced
from ledger.domain.pricing.rating import words_of
from ledger.domain.usage import NO_USAGE, PRICED_BY, Usage


def checked(price: Priced, usage: Usage | None) -> Price:
    """The price of usage that the event keeps. Raises UsageHasNoPrice, and InvalidField if it is 0."""
    if isinstance(price, NoPrice):
        raise UsageHasNoPrice(price.why, price.book, price.fields, words_of(usage or NO_USAGE))
    if not price.credits:
        raise InvalidField("usage", "costs 0 credits; usage that costs nothing is metered", 0)
    return price


def check_said_again(held: Usage, said: Usage) -> None:
    """Raise InvalidField unless a priced capture names what its hold names: its price is that of what it says."""
    for name in PRICED_BY:
        if name in held and name not in said:
            raise InvalidField(f"usage.{name}", "must be said by a priced capture, because its hold says it")
    if "metric" in held and "quantity" not in said:
        raise InvalidField("usage.quantity", "must be said by a priced capture, because its hold counts a metric")
