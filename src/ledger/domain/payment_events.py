"""The events about payments, disputes and subscriptions, and what every event has. The others are in events.py."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledger.domain.amounts import Balance
from ledger.domain.holds import Awaited, Returns
from ledger.domain.lots import Draws
from ledger.domain.plans.subscribed import SubscriptionPayment, SubscriptionStatus
from ledger.domain.plans.terms import Terms

PaymentStatus = Literal["paid", "failed", "refunded"]
DisputeState = Literal["open", "won", "lost"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """When an event was recorded, and the balance after it."""

    recorded_at: datetime
    balance: Balance


@dataclass(frozen=True, slots=True)
class PaymentRecorded(Recorded):
    """A provider reported a payment, in minor units of its currency. It buys `grant_id`, or several `grant_ids`.

    One for a `subscription` buys the allowances of a time, which are grants with its id. Time alone grants the next of
    them at `next_allowance_at`, as far as is known.
    """

    payment_id: str
    provider: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    plan: str | None = None
    grant_id: str | None = None
    grant_ids: tuple[str, ...] | None = None
    subscription: SubscriptionPayment | None = None
    next_allowance_at: datetime | None = None

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


@dataclass(frozen=True, slots=True)
class SubscriptionRecorded(Recorded):
    """A provider reported the state of a subscription at `as_of`, by its own clock.

    It is a state and not an intention: whether somebody upgraded, cancelled or came back shows in two of them.
    `pays` names the payment whose plan it tells, if it tells one. `next_allowance_at` is when time alone grants the
    next allowance, as far as is known; None when it grants none.
    """

    subscription_id: str
    provider: str
    status: SubscriptionStatus
    terms: Terms
    as_of: datetime
    quantity: int
    period_start: datetime | None = None
    period_end: datetime | None = None
    ends_at: datetime | None = None
    next_plan: str | None = None
    trial_ends_at: datetime | None = None
    pays: str | None = None
    next_allowance_at: datetime | None = None
