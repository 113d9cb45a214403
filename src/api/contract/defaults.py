"""What settings say where the body of a command says nothing."""

from dataclasses import dataclass
from datetime import timedelta

from ledger.domain.commands import BACK_DATING, IfFrozen, OnDispute
from ledger.domain.holds import LONGEST_LIFE


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
