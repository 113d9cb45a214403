"""The bodies about subscriptions: what is said of one, and what a payment for one is for."""

from typing import Annotated

from pydantic import Field, model_validator

from api.contract.bodies import Amount, AmountOrNone, Body, Id, Time
from ledger.domain.commands import RecordSubscription
from ledger.domain.commands.subscriptions import MAX_QUANTITY, MAX_WINDOW_CREDITS
from ledger.domain.plans.subscribed import PaymentReason, SubscriptionPayment, SubscriptionStatus
from ledger.domain.plans.terms import Interval, RollOver, Terms

Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
WindowCredits = Annotated[int, Field(ge=0, le=MAX_WINDOW_CREDITS)]


class IntervalBody(Body):
    """Some calendar months or some days: one of the two."""

    months: Annotated[int, Field(ge=1, le=120)] | None = None
    days: Annotated[int, Field(ge=1, le=3_660)] | None = None

    @model_validator(mode="after")
    def _has_one_unit(self) -> "IntervalBody":
        if (self.months is None) == (self.days is None):
            raise ValueError("must have `months` or `days`, and not both")
        return self

    def interval(self) -> Interval:
        """The same for the ledger."""
        return Interval(self.days, "days") if self.days is not None else Interval(self.months or 0, "months")


class RollOverBody(Body):
    """What becomes of credits that are unused at the end of their window."""

    cap: AmountOrNone = Field(description="the most credits that may be left when the next allowance comes")
    periods: Annotated[int, Field(ge=1, le=120)] = Field(description="how many windows longer they last")


class TermsBody(Body):
    """The terms of a plan."""

    plan: Id
    plan_version: Amount
    credits: WindowCredits = Field(description="what one window gives")
    every: IntervalBody = Field(description="how long a window is")
    billed: IntervalBody | None = Field(None, description="how long a payment pays for; default: the plan has no price")
    unused: RollOverBody | None = Field(None, description="default: what is unused lapses")
    grace_seconds: Annotated[int, Field(ge=0, le=366 * 86_400)] | None = Field(
        None, description="how long after its window an allowance lasts; default: a day"
    )
    rank: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(None, description="a higher one is a better plan")
    trial_credits: WindowCredits | None = None

    def terms(self) -> Terms:
        """The same for the ledger."""
        return Terms(
            self.plan,
            self.plan_version,
            self.credits,
            self.every.interval(),
            self.billed.interval() if self.billed is not None else None,
            RollOver(self.unused.cap, self.unused.periods) if self.unused is not None else None,
            86_400 if self.grace_seconds is None else self.grace_seconds,
            self.rank or 0,
            self.trial_credits or 0,
        )


class SubscriptionBody(Body):
    """Record what a provider says about a subscription, in any order. It grants nothing: payments and time do."""

    provider: Id
    status: SubscriptionStatus
    terms: TermsBody
    as_of: Time = Field(
        description="when it was so, by the provider's clock; the idempotency key, with the id and the status, when "
        "there is no header"
    )
    quantity: Quantity | None = Field(None, description="default: 1")
    period_start: Time | None = None
    period_end: Time | None = None
    ends_at: Time | None = Field(None, description="when it ends, if it was cancelled")
    next_plan: Id | None = None
    trial_ends_at: Time | None = None
    pays: Id | None = Field(None, description="the payment of which this tells the plan")

    def command(self, account_id: str, subscription_id: str) -> RecordSubscription:
        """The command that it asks for."""
        return RecordSubscription(
            account_id,
            subscription_id,
            self.provider,
            self.status,
            self.terms.terms(),
            self.as_of,
            self.quantity or 1,
            self.period_start,
            self.period_end,
            self.ends_at,
            self.next_plan,
            self.trial_ends_at,
            self.pays,
        )


class PaidSubscriptionBody(Body):
    """What a payment for a subscription is for."""

    subscription_id: Id
    reason: PaymentReason
    paid_at: Time = Field(description="by the provider's clock")
    period_start: Time | None = Field(None, description="default: paid_at")
    period_end: Time | None = Field(None, description="default: as long as the plan is billed for")
    quantity: Quantity | None = Field(None, description="default: 1")
    terms: TermsBody | None = Field(None, description="default: those of the subscription when it was paid")

    def payment(self) -> SubscriptionPayment:
        """The same for the ledger."""
        return SubscriptionPayment(
            self.subscription_id,
            self.reason,
            self.paid_at,
            self.period_start,
            self.period_end,
            self.quantity or 1,
            self.terms.terms() if self.terms is not None else None,
        )
