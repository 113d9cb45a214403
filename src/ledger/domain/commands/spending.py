"""Commands that take credits for good, or return them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ledger.domain.amounts import check_amount
from ledger.domain.commands.command import BACK_DATING, check_id, check_instant
from ledger.domain.pricing.price import Priced
from ledger.domain.texts import JsonObject, Sealed, check_text
from ledger.domain.usage import Usage

OnShortfall = Literal["reject", "available"]


@dataclass(frozen=True, slots=True)
class DeductCredits:
    """Take credits for good: the whole `amount` or nothing.

    `occurred_at` says when the usage occurred, at most `back_dating` before the moment of decision.
    `on_shortfall` = `available` takes what there is, when that is less, and records the rest as uncollected.
    A `price` was computed before, and its credits are the amount.
    """

    account_id: str
    amount: int
    task_id: str | None = None
    description: str | None = None
    usage: Usage | None = None
    metadata: JsonObject | Sealed | None = None
    occurred_at: datetime | None = None
    back_dating: timedelta = BACK_DATING
    on_shortfall: OnShortfall = "reject"
    price: Priced | None = None

    def __post_init__(self) -> None:
        if self.price is None:
            check_amount(self.amount, hint="; usage that costs nothing is metered")
        check_id("task_id", self.task_id)
        check_text("description", self.description)
        if self.occurred_at is not None:
            check_instant("occurred_at", self.occurred_at)


@dataclass(frozen=True, slots=True)
class ReverseDeduction:
    """Reverse `amount` credits of a deduction; None reverses all that is not yet reversed.

    What was uncollected of the deduction comes first: it is waived. The rest returns to the lots.
    """

    account_id: str
    deduction_id: str
    amount: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)
        if self.amount is not None:
            check_amount(self.amount)
