"""Lemon Squeezy: signatures of its webhooks, and what its events say.

A delivery has no id and no time that is signed: it is known by the hash of its body. Orders and invoices have ids of
two series that overlap, so ours say which they are. It gives up after four attempts in 155 seconds.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from billing.facts import (
    Fact,
    Incomplete,
    InvoiceSeen,
    Item,
    Owner,
    PaymentSeen,
    PaymentStatus,
    Reason,
    RefundSeen,
    SubscriptionSeen,
    SubscriptionStatus,
    linked,
)
from billing.providers.payload import Payload, parsed
from billing.providers.provider import Delivery
from billing.providers.signatures import check_signed, from_hex, header, text_key

_NAME = "lemonsqueezy"
_ENDS = re.compile(r"[?&]expires=")

_SUBSCRIPTION_STATUSES: dict[str, SubscriptionStatus] = {
    "on_trial": "trialing",
    "active": "active",
    "paused": "paused",
    "past_due": "past_due",
    "unpaid": "past_due",
    # It runs until `ends_at`, and then is `expired`.
    "cancelled": "active",
    "expired": "ended",
}
_ORDER_STATUSES: dict[str, PaymentStatus] = {
    "paid": "paid",
    "refunded": "paid",
    "partial_refund": "paid",
    "failed": "failed",
}
_REASONS: dict[str, Reason] = {
    "initial": "initial",
    "renewal": "renewal",
    "updated": "change",
}


@dataclass(frozen=True, slots=True)
class LemonSqueezy:
    """Lemon Squeezy with the signing secrets of its webhook: two while one is changed."""

    secrets: Sequence[str] = field(default=(), repr=False)
    name: str = _NAME

    def __post_init__(self) -> None:
        for secret in self.secrets:
            text_key(secret)

    @property
    def events(self) -> tuple[str, ...]:
        """The types of events that matter."""
        return tuple(_READERS)

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """The delivery, if its `X-Signature` fits. It has no time that could be too old. Raises NotGenuine.

        `X-Event-Name` is not signed, so the name in the body counts.
        """
        check_signed(map(text_key, self.secrets), body, [from_hex(header(headers, "x-signature"))])
        return delivery_of(body)

    def facts(self, delivery: Delivery) -> list[Fact]:
        """What an event says. Raises Incomplete."""
        event = parsed(delivery.body)
        read = _READERS.get(event.needed_text("meta.event_name"))
        return linked(read(event)) if read else []


def delivery_of(body: bytes) -> Delivery:
    """The delivery of an event that is genuine, by its body. It is known by the hash of that."""
    delivery_id = sha256(body).hexdigest()
    try:
        event = parsed(body)
    except Incomplete:
        return Delivery(_NAME, delivery_id, "", body)
    test = event.at("meta.test_mode").value
    return Delivery(
        provider=_NAME,
        delivery_id=delivery_id,
        type=event.text("meta.event_name") or "",
        body=body,
        at=event.time("data.attributes.updated_at"),
        live=not test if isinstance(test, bool) else None,
    )


# Orders: single payments, and the first payment of a subscription once more.


def _order(event: Payload) -> Iterator[Fact]:
    """An order with what was refunded of it: a refund says all that the order says, and may come first.

    The order of a subscription names the variant of a plan. Its money is seen again in the first invoice.
    """
    order = event.at("data.attributes")
    order_id = _id("order", event.needed_text("data.id"))
    status = order.needed_text("status")
    if status in _ORDER_STATUSES:
        yield _payment(
            event,
            payment_id=order_id,
            status=_ORDER_STATUSES[status],
            reason="topup",
            items=_items_of(order.at("first_order_item")),
        )
        yield from _refunds(order, order_id)
        yield from _written(order, order_id, "urls.receipt")
    elif status != "pending":
        raise order.missing("status")


def _items_of(first: Payload) -> tuple[Item, ...]:
    variant = first.text("variant_id")
    return (Item(variant, first.whole("quantity") or 1),) if variant else ()


# Invoices of subscriptions.


def _invoice(status: PaymentStatus) -> Callable[[Payload], Iterator[Fact]]:
    """The reader of an invoice. Which plan it is for it does not say: the words about the subscription do."""

    def read(event: Payload) -> Iterator[Fact]:
        invoice = event.at("data.attributes")
        invoice_id = _id("invoice", event.needed_text("data.id"))
        yield _payment(
            event,
            payment_id=invoice_id,
            status=status,
            reason=_REASONS.get(invoice.text("billing_reason") or ""),
            subscription_id=_id("subscription", invoice.needed_text("subscription_id")),
        )
        yield from _refunds(invoice, invoice_id)
        yield from _written(invoice, invoice_id, "urls.invoice_url")

    return read


def _payment(
    event: Payload,
    *,
    payment_id: str,
    status: PaymentStatus,
    reason: Reason | None,
    items: tuple[Item, ...] = (),
    subscription_id: str | None = None,
) -> PaymentSeen:
    paid = event.at("data.attributes")
    return PaymentSeen(
        payment_id=payment_id,
        status=status,
        amount_minor=paid.needed_whole("total"),
        currency=paid.needed_text("currency").upper(),
        # Not the time of its last change, which moves with refunds.
        at=paid.needed_time("created_at"),
        reason=reason,
        items=items,
        subscription_id=subscription_id,
        **_owner_of(event),
    )


def _refunds(paid: Payload, payment_id: str) -> Iterator[Fact]:
    """All that was refunded so far. Where only the flag is set, it was everything."""
    everything = paid.needed_whole("total") if paid.is_true("refunded") else 0
    total = paid.whole("refunded_amount") or everything
    if total:
        yield RefundSeen(payment_id, total_minor=total)


def _written(paid: Payload, payment_id: str, path: str) -> Iterator[Fact]:
    """Where the invoice of a payment is. An address that ends after some hours is asked for when it is needed."""
    url, at = paid.address(path), paid.time("updated_at", "created_at")
    if url is not None and at is not None and not _ENDS.search(url):
        yield InvoiceSeen(payment_id, url, at)


# Subscriptions.


def _subscription(event: Payload) -> Iterator[Fact]:
    subscription = event.at("data.attributes")
    subscription_id = _id("subscription", event.needed_text("data.id"))
    status = _SUBSCRIPTION_STATUSES.get(subscription.needed_text("status"))
    if status is None:
        raise subscription.missing("status")
    quantity = subscription.whole("first_subscription_item.quantity") or 1
    yield SubscriptionSeen(
        subscription_id=subscription_id,
        as_of=subscription.needed_time("updated_at"),
        status=status,
        item=Item(subscription.needed_text("variant_id"), quantity),
        period_end=_period_end(subscription, status),
        ends_at=subscription.time("ends_at"),
        trial_ends_at=subscription.time("trial_ends_at"),
        **_owner_of(event),
    )


def _period_end(subscription: Payload, status: SubscriptionStatus) -> datetime | None:
    """The end of the period that is paid. Of one that is past due `renews_at` is the next attempt to charge it."""
    if status not in ("active", "trialing"):
        return None
    return subscription.time("ends_at", "renews_at")


def _owner_of(event: Payload) -> Owner:
    """What an event says about whose payment or subscription it is."""
    customer = event.text("data.attributes.customer_id")
    return Owner(
        account=event.text("meta.custom_data.account_id"),
        customer=_id("customer", customer) if customer else None,
        checkout=event.text("meta.custom_data.checkout_id"),
    )


def _id(kind: str, number: str) -> str:
    return f"{_NAME}:{kind}:{number}"


_SUBSCRIPTION_EVENTS = (
    "subscription_created",
    "subscription_updated",
    "subscription_cancelled",
    "subscription_resumed",
    "subscription_expired",
    "subscription_paused",
    "subscription_unpaused",
    "subscription_plan_changed",
)
_READERS: dict[str, Callable[[Payload], Iterator[Fact]]] = {
    "order_created": _order,
    "order_refunded": _order,
    "subscription_payment_success": _invoice("paid"),
    "subscription_payment_failed": _invoice("failed"),
    "subscription_payment_refunded": _invoice("paid"),
    **dict.fromkeys(_SUBSCRIPTION_EVENTS, _subscription),
}
"""The types that matter. A `subscription_payment_recovered` always has its `subscription_payment_success`."""
