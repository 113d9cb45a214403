"""Commands about subscriptions."""

from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from ledger.domain.amounts import check_amount
from ledger.domain.commands.command import check_id, check_instant
from ledger.domain.errors import InvalidField
from ledger.domain.plans.subscribed import STATUS_RANKS, PaymentReason, SubscriptionPayment, SubscriptionStatus
from ledger.domain.plans.terms import Interval, Terms

LONGEST_INTERVAL = {"days": 3_660, "months": 120}
"""The longest interval of a plan: ten years."""
LONGEST_GRACE = 366 * 86_400
FIRST_YEAR, LAST_YEAR = 2000, 2500
"""The moments of subscriptions: their windows are counted, and no calendar ends within them."""
MAX_QUANTITY = 10_000
MAX_WINDOW_CREDITS = 10**11
"""The most that a plan gives in one window. Times the largest quantity it is still an exact amount."""


@dataclass(frozen=True, slots=True)
class RecordSubscription:
    """Record what a provider says about a subscription, as it was at `as_of`; in any order and number.

    `terms` are those of the plan that it names. `pays` names a payment of which this word tells the plan.
    """

    account_id: str
    subscription_id: str
    provider: str
    status: SubscriptionStatus
    terms: Terms
    as_of: datetime
    quantity: int = 1
    period_start: datetime | None = None
    period_end: datetime | None = None
    ends_at: datetime | None = None
    next_plan: str | None = None
    trial_ends_at: datetime | None = None
    pays: str | None = None

    def __post_init__(self) -> None:
        check_id("subscription_id", self.subscription_id)
        check_id("provider", self.provider)
        check_id("next_plan", self.next_plan)
        check_id("pays", self.pays)
        if self.status not in STATUS_RANKS:
            raise InvalidField("status", f"must be one of {', '.join(STATUS_RANKS)}", self.status)
        check_terms(self.terms, self.quantity)
        _check_period(self.period_start, self.period_end)
        for name in ("as_of", "ends_at", "trial_ends_at"):
            _check_moment(name, getattr(self, name))


def word_key(command: RecordSubscription) -> str:
    """The idempotency key of a word whose caller gives none: its subscription, its time and its status."""
    return f"{command.subscription_id}:{command.as_of.isoformat()}:{command.status}"


def check_terms(terms: Terms, quantity: int) -> None:
    """Raise InvalidField unless the terms and a quantity are within their limits."""
    check_id("plan", terms.plan)
    check_amount(terms.version, "plan_version")
    for name, credits in (("credits", terms.credits), ("trial_credits", terms.trial_credits)):
        check_amount(credits, name, least=0)
        if credits > MAX_WINDOW_CREDITS:
            raise InvalidField(name, f"must be at most {MAX_WINDOW_CREDITS}", credits)
    _check_quantity(quantity)
    _check_interval("every", terms.every)
    if terms.billed is not None:
        _check_interval("billed", terms.billed)
    if not 0 <= terms.grace_seconds <= LONGEST_GRACE:
        raise InvalidField("grace_seconds", f"must be from 0 to {LONGEST_GRACE}", terms.grace_seconds)
    if terms.unused is not None:
        check_amount(terms.unused.cap, "cap", least=0)
        check_amount(terms.unused.periods, "periods")
        if terms.unused.periods > 120:
            raise InvalidField("periods", "must be at most 120", terms.unused.periods)


def check_payment(what: SubscriptionPayment) -> None:
    """Raise InvalidField unless what a payment is for is within its limits."""
    check_id("subscription_id", what.subscription_id)
    if what.reason not in get_args(PaymentReason):
        raise InvalidField("reason", f"must be one of {', '.join(get_args(PaymentReason))}", what.reason)
    _check_moment("paid_at", what.paid_at)
    _check_period(what.period_start, what.period_end)
    _check_quantity(what.quantity)
    if what.terms is not None:
        check_terms(what.terms, what.quantity)


def _check_quantity(quantity: int) -> None:
    check_amount(quantity, "quantity")
    if quantity > MAX_QUANTITY:
        raise InvalidField("quantity", f"must be at most {MAX_QUANTITY}", quantity)


def _check_interval(field: str, interval: Interval) -> None:
    longest = LONGEST_INTERVAL[interval.unit]
    if not 1 <= interval.length <= longest:
        raise InvalidField(field, f"must be from 1 to {longest} {interval.unit}", interval.length)


def _check_period(start: datetime | None, end: datetime | None) -> None:
    _check_moment("period_start", start)
    _check_moment("period_end", end)
    if start is not None and end is not None and end <= start:
        raise InvalidField("period_end", "must be after period_start", end.isoformat())


def _check_moment(field: str, moment: datetime | None) -> None:
    if moment is None:
        return
    check_instant(field, moment)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise InvalidField(field, f"must be in the years {FIRST_YEAR} to {LAST_YEAR}", moment.isoformat())
