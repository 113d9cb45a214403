"""Amounts of credits, and the balance of an account.

A credit is an integer. The ledger uses no fractions, no floats and no decimals.
"""

from datetime import datetime
from typing import Literal, NamedTuple

from ledger.domain.errors import InvalidField

MAX_AMOUNT = 2**53 - 1
"""The largest amount and the largest balance: the largest integer that every JSON reader keeps exact (RFC 8259, 6)."""

Kind = Literal["subscription", "permanent"]


def check_amount(amount: int, field: str = "amount", *, least: int = 1, hint: str = "") -> None:
    """Raise InvalidField unless `amount` is a plain integer from `least` to MAX_AMOUNT; `hint` says what else to do."""
    # bool is a subclass of int; comparing the type, without isinstance, keeps True from counting as one credit.
    if type(amount) is not int or not least <= amount <= MAX_AMOUNT:
        raise InvalidField(
            field, f"must be an integer from {least} to {MAX_AMOUNT}{hint if amount == 0 else ''}", amount
        )


class Balance(NamedTuple):
    """The credits of an account at one moment. Held credits count towards their kind until they are captured."""

    subscription: int
    permanent: int
    held: int
    subscription_expire_at: datetime | None
    """When the first open subscription lot lapses; None when no open lot lapses."""

    @property
    def total(self) -> int:
        """All credits, including held ones."""
        return self.subscription + self.permanent

    @property
    def available(self) -> int:
        """The credits that a deduction or a hold can take now."""
        return self.subscription + self.permanent - self.held


NO_CREDITS = Balance(0, 0, 0, None)
