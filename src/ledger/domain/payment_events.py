"""The events about payments and disputes, and what every event has. All others are in events.py, with these."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledger.domain.amounts import Balance
from ledger.domain.holds import Awaited, Returns
from ledger.domain.lots import Draws

PaymentStatus = Literal["paid", "failed", "refunded"]
DisputeState = Literal["open", "won", "lost"]


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


@dataclass(frozen=True, slots=True)
class DisputeRecorded(Recorded):
    """A provider reported a dispute of a payment: `amount_minor` of its money are disputed, won back, or lost.

    An open dispute holds `draws` as `hold_id`, without expiry, and `awaits` more of grants that have not started. There
    is no `hold_id` when it can hold nothing. When it ends, `returns` are what it held. `changed_by` names the grant,
    the refund or the other dispute that changed what an open one holds; None in what the provider reported.
    """

    payment_id: str
    dispute_id: str
    state: DisputeState
    amount_minor: int
    provider: str
    draws: Draws
    returns: Returns
    hold_id: str | None = None
    awaits: tuple[Awaited, ...] | None = None
    reason: str | None = None
    changed_by: str | None = None
