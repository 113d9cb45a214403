"""The deliveries of our own provider: small payloads, each with an id by which the same one is known again.

`billing.providers.manual` reads them. Ids of payments and subscriptions are its own here: `pay_` or `sub_` and what
the id of a checkout has after `chk_`.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from billing.checkouts.checkout import Bought, Checkout
from billing.facts import DisputeState, PaymentStatus, Reason
from billing.providers.signatures import signature

Status = Literal["trialing", "active", "past_due", "ended"]
"""What a subscription of ours can be."""


@dataclass(frozen=True, slots=True)
class Event:
    """What is delivered: its id, and the JSON of its body."""

    delivery_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """An event with the headers of Standard Webhooks."""

    headers: Mapping[str, str]
    body: bytes


def sign(event: Event, key: bytes, now: datetime) -> Signed:
    """An event as it is delivered now."""
    sent = str(int(now.timestamp()))
    made = signature(key, f"{event.delivery_id}.{sent}.".encode() + event.body)
    headers = {
        "webhook-id": event.delivery_id,
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }
    return Signed(headers, event.body)


def payment_id(checkout: Checkout) -> str:
    """The id of the payment of a checkout: there is one for each."""
    return f"pay_{checkout.checkout_id.removeprefix('chk_')}"


def payment_event(
    checkout: Checkout,
    status: PaymentStatus,
    reason: Reason,
    at: datetime,
    *,
    live: bool,
    subscription_id: str | None = None,
    period: tuple[datetime, datetime] | None = None,
) -> Event:
    """The payment of a checkout failed, or was paid."""
    paid = payment_id(checkout)
    data = {
        "payment_id": paid,
        "checkout_id": checkout.checkout_id,
        "account_id": checkout.account_id,
        "amount_minor": checkout.amount_minor,
        "currency": checkout.currency,
        "reason": reason,
        "item": item_fields(checkout.bought),
        "subscription_id": subscription_id,
        "period_start": period[0] if period else None,
        "period_end": period[1] if period else None,
    }
    return _event(f"{paid}_{status}", f"payment.{status}", at, data, live=live)


def dispute_event(checkout: Checkout, state: DisputeState, at: datetime, *, live: bool) -> Event:
    """The payment of a checkout is disputed, or was."""
    paid = payment_id(checkout)
    data = {"dispute_id": f"dp_{paid}", "payment_id": paid, "amount_minor": checkout.amount_minor}
    return _event(f"{paid}_dispute_{state}", f"dispute.{state}", at, data, live=live)


def subscription_event(
    subscription_id: str,
    status: Status,
    at: datetime,
    said: Mapping[str, Any],
    bought: Bought,
    following: Bought | None,
    *,
    live: bool,
) -> Event:
    """What a subscription is at a moment; `said` is whose it is, and its times."""
    data = {
        "subscription_id": subscription_id,
        **said,
        "item": item_fields(bought),
        "next_item": item_fields(following) if following is not None else None,
    }
    return _event(f"{subscription_id}_{status}_{at.isoformat()}", f"subscription.{status}", at, data, live=live)


def item_fields(bought: Bought) -> dict[str, Any]:
    """What is bought, as payloads have it."""
    return {
        "kind": bought.kind,
        "id": bought.entry_id,
        "version": bought.version,
        "price": bought.price,
        "quantity": bought.quantity,
    }


def _event(delivery_id: str, kind: str, at: datetime, data: Mapping[str, Any], *, live: bool) -> Event:
    said = {"type": kind, "at": at, "live": live, "data": data}
    return Event(delivery_id, orjson.dumps(said, option=orjson.OPT_UTC_Z))
