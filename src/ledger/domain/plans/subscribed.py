"""What ties a payment or a grant to a subscription, as events carry it."""

from datetime import datetime
from typing import Literal, NamedTuple

from ledger.domain.plans.terms import Terms

SubscriptionStatus = Literal["incomplete", "trialing", "active", "paused", "past_due", "ended"]
STATUS_RANKS: dict[SubscriptionStatus, int] = {
    "incomplete": 0,
    "trialing": 1,
    "active": 2,
    "paused": 3,
    "past_due": 4,
    "ended": 5,
}
"""Of two words of one time about a subscription, the one with the higher rank is the later one."""
PaymentReason = Literal["initial", "renewal", "change"]


class SubscriptionPayment(NamedTuple):
    """What a payment is for: a subscription, and the time that it pays for.

    `paid_at` is the provider's clock. A payment that does not name its plan has no `terms`: they are those of the word
    about the subscription that was in force. One without a period pays for one `billed` interval from `paid_at`.
    """

    subscription_id: str
    reason: PaymentReason
    paid_at: datetime
    period_start: datetime | None = None
    period_end: datetime | None = None
    quantity: int = 1
    terms: Terms | None = None


class AllowanceOf(NamedTuple):
    """What a grant is an allowance of: a subscription, and a window of time; `trial` if that is its trial.

    `next_at` is when time alone grants the next one, as far as was known then; None when it grants none.
    """

    subscription_id: str
    window_start: datetime
    window_end: datetime
    trial: bool = False
    next_at: datetime | None = None
