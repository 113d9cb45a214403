"""What settings say where the body of a command says nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.domain.commands import BACK_DATING, IfFrozen, OnDispute
from ledger.domain.holds import LONGEST_LIFE
from ledger.domain.pricing.price import NoPrice, Priced
from ledger.domain.usage import Usage

Prices = Callable[[Usage, datetime | None], Priced]
"""The price of usage that occurred at a time; None: now."""


def no_prices(usage: Usage, at: datetime | None) -> Priced:
    """The prices where there is no price book."""
    return NoPrice("no_book")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What settings say where a body says nothing."""

    signup_credits: int = 100
    subscription_lifetime: timedelta = timedelta(days=30)
    longest_life: timedelta = LONGEST_LIFE
    """Of a hold that is extended."""
    frozen_captures: IfFrozen = "accept"
    back_dating: timedelta = BACK_DATING
    """How long before it is recorded usage may have occurred."""
    on_dispute: OnDispute = "hold"
    prices: Prices = no_prices
    """What usage costs. A command is priced where it is made, so that a decision needs no price book."""
