"""The subscription of a person or their team: in the shapes that front ends of such products expect, with more beside
them."""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from api.contract.bodies import Body, WebAddress
from api.contract.people.answers import FREE
from billing.changes.asked import Asked
from billing.plans import ENTRY_ID, PlanPrice
from ledger.domain.commands import MAX_ID
from ledger.domain.plans.subscribed import SubscriptionStatus
from ledger.explain.money import in_units
from ledger.explain.subscriptions.answer import SubscriptionNow

BillingPeriod = Literal["monthly", "yearly"]


class ChosenTierBody(Body):
    """Go to a better plan, or buy the first one."""

    tier: Annotated[
        str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=ENTRY_ID), Field(description="the id of a plan")
    ]
    billing_period: BillingPeriod = "monthly"
    return_url: WebAddress | None = Field(
        None, description="where the page to pay on leads back to; default: our page of plans"
    )


class NextInvoice(TypedDict):
    """What is paid next, by the catalogue: taxes and discounts of the provider are not known here."""

    amount: Annotated[float, Field(description="in units of the currency, to be shown; count with `amount_minor`")]
    amount_minor: int
    currency: str
    date: datetime


class OwnSubscriptionAnswer(Answer):
    """The active subscription that counts. Without one all but the tier is null, and there are no features."""

    tier: Annotated[str, Field(description="its plan; `free` without one")]
    status: SubscriptionStatus | None
    subscription_id: str | None
    customer_id: Annotated[str | None, Field(description="null: the ledger keeps no customers of providers")]
    current_period_start: datetime | None
    current_period_end: datetime | None
    cancel_at_period_end: bool
    cancel_at: Annotated[datetime | None, Field(description="when it ends; null: it renews")]
    next_tier: Annotated[str | None, Field(description="the plan as which it renews, if that is another one")]
    features: Annotated[list[str], Field(description="of the plan, for people to read")]
    next_invoice: Annotated[NextInvoice | None, Field(description="null: nothing more is paid, or nobody knows what")]


class TierAnswer(Answer):
    """Where to pay. Nothing is granted before the payment is here."""

    checkout_url: Annotated[str | None, Field(description="null: the provider charges the plan now, without a page")]
    expires_at: Annotated[datetime | None, Field(description="when that page closes, if the provider tells it")]
    effect: Annotated[
        Literal["now", "checkout"], Field(description="when the plan changes: at once, or when it is paid")
    ]


class CancelledAnswer(Answer):
    """A subscription that does not renew."""

    message: str
    cancel_at: datetime | None


class ReactivatedAnswer(Answer):
    """A subscription that renews as it is."""

    message: str
    status: SubscriptionStatus


class Renewal(NamedTuple):
    """The price at which a subscription renews, and how many are paid."""

    price: PlanPrice
    quantity: int


def own_subscription_answer(
    now: SubscriptionNow | None, features: tuple[str, ...], renewal: Renewal | None
) -> OwnSubscriptionAnswer:
    """The active subscription as JSON; None without one."""
    cancel_at = now and now["cancel_at"]
    return {
        "tier": (now and now["plan"]) or FREE,
        "status": now and now["status"],
        "subscription_id": now and now["subscription_id"],
        "customer_id": None,
        "current_period_start": now and now["current_period_start"],
        "current_period_end": now and now["current_period_end"],
        "cancel_at_period_end": cancel_at is not None,
        "cancel_at": cancel_at,
        "next_tier": now and now["next_plan"],
        "features": list(features),
        "next_invoice": _next_invoice(now, renewal),
    }


def _next_invoice(now: SubscriptionNow | None, renewal: Renewal | None) -> NextInvoice | None:
    date = now and now["current_period_end"]
    if renewal is None or date is None:
        return None
    price = renewal.price
    amount = price.amount_minor * renewal.quantity
    units = float(in_units(amount, price.currency))
    return {"amount": units, "amount_minor": amount, "currency": price.currency, "date": date}


def tier_answer(url: str | None, expires_at: datetime | None, *, paid_on_page: bool) -> TierAnswer:
    """Where to pay, as JSON."""
    return {"checkout_url": url, "expires_at": expires_at, "effect": "checkout" if paid_on_page else "now"}


def cancelled_answer(asked: Asked) -> CancelledAnswer:
    """A cancellation as JSON."""
    return {"message": "Subscription will be canceled at period end", "cancel_at": asked.at}


def reactivated_answer(asked: Asked) -> ReactivatedAnswer:
    """A subscription that goes on, as JSON."""
    return {"message": "Subscription reactivated successfully", "status": asked.status}
