"""Explains the price that an event keeps: its lines, their sum, and that it was rounded up once.

Nothing is priced again: the lines say the rates that were in force, and only their arithmetic is checked.
"""

from collections.abc import Iterator
from fractions import Fraction

from ledger.domain.events import CreditsDeducted, CreditsHeld, Event, HoldCaptured
from ledger.domain.pricing.exact import exact
from ledger.domain.pricing.price import Price, PriceLine

_PRICED = CreditsDeducted | CreditsHeld | HoldCaptured
_QUANTITIES = {"quantity": "units", "duration_ms": "milliseconds"}
"""The words for the quantities whose names are no words."""


def why_price(event: Event) -> tuple[str, ...]:
    """How the amount came about, if it is a price."""
    if not isinstance(event, _PRICED) or event.price is None:
        return ()
    price = event.price
    book = f"version {price.book} of the price book, by its rate {rate_text(price)}"
    return f"The price is that of {book}.", f"{price_text(price)}."


def rate_text(price: Price) -> str:
    """The globs of the rate of a price, such as `openai / gpt-5* / *`: provider, model and metric."""
    return " / ".join(price.fits)


def price_text(price: Price) -> str:
    """The arithmetic of a price in a line."""
    lines = " + ".join(line_text(line) for line in price.lines)
    rounded = "" if price.exact == str(price.credits) else f", rounded up to {price.credits:,}"
    return f"{lines} = {price.exact} credits{rounded}"


def line_text(line: PriceLine) -> str:
    """A line of a price, such as `1.8 (1,200 input tokens at 1.5 per 1,000)`."""
    if line.of is None or line.units is None:
        return f"{line.credits} ({line.charge})"
    per = f" per {line.per:,}" if line.per != 1 else " each"
    whole = " in whole packages" if line.charge == "package" else ""
    tier = f", {line.charge} tier {line.tier}" if line.tier is not None else ""
    noun = _QUANTITIES.get(line.of, line.of.replace("_", " "))
    return f"{line.credits} ({line.units:,} {noun} at {line.rate}{per}{whole}{tier})"


def wrong_price(event: Event) -> Iterator[str]:
    """Violations of the arithmetic of a price, and where it is not what the event asked for."""
    if not isinstance(event, _PRICED) or event.price is None:
        return
    price = event.price
    asked = event.amount + (0 if isinstance(event, CreditsHeld) else event.uncollected or 0)
    if asked != price.credits:
        yield f"the price is {price.credits:,}, but the event is about {asked:,}"
    total = sum((_number(line.credits) for line in price.lines), Fraction())
    if total != _number(price.exact):
        yield f"the lines of the price add up to {total}, not to {price.exact}"
    if -(-total.numerator // total.denominator) != price.credits:
        yield f"the price is {price.credits:,}, but its lines add up to {total}"
    for line in price.lines:
        found = _line(line)
        if found is not None and found != _number(line.credits):
            yield f"a line of the price has {line.credits} credits, but {line.units:,} units come to {found}"


def _line(line: PriceLine) -> Fraction | None:
    """What the units of a line come to; None: it counts none."""
    if line.units is None or line.rate is None or not line.per:
        return None
    times = -(-line.units // line.per) if line.charge == "package" else Fraction(line.units, line.per)
    return times * _number(line.rate)


def _number(text: str) -> Fraction:
    return Fraction(*exact(text))
