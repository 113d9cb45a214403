"""What is said of the subscriptions of an account: the state of each at a moment, and its next allowance."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ledger.domain.account import Account
from ledger.domain.plans.subscribed import SubscriptionStatus
from ledger.domain.plans.terms import Terms
from ledger.domain.subscriptions.entitlements import Period, credits_at, ended_at, next_window, periods
from ledger.domain.subscriptions.subscription import Subscription

ACTIVE: frozenset[SubscriptionStatus] = frozenset({"trialing", "active", "past_due"})
"""The statuses of a subscription that runs."""


class NextAllowance(TypedDict):
    """The credits that come next."""

    at: datetime
    credits: int
    needs_payment: Annotated[bool, Field(description="whether they come with the next payment, not by time alone")]


class SubscriptionNow(TypedDict):
    """A subscription at a moment."""

    subscription_id: str
    provider: str
    status: SubscriptionStatus
    plan: Annotated[str | None, Field(description="null: only payments are known, and none names its plan")]
    plan_version: int | None
    quantity: int
    current_period_start: datetime | None
    current_period_end: Annotated[datetime | None, Field(description="null: a plan without a price has no end")]
    cancel_at: Annotated[datetime | None, Field(description="when it ends; null: it renews")]
    next_plan: str | None
    trial_ends_at: datetime | None
    next_allowance: NextAllowance | None


def subscriptions_now(account: Account, at: datetime) -> list[SubscriptionNow]:
    """The subscriptions of an account, the one that counts first: an active one before others, then the better plan."""
    known = [(one, terms_now(one, at)) for one in reversed(account.subscriptions.all)]
    known.sort(key=lambda each: (_status(each[0], at) not in ACTIVE, -(each[1].rank if each[1] else 0)))
    return [_now(one, terms, at) for one, terms in known]


def active_of(now: Sequence[SubscriptionNow]) -> SubscriptionNow | None:
    """The subscription that is active and counts; None when there is none."""
    return next((one for one in now if one["status"] in ACTIVE), None)


def _now(one: Subscription, terms: Terms | None, at: datetime) -> SubscriptionNow:
    last, period = one.last, _current(one, at)
    quantity = last.quantity if last is not None else period.quantity if period is not None else 1
    start = period.start if period is not None else last.period_start if last is not None else None
    end = period.end if period is not None else last.period_end if last is not None else None
    status = _status(one, at)
    return {
        "subscription_id": one.subscription_id,
        "provider": one.provider,
        "status": status,
        "plan": terms.plan if terms is not None else None,
        "plan_version": terms.version if terms is not None else None,
        "quantity": quantity,
        "current_period_start": start,
        "current_period_end": end,
        "cancel_at": last.ends_at if last is not None else None,
        "next_plan": last.next_plan if last is not None else None,
        "trial_ends_at": last.trial_ends_at if last is not None else None,
        "next_allowance": _next_allowance(one, terms, end, status),
    }


def _status(one: Subscription, at: datetime) -> SubscriptionStatus:
    """What the provider said, or what time has made of it."""
    last, ended = one.last, ended_at(one)
    if last is None:
        period = _current(one, at)
        return "active" if period is not None and (period.end is None or at < period.end) else "past_due"
    if ended is not None or (last.ends_at is not None and last.ends_at <= at):
        return "ended"
    return last.status


def _current(one: Subscription, at: datetime) -> Period | None:
    """The period at a moment, or the last one before it; None when nothing was paid for."""
    begun = [period for period in periods(one) if period.start <= at]
    return max(begun, key=lambda period: period.start, default=None)  # those without a price come last in the list


def terms_now(one: Subscription, at: datetime) -> Terms | None:
    """The terms of the plan of a subscription: by the newest word, or else by what was paid for. None: nobody says."""
    if one.last is not None:
        return one.last.terms
    period = _current(one, at)
    if period is None:
        return None
    return period.changes[-1][1] if period.changes else period.terms


def _next_allowance(
    one: Subscription, terms: Terms | None, end: datetime | None, status: SubscriptionStatus
) -> NextAllowance | None:
    at = next_window(one)
    if at is not None:
        return {"at": at, "credits": credits_at(one, at), "needs_payment": False}
    last = one.last
    renews = status in ACTIVE and last is not None and last.ends_at is None and last.next_plan is None
    if not renews or terms is None or terms.billed is None or end is None or last is None:
        return None
    return {"at": end, "credits": terms.credits * last.quantity, "needs_payment": True}
