"""Polar: signatures of its webhooks (Standard Webhooks), and what its events say."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from billing.facts import (
    Fact,
    Incomplete,
    Item,
    Owner,
    PaymentSeen,
    Reason,
    RefundSeen,
    SubscriptionSeen,
    SubscriptionStatus,
    linked,
)
from billing.providers.payload import Payload, parsed
from billing.providers.provider import Delivery
from billing.providers.signatures import check_standard_webhook, from_base64, text_key

_NAME = "polar"

_SUBSCRIPTION_STATUSES: dict[str, SubscriptionStatus] = {
    "incomplete": "incomplete",
    "trialing": "trialing",
    "active": "active",
    "past_due": "past_due",
    "unpaid": "past_due",
    "paused": "paused",
    "canceled": "ended",
    "incomplete_expired": "ended",
}
_PAID = frozenset({"paid", "refunded", "partially_refunded"})
_REASONS: dict[str, Reason] = {
    "subscription_create": "initial",
    "subscription_cycle": "renewal",
    "subscription_update": "change",
}
"""Any other, such as `subscription_meter_cycle`, is for usage."""


@dataclass(frozen=True, slots=True)
class Polar:
    """Polar with the secrets of its webhook."""

    secrets: Sequence[str] = field(default=(), repr=False)
    name: str = _NAME

    def __post_init__(self) -> None:
        for secret in self.secrets:
            text_key(secret)

    @property
    def events(self) -> tuple[str, ...]:
        """The types of events that matter."""
        return (*_READERS, *(f"subscription.{what}" for what in _SUBSCRIPTION_EVENTS))

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """The delivery, if its signature fits and its time is within five minutes of ours. Raises NotGenuine."""
        keys = [key for secret in self.secrets for key in _keys(secret)]
        delivery_id = check_standard_webhook(keys, headers, body, now)
        try:
            event = parsed(body)
        except Incomplete:
            return Delivery(_NAME, delivery_id, "", body)
        # Its sandbox is a host of its own with secrets of its own: the delivery does not say which.
        return Delivery(_NAME, delivery_id, event.text("type") or "", body, at=event.time("timestamp"))

    def facts(self, delivery: Delivery) -> list[Fact]:
        """What an event says. Raises Incomplete."""
        event = parsed(delivery.body)
        kind = event.needed_text("type")
        if kind.startswith("subscription."):
            return linked(_subscription(event))
        read = _READERS.get(kind)
        return linked(read(event)) if read else []


def _keys(secret: str) -> list[bytes]:
    """The keys that a secret may mean: Polar signs with its text, and began with secrets in base64."""
    decoded = from_base64(secret.strip().removeprefix("whsec_"))
    return [text_key(secret.strip()), decoded] if decoded else [text_key(secret.strip())]


def _order(event: Payload) -> Iterator[Fact]:
    """An order that is paid, with all that was refunded of it: a refund says all that the payment said."""
    order = event.at("data")
    if order.needed_text("status") not in _PAID:
        return
    order_id, subscription = _id(order.needed_text("id")), order.text("subscription_id")
    product, reason = order.text("product_id"), _REASONS.get(order.text("billing_reason") or "")
    period = _period_of(order) if subscription else None
    yield PaymentSeen(
        payment_id=order_id,
        status="paid",
        amount_minor=order.needed_whole("total_amount"),
        currency=order.needed_text("currency").upper(),
        at=order.needed_time("created_at"),
        reason=reason if subscription else "topup",
        subscription_id=_id(subscription) if subscription else None,
        items=(Item(product, order.whole("seats", "units") or 1),) if product else (),
        period_start=period.time("start_timestamp") if period else None,
        period_end=period.time("end_timestamp") if period else None,
        **_owner_of(order),
    )
    refunded = (order.whole("refunded_amount") or 0) + (order.whole("refunded_tax_amount") or 0)
    if refunded:
        yield RefundSeen(order_id, total_minor=refunded)


def _period_of(order: Payload) -> Payload | None:
    """The line of an order that says which time it pays for: a whole period before a part of one, then the largest.

    A change has a line for what is left of the old product, with a negative amount, and one for the new product.
    """
    lines = [line for line in order.each("items") if line.time("start_timestamp") and line.time("end_timestamp")]
    return max(lines, key=lambda line: (not line.is_true("proration"), _signed_amount(line)), default=None)


def _signed_amount(line: Payload) -> int:
    amount = line.at("amount").value
    return amount if isinstance(amount, int) else 0


def _subscription(event: Payload) -> Iterator[Fact]:
    subscription = event.at("data")
    status = _SUBSCRIPTION_STATUSES.get(subscription.needed_text("status"))
    if status is None:
        raise subscription.missing("status")
    yield SubscriptionSeen(
        subscription_id=_id(subscription.needed_text("id")),
        as_of=event.needed_time("timestamp"),
        status=status,
        item=Item(subscription.needed_text("product_id"), subscription.whole("seats", "units") or 1),
        period_start=subscription.time("current_period_start"),
        period_end=subscription.time("current_period_end"),
        ends_at=_ends_at(subscription, status),
        next_product=subscription.text("pending_update.product_id"),
        trial_ends_at=subscription.time("trial_end"),
        **_owner_of(subscription),
    )


def _ends_at(subscription: Payload, status: SubscriptionStatus) -> datetime | None:
    if status == "ended":
        return subscription.time("ended_at", "ends_at")
    at_period_end = subscription.is_true("cancel_at_period_end")
    return subscription.time("ends_at", "current_period_end") if at_period_end else subscription.time("ends_at")


def _owner_of(thing: Payload) -> Owner:
    """What an order or a subscription says about whose it is. Polar's customers may have our account as external id."""
    customer = thing.text("customer_id")
    return Owner(
        account=thing.text("metadata.account_id", "customer.external_id"),
        customer=_id(customer) if customer else None,
        checkout=thing.text("metadata.checkout_id"),
    )


def _id(provider_id: str) -> str:
    return f"{_NAME}:{provider_id}"


_READERS: dict[str, Callable[[Payload], Iterator[Fact]]] = {
    "order.paid": _order,
    "order.updated": _order,
    "order.refunded": _order,
}
"""The types that matter, besides those of subscriptions."""
_SUBSCRIPTION_EVENTS = (
    "created",
    "active",
    "updated",
    "cycled",
    "past_due",
    "paused",
    "resumed",
    "canceled",
    "uncanceled",
    "revoked",
)
"""Those of subscriptions that are known. Any other is read as well."""
