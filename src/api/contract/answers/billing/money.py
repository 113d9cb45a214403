"""The answers about money over all accounts: disputes, subscriptions, and what they come to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import AsOf, ListPage
from audit.revenue.months import Month
from ledger.domain.events import DisputeState
from ledger.domain.plans.subscribed import SubscriptionStatus
from projections.models.payments.queries import Revenue


class ListedDispute(TypedDict):
    """A dispute of a payment. Money is in minor units of its currency."""

    account_id: str
    provider: str
    payment_id: str
    dispute_id: str
    state: DisputeState
    amount_minor: Annotated[int, Field(description="of the payment: disputed, won back, or lost")]
    currency: str
    paid_minor: int
    refunded_minor: int
    paid_at: Annotated[datetime, Field(description="when the payment was recorded")]
    changed_at: datetime


class DisputesAnswer(ListPage):
    """Disputes, those that changed last first."""

    disputes: list[ListedDispute]


class ListedSubscription(TypedDict):
    """A subscription as the projection has it; `GET /v1/accounts/{account_id}/subscription` is never stale."""

    account_id: str
    subscription_id: str
    provider: str
    status: SubscriptionStatus
    plan: Annotated[str | None, Field(description="null: only payments are known, and none names its plan")]
    plan_version: int | None
    quantity: int | None
    current_period_start: datetime | None
    current_period_end: datetime | None
    cancel_at: datetime | None
    next_plan: str | None
    trial_ends_at: datetime | None
    next_allowance_at: Annotated[datetime | None, Field(description="when time alone grants the next allowance")]
    started_at: datetime | None
    paying_since: Annotated[datetime | None, Field(description="when money was paid for it first")]


class SubscriptionsAnswer(ListPage):
    """Subscriptions of all accounts, in the order of accounts and ids."""

    subscriptions: list[ListedSubscription]


class PlanCount(TypedDict):
    """How many subscriptions a plan has now. Those in `ending` are also in another number."""

    plan: str | None
    active: int
    trialing: int
    past_due: int
    paused: int
    incomplete: int
    ending: Annotated[int, Field(description="those that do not renew")]


class Recurring(TypedDict):
    """What the active subscriptions pay for a month, in one currency."""

    currency: str
    subscriptions: int
    monthly_minor: Annotated[int, Field(description="what their last full periods cost, divided to a month")]


class RevenueOf(TypedDict):
    """Money of one currency, in minor units, by the time of recording."""

    currency: str
    payments: int
    paid_minor: int
    refunded_minor: int
    lost_minor: Annotated[int, Field(description="in disputes")]


class BillingMonth(TypedDict):
    """One local month: from `start` on, before `end`."""

    month: Annotated[str, Field(examples=["2026-11"])]
    start: datetime
    end: datetime
    revenue: list[RevenueOf]
    paying: Annotated[int, Field(description="subscriptions that are paid for at the start")]
    began: Annotated[int, Field(description="subscriptions that were paid for the first time")]
    ended: Annotated[int, Field(description="subscriptions that were paid for and ended")]
    lost: Annotated[int, Field(description="of `paying`, those that ended")]
    churn_percent: Annotated[str | None, Field(description="lost of paying, with two decimals; null without any")]


class RevenueAnswer(AsOf):
    """Plans and recurring revenue now, and what happened in each month."""

    tz: str
    plans: list[PlanCount]
    recurring: list[Recurring]
    months: list[BillingMonth]


class EarnedMonth(TypedDict):
    """The money of one currency in one month (UTC), in minor units. A month without a movement is there too."""

    month: Annotated[str, Field(examples=["2026-11"])]
    currency: str
    paid_minor: int
    back_minor: Annotated[int, Field(description="refunds and lost disputes")]
    spent_minor: Annotated[int, Field(description="what the spent credits were worth, less what came back")]
    breakage_minor: Annotated[int, Field(description="what lapsed, was cancelled, or was paid for and never granted")]
    returned_minor: Annotated[int, Field(description="of `back_minor`, what was still deferred: it was never earned")]
    deferred_minor: Annotated[int, Field(description="what is owed at the end of the month, as credits")]
    revenue_minor: Annotated[int, Field(description="spent + breakage - (back - returned)")]


class EarnedAnswer(AsOf):
    """What of the money is earned, and what is still owed, since the first payment."""

    months: list[EarnedMonth]


def earned_month(month: Month) -> EarnedMonth:
    """A month of a currency as JSON."""
    return {
        "month": month.month,
        "currency": month.currency,
        "paid_minor": month.paid,
        "back_minor": month.back,
        "spent_minor": month.spent,
        "breakage_minor": month.breakage,
        "returned_minor": month.returned,
        "deferred_minor": month.deferred,
        "revenue_minor": month.revenue,
    }


def listed_dispute(row: Mapping[str, Any]) -> ListedDispute:
    """A row of the projection as JSON."""
    return {
        "account_id": row["account_id"],
        "provider": row["provider"],
        "payment_id": row["payment_id"],
        "dispute_id": row["dispute_id"],
        "state": row["state"],
        "amount_minor": int(row["amount_minor"]),
        "currency": row["currency"],
        "paid_minor": int(row["paid_minor"]),
        "refunded_minor": int(row["refunded_minor"]),
        "paid_at": row["paid_at"],
        "changed_at": row["changed_at"],
    }


def listed_subscription(row: Mapping[str, Any]) -> ListedSubscription:
    """A row of the projection as JSON."""
    return {
        "account_id": row["account_id"],
        "subscription_id": row["subscription_id"],
        "provider": row["provider"],
        "status": row["status"],
        "plan": row["plan"],
        "plan_version": row["plan_version"],
        "quantity": row["quantity"],
        "current_period_start": row["period_start"],
        "current_period_end": row["period_end"],
        "cancel_at": row["ends_at"],
        "next_plan": row["next_plan"],
        "trial_ends_at": row["trial_ends_at"],
        "next_allowance_at": row["next_allowance_at"],
        "started_at": row["started_at"],
        "paying_since": row["paying_since"],
    }


def revenue_fields(one: Revenue) -> RevenueOf:
    """The revenue of one currency as JSON."""
    return {
        "currency": one.currency,
        "payments": one.payments,
        "paid_minor": one.paid_minor,
        "refunded_minor": one.refunded_minor,
        "lost_minor": one.lost_minor,
    }


def percent(part: int, whole: int) -> str | None:
    """A part of a whole in percent with two decimals, rounded half up; None of nothing."""
    if not whole:
        return None
    hundredths = (20_000 * part + whole) // (2 * whole)
    return f"{hundredths // 100}.{hundredths % 100:02}"
