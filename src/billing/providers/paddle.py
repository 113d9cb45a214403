"""Paddle Billing: signatures of its webhooks, and what its events say. Its amounts are texts of digits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from billing.facts import (
    DisputeSeen,
    DisputeState,
    Fact,
    Incomplete,
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
from billing.providers.provider import Delivery, is_delivery_id
from billing.providers.signatures import check_signed, check_time, fields, from_hex, header, text_key

_NAME = "paddle"

_SUBSCRIPTION_STATUSES: dict[str, SubscriptionStatus] = {
    "trialing": "trialing",
    "active": "active",
    "past_due": "past_due",
    "paused": "paused",
    "canceled": "ended",
}
_REASONS: dict[str, Reason] = {
    "subscription_recurring": "renewal",
    "subscription_update": "change",
}
"""Why an existing subscription was charged. Any other origin, such as a checkout, begins one."""
_DISPUTES: dict[str, DisputeState] = {
    # The bank took the money back. Nothing says that this is final, and a reversal may follow.
    "chargeback": "open",
    "chargeback_reverse": "won",
}


@dataclass(frozen=True, slots=True)
class Paddle:
    """Paddle Billing with the secrets of its notification destination."""

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
        """The delivery, if an `h1` of its `Paddle-Signature` fits and is at most five minutes old. Raises NotGenuine.

        Paddle's own library allows five seconds, which a slow network or clock would break; a delivery that is played
        again is known by its id whenever it comes.
        """
        pairs = fields(header(headers, "paddle-signature"), ";")
        sent = next((value for name, value in pairs if name == "ts"), "")
        check_time(sent, now, newest=None)
        offered = [from_hex(value) for name, value in pairs if name == "h1"]
        check_signed(map(text_key, self.secrets), f"{sent}:".encode() + body, offered)
        return _delivery(body)

    def facts(self, delivery: Delivery) -> list[Fact]:
        """What an event says. Raises Incomplete."""
        event = parsed(delivery.body)
        kind = event.needed_text("event_type")
        if kind.startswith("subscription."):
            return linked(_subscription(event))
        read = _READERS.get(kind)
        return linked(read(event)) if read else []


def _delivery(body: bytes) -> Delivery:
    """The delivery of a body that is genuine. One without an id is known by its own bytes."""
    digest = sha256(body).hexdigest()
    try:
        event = parsed(body)
    except Incomplete:
        return Delivery(_NAME, digest, "", body)
    event_id = event.text("event_id") or digest
    # Its sandbox is a host of its own with secrets of its own: the delivery does not say which.
    return Delivery(
        provider=_NAME,
        delivery_id=event_id if is_delivery_id(event_id) else digest,
        type=event.text("event_type") or "",
        body=body,
        at=event.time("occurred_at"),
    )


def _transaction(status: PaymentStatus) -> Callable[[Payload], Iterator[Fact]]:
    """The reader of a transaction. `transaction.paid` comes earlier, and does not know the subscription yet."""

    def read(event: Payload) -> Iterator[Fact]:
        transaction = event.at("data")
        origin = transaction.text("origin") or ""
        # A single charge that happens to use a subscription's means of payment is not for its period.
        subscription = None if origin == "subscription_charge" else transaction.text("subscription_id")
        yield PaymentSeen(
            payment_id=_id(transaction.needed_text("id")),
            status=status,
            amount_minor=transaction.needed_digits("details.totals.grand_total", "details.totals.total"),
            currency=transaction.needed_text("currency_code").upper(),
            at=transaction.time("billed_at") or transaction.needed_time("created_at"),
            reason=_reason_of(origin) if subscription else "topup",
            subscription_id=_id(subscription) if subscription else None,
            items=_items_of(transaction),
            period_start=transaction.time("billing_period.starts_at"),
            period_end=transaction.time("billing_period.ends_at"),
            **_owner_of(transaction),
        )

    return read


def _reason_of(origin: str) -> Reason | None:
    return _REASONS.get(origin) if origin.startswith("subscription_") else "initial"


def _items_of(transaction: Payload) -> tuple[Item, ...]:
    """The prices of a transaction, each once."""
    quantities: dict[str, int] = {}
    for entry in transaction.each("items"):
        price = entry.text("price.id", "price_id")
        if price:
            quantities[price] = quantities.get(price, 0) + (entry.whole("quantity") or 1)
    return tuple(sorted(Item(price, quantity) for price, quantity in quantities.items()))


def _adjustment(event: Payload) -> Iterator[Fact]:
    """Money that went back: a refund that was approved, or what a bank took. A warning of a bank moves none."""
    adjustment = event.at("data")
    action, payment_id = adjustment.needed_text("action"), _id(adjustment.needed_text("transaction_id"))
    approved = adjustment.needed_text("status") == "approved"
    if action == "refund" and approved:
        single = (_id(adjustment.needed_text("id")), adjustment.needed_digits("totals.total"))
        yield RefundSeen(payment_id, refunds=(single,))
    elif action in _DISPUTES:
        # The reversal is another adjustment with another id: of both it is known which payment they are about.
        yield DisputeSeen(
            dispute_id=f"{payment_id}:chargeback",
            payment_id=payment_id,
            state=_DISPUTES[action],
            at=event.needed_time("occurred_at"),
            amount_minor=adjustment.digits("totals.total"),
        )


def _subscription(event: Payload) -> Iterator[Fact]:
    subscription = event.at("data")
    status = _SUBSCRIPTION_STATUSES.get(subscription.needed_text("status"))
    if status is None:
        raise subscription.missing("status")
    yield SubscriptionSeen(
        subscription_id=_id(subscription.needed_text("id")),
        as_of=event.needed_time("occurred_at"),
        status=status,
        item=Item(subscription.needed_text("items.0.price.id"), subscription.whole("items.0.quantity") or 1),
        period_start=subscription.time("current_billing_period.starts_at"),
        period_end=subscription.time("current_billing_period.ends_at"),
        ends_at=_ends_at(subscription, status),
        trial_ends_at=subscription.time("items.0.trial_dates.ends_at"),
        **_owner_of(subscription),
    )


def _ends_at(subscription: Payload, status: SubscriptionStatus) -> datetime | None:
    if status == "ended":
        return subscription.time("canceled_at")
    is_cancelled = subscription.text("scheduled_change.action") == "cancel"
    return subscription.time("scheduled_change.effective_at") if is_cancelled else None


def _owner_of(thing: Payload) -> Owner:
    """What a transaction or a subscription says about whose it is."""
    customer = thing.text("customer_id")
    return Owner(
        account=thing.text("custom_data.account_id"),
        customer=_id(customer) if customer else None,
        checkout=thing.text("custom_data.checkout_id"),
    )


def _id(provider_id: str) -> str:
    return f"{_NAME}:{provider_id}"


_READERS: dict[str, Callable[[Payload], Iterator[Fact]]] = {
    "transaction.completed": _transaction("paid"),
    "transaction.payment_failed": _transaction("failed"),
    "adjustment.created": _adjustment,
    "adjustment.updated": _adjustment,
}
"""The types that matter, besides those of subscriptions."""
_SUBSCRIPTION_EVENTS = (
    "created",
    "activated",
    "trialing",
    "updated",
    "past_due",
    "paused",
    "resumed",
    "canceled",
)
"""Those of subscriptions that are known. Any other is read as well."""
