"""The answers about checkouts."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from billing.checkouts.checkout import Checkout, State

Way = Literal["upgrade", "top_up"]


class WayOut(TypedDict):
    """A way out of a refusal for want of credits, and the page for it."""

    way: Way
    url: str


class CheckoutAnswer(Answer):
    """A checkout. Send the buyer to `url`."""

    checkout_id: Annotated[str, Field(description="comes back in the webhooks of the payment; nobody guesses it")]
    account_id: str
    plan: str | None
    package: str | None
    version: Annotated[int, Field(description="of the plan or the package: its terms stay those of this version")]
    price: Annotated[str | None, Field(description="null: a plan without a price")]
    quantity: int
    provider: Annotated[str, Field(description="who is paid; `manual`: bank transfers, and plans that cost nothing")]
    state: Annotated[
        State,
        Field(description="`unknown`: the provider's answer was lost; send the same request with the same key again"),
    ]
    url: Annotated[str | None, Field(description="the page on which it is paid; null while it is not known")]
    amount_minor: Annotated[int, Field(description="for all of the quantity, in minor units; taxes may come on top")]
    currency: str | None
    reference: Annotated[str | None, Field(description="what stands on a bank transfer; null: it is not paid by one")]
    trial_days: Annotated[int | None, Field(description="the days of the trial that it begins; null: none")]
    created_at: datetime
    expires_at: Annotated[datetime | None, Field(description="null: the provider does not tell it")]
    paid_at: Annotated[datetime | None, Field(description="when an operator said so; null at other providers")]


def checkout_answer(checkout: Checkout, url: str | None) -> CheckoutAnswer:
    """A checkout as it is answered; `url` is the whole address of its page."""
    is_plan = checkout.kind == "plan"
    return {
        "checkout_id": checkout.checkout_id,
        "account_id": checkout.account_id,
        "plan": checkout.entry_id if is_plan else None,
        "package": None if is_plan else checkout.entry_id,
        "version": checkout.version,
        "price": checkout.price,
        "quantity": checkout.quantity,
        "provider": checkout.provider,
        "state": checkout.state,
        "url": url,
        "amount_minor": checkout.amount_minor,
        "currency": checkout.currency,
        "reference": checkout.reference,
        "trial_days": checkout.trial_days,
        "created_at": checkout.created_at,
        "expires_at": checkout.expires_at,
        "paid_at": checkout.paid_at,
    }
