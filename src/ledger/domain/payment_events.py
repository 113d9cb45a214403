"""The events about payments, and what every event has. All others are in events.py, which has these too."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledger.domain.amounts import Balance

PaymentStatus = Literal["paid", "failed", "refunded"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """When an event was recorded, and the balance after it."""

    recorded_at: datetime
    balance: Balance


@dataclass(frozen=True, slots=True)
class PaymentRecorded(Recorded):
    """A provider reported a payment, in minor units of its currency. It buys `grant_id`, or several `grant_ids`."""

    payment_id: str
    provider: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    plan: str | None = None
    grant_id: str | None = None
    grant_ids: tuple[str, ...] | None = None

    @property
    def bought(self) -> tuple[str, ...]:
        """The ids of all grants that it bought."""
        return self.grant_ids or ((self.grant_id,) if self.grant_id is not None else ())


@dataclass(frozen=True, slots=True)
class PaymentRefunded(Recorded):
    """Money was refunded. Old events have no `provider`: theirs is the account's first payment with that id."""

    payment_id: str
    refund_id: str
    amount_minor: int
    refunded_minor: int
    """All money refunded of this payment so far, including this refund."""
    provider: str | None = None
