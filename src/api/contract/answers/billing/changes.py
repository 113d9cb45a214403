"""The answers to wishes about a subscription: what was asked of its provider, or would be."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from billing.changes.asked import Asked
from ledger.domain.plans.subscribed import SubscriptionStatus

_RECORDED = "whether the ledger knows it; else it follows, with what the provider says"
_QUANTITY = "how many times the plan"
_AMOUNT = "the full price of an interval, in minor units"


class TimeLeftFields(TypedDict):
    """How much of the current period is left."""

    seconds: int
    of_seconds: Annotated[int, Field(description="the length of the period")]


class NewPlanFields(TypedDict):
    """The plan that a change leads to."""

    plan: str
    price: str
    quantity: Annotated[int, Field(description=_QUANTITY)]
    amount_minor: Annotated[int, Field(description=_AMOUNT)]
    currency: str


class UpgradeAnswer(Answer, NewPlanFields):
    """An upgrade: pay now, get now."""

    subscription_id: str
    provider: str
    effect: Annotated[
        Literal["now", "checkout"], Field(description="`checkout`: when it is paid on the page at `checkout_url`")
    ]
    checkout_url: str | None
    expires_at: Annotated[datetime | None, Field(description="when that page closes, if the provider tells it")]
    credits_now: Annotated[int, Field(description="the credits that come as soon as it is paid, if that is now")]
    amount_now_minor: Annotated[
        int | None, Field(description="what is to be paid now; null: the provider computes it, by the time left")
    ]
    time_left: TimeLeftFields | None
    recorded: Annotated[bool, Field(description=_RECORDED)]


class DowngradeAnswer(Answer, NewPlanFields):
    """A downgrade: nothing changes until the period ends."""

    subscription_id: str
    provider: str
    effect: Literal["period_end"]
    at: datetime
    held: Annotated[bool, Field(description="whether the ledger asks the provider for it only an hour before `at`")]
    recorded: Annotated[bool, Field(description=_RECORDED)]


class CancelAnswer(Answer):
    """A cancellation: what was paid for stays until `cancel_at`."""

    subscription_id: str
    provider: str
    effect: Literal["now", "period_end"]
    cancel_at: datetime
    recorded: Annotated[bool, Field(description=_RECORDED)]


class ReactivateAnswer(Answer):
    """A subscription that renews as it is."""

    subscription_id: str
    provider: str
    status: SubscriptionStatus
    recorded: Annotated[bool, Field(description=_RECORDED)]


class PortalAnswer(Answer):
    """A link to the page of the provider. Send the person there at once: it opens for a short time."""

    url: str


def upgrade_answer(asked: Asked) -> UpgradeAnswer:
    """The answer to an upgrade."""
    left = asked.time_left
    return {
        "subscription_id": asked.subscription_id,
        "provider": asked.provider,
        **_new_plan(asked),
        "effect": "checkout" if asked.effect == "checkout" else "now",
        "checkout_url": asked.url,
        "expires_at": asked.expires_at,
        "credits_now": asked.credits_now,
        "amount_now_minor": asked.amount_minor,
        "time_left": None if left is None else {"seconds": left.seconds, "of_seconds": left.of_seconds},
        "recorded": asked.recorded,
    }


def downgrade_answer(asked: Asked) -> DowngradeAnswer:
    """The answer to a downgrade."""
    return {
        "subscription_id": asked.subscription_id,
        "provider": asked.provider,
        **_new_plan(asked),
        "effect": "period_end",
        "at": _moment(asked),
        "held": asked.held,
        "recorded": asked.recorded,
    }


def cancel_answer(asked: Asked) -> CancelAnswer:
    """The answer to a cancellation."""
    return {
        "subscription_id": asked.subscription_id,
        "provider": asked.provider,
        "effect": "now" if asked.effect == "now" else "period_end",
        "cancel_at": _moment(asked),
        "recorded": asked.recorded,
    }


def reactivate_answer(asked: Asked) -> ReactivateAnswer:
    """The answer to a reactivation."""
    return {
        "subscription_id": asked.subscription_id,
        "provider": asked.provider,
        "status": asked.status,
        "recorded": asked.recorded,
    }


def _new_plan(asked: Asked) -> NewPlanFields:
    new = asked.new
    assert new is not None, "a change of plan has one"
    return {
        "plan": new.plan,
        "price": new.price,
        "quantity": new.quantity,
        "amount_minor": new.amount_minor,
        "currency": new.currency,
    }


def _moment(asked: Asked) -> datetime:
    assert asked.at is not None, "it has a moment"
    return asked.at
