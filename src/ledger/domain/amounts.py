"""Amounts of credits, and the balance that they add up to.

A credit is an integer. There are no fractions, no floats and no decimals anywhere in the ledger.
"""

from datetime import datetime
from typing import Literal, NamedTuple

from ledger.domain.errors import InvalidField

MAX_AMOUNT = 2**53 - 1
"""The largest amount and the largest balance: the last integer that every JSON reader keeps exact (RFC 8259, 6)."""

Kind = Literal["subscription", "permanent"]


def check_amount(amount: int, field: str = "amount", *, least: int = 1) -> None:
    """Raise InvalidField unless `amount` is a plain integer from `least` to MAX_AMOUNT."""
    # bool is a subclass of int; `type` and not `isinstance` is what keeps True from being one credit.
    if type(amount) is not int or not least <= amount <= MAX_AMOUNT:
        raise InvalidField(field, f"must be an integer from {least} to {MAX_AMOUNT}", amount)


class Balance(NamedTuple):
    """What an account holds at one moment, in credits. Held credits are part of their kind until captured."""

    subscription: int
    permanent: int
    held: int
    subscription_expire_at: datetime | None
    """When the first subscription lot that is still open lapses; None when there is none that does."""

    @property
    def total(self) -> int:
        """All credits, held ones included."""
        return self.subscription + self.permanent

    @property
    def available(self) -> int:
        """What a deduction or a hold could take now."""
        return self.subscription + self.permanent - self.held


NO_CREDITS = Balance(0, 0, 0, None)
