"""Dodo Payments: signatures of its webhooks (Standard Webhooks), and what its events say.

An event is delivered with its object as it is at the time of the delivery: a late one shows what came to be since, and
one id may come with two bodies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing.facts import (
    DisputeSeen,
    DisputeState,
    Fact,
    Incomplete,
    InvoiceSeen,
    Item,
    Owner,
    PaymentSeen,
    PaymentStatus,
    ProductSeen,
    Reason,
    RefundSeen,
    SubscriptionSeen,
    SubscriptionStatus,
    linked,
)
from billing.providers.payload import Payload, parsed
from billing.providers.provider import Delivery
from billing.providers.signatures import check_standard_webhook, standard_key

_NAME = "dodo"

_SUBSCRIPTION_STATUSES: dict[str, SubscriptionStatus] = {
    "pending": "incomplete",
    "active": "active",
    "on_hold": "past_due",
    "past_due": "past_due",
    "paused": "paused",
    "cancelled": "ended",
    "failed": "ended",
    "expired": "ended",
}
_DISPUTE_STATES: dict[str, DisputeState] = {
    "dispute.opened": "open",
    "dispute.challenged": "open",
    # Nobody answered in time, and nothing is decided yet: `lost` or `won` follows.
    "dispute.expired": "open",
    "dispute.won": "won",
    "dispute.cancelled": "won",
    "dispute.lost": "lost",
    "dispute.accepted": "lost",
}
_REASONS: dict[str, Reason] = {
    "new": "initial",
    "renewal": "renewal",
    "plan_change": "change",
}


@dataclass(frozen=True, slots=True)
class Dodo:
    """Dodo Payments with the secrets (`whsec_<base64>`) of its webhook: two while one is replaced."""

    secrets: Sequence[str] = field(default=(), repr=False)
    name: str = _NAME

    def __post_init__(self) -> None:
        for secret in self.secrets:
            standard_key(secret)

    @property
    def events(self) -> tuple[str, ...]:
        """The types of events that matter."""
        return (*_READERS, *(f"subscription.{what}" for what in _SUBSCRIPTION_EVENTS))

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """The delivery, if its signature fits and its time is within five minutes of ours. Raises NotGenuine."""
        delivery_id = check_standard_webhook(map(standard_key, self.secrets), headers, body, now)
        try:
            event = parsed(body)
        except Incomplete:
            return Delivery(_NAME, delivery_id, "", body)
        # Test and live mode are two hosts with two secrets: the delivery itself does not say which.
        return Delivery(_NAME, delivery_id, event.text("type") or "", body, at=event.time("timestamp"))

    def facts(self, delivery: Delivery) -> list[Fact]:
        """What an event says. Raises Incomplete."""
        event = parsed(delivery.body)
        kind = event.needed_text("type")
        if kind.startswith("subscription."):
            return linked(_subscription(event))
        read = _READERS.get(kind)
        return linked(read(event)) if read else []


# Payments.


def _payment(status: PaymentStatus) -> Callable[[Payload], Iterator[Fact]]:
    def read(event: Payload) -> Iterator[Fact]:
        payment = event.at("data")
        if payment.is_true("is_update_payment_method"):
            return  # it charges nothing and pays for nothing
        subscriptions = _subscriptions_of(payment)
        period = _period_of(payment, subscriptions)
        yield PaymentSeen(
            payment_id=_id(payment.needed_text("payment_id")),
            status=status,
            amount_minor=payment.needed_whole("total_amount"),
            currency=payment.needed_text("currency").upper(),
            at=payment.time("created_at") or event.needed_time("timestamp"),
            reason=_reason_of(payment, status, period) if subscriptions else "topup",
            subscription_id=_id(subscriptions[0]) if subscriptions else None,
            items=_cart_of(payment),
            period_start=period.time("starts_at") if period else None,
            period_end=period.time("ends_at") if period else None,
            **_owner_of(payment),
        )
        yield from _invoice(event, payment)

    return read


def _invoice(event: Payload, payment: Payload) -> Iterator[Fact]:
    """Where the invoice is. Dodo says it with the payment, without an end."""
    url, at = payment.address("invoice_url"), event.time("timestamp")
    if url is not None and at is not None:
        yield InvoiceSeen(_id(payment.needed_text("payment_id")), url, at)


def _subscriptions_of(payment: Payload) -> list[str]:
    """The subscriptions that a payment is for. Several at once are in a list of their own; the first counts."""
    one = payment.text("subscription_id")
    several = payment.texts("subscription_ids")
    return [one] if one else several


def _reason_of(payment: Payload, status: PaymentStatus, period: Payload | None) -> Reason | None:
    """Why a subscription was charged. A renewal that was paid and tells no time of service was for usage alone."""
    reason = _REASONS.get(payment.text("charge_type") or "")
    tells_periods = isinstance(payment.at("service_periods").value, list)
    is_for_usage = reason == "renewal" and status == "paid" and tells_periods and period is None
    return None if is_for_usage else reason


def _cart_of(payment: Payload) -> tuple[Item, ...]:
    """The products of a single payment, each once."""
    quantities: dict[str, int] = {}
    for entry in payment.each("product_cart"):
        product = entry.text("product_id")
        if product:
            quantities[product] = quantities.get(product, 0) + (entry.whole("quantity") or 1)
    return tuple(sorted(Item(product, quantity) for product, quantity in quantities.items()))


def _period_of(payment: Payload, subscriptions: list[str]) -> Payload | None:
    """The time of service that a payment is for. Dodo tells it once the payment has succeeded."""
    periods = [period for period in payment.each("service_periods") if period.text("subscription_id") in subscriptions]
    return periods[0] if periods else None


# Refunds and disputes.


def _refund(event: Payload) -> Iterator[Fact]:
    """One refund with its own amount: those of a payment add up."""
    refund = event.at("data")
    single = (_id(refund.needed_text("refund_id")), refund.needed_whole("amount"))
    yield RefundSeen(_id(refund.needed_text("payment_id")), refunds=(single,))


def _dispute(event: Payload) -> Iterator[Fact]:
    dispute = event.at("data")
    yield DisputeSeen(
        dispute_id=_id(dispute.needed_text("dispute_id")),
        payment_id=_id(dispute.needed_text("payment_id")),
        state=_DISPUTE_STATES[event.needed_text("type")],
        at=event.needed_time("timestamp"),
        # A text of digits. One with a decimal point is not in minor units, and not read.
        amount_minor=dispute.digits("amount"),
    )


# Subscriptions.


def _subscription(event: Payload) -> Iterator[Fact]:
    """A word about a subscription. No such word grants anything, whatever it is called: only payments do."""
    subscription = event.at("data")
    word = _word(event, subscription)
    yield word
    payment = subscription.text("payment_id")
    if payment and event.text("type") == "subscription.renewed":
        yield ProductSeen(
            payment_id=_id(payment),
            subscription_id=word.subscription_id,
            item=word.item,
            as_of=word.as_of,
            period_start=word.period_start,
            period_end=word.period_end,
        )


def _word(event: Payload, subscription: Payload) -> SubscriptionSeen:
    as_of, trial_ends_at = event.needed_time("timestamp"), _trial_end(subscription)
    status = _status(subscription)
    if status == "active" and trial_ends_at and as_of < trial_ends_at:
        status = "trialing"
    return SubscriptionSeen(
        subscription_id=_id(subscription.needed_text("subscription_id")),
        as_of=as_of,
        status=status,
        item=Item(subscription.needed_text("product_id"), subscription.whole("quantity") or 1),
        period_start=subscription.time("previous_billing_date"),
        period_end=subscription.time("next_billing_date"),
        ends_at=_ends_at(subscription, status),
        next_product=subscription.text("scheduled_change.product_id"),
        trial_ends_at=trial_ends_at,
        **_owner_of(subscription),
    )


def _status(subscription: Payload) -> SubscriptionStatus:
    status = _SUBSCRIPTION_STATUSES.get(subscription.needed_text("status"))
    if status is None:
        raise subscription.missing("status")
    return status


def _trial_end(subscription: Payload) -> datetime | None:
    days, created = subscription.whole("trial_period_days"), subscription.time("created_at")
    return created + timedelta(days=days) if days and days <= 10_000 and created else None


def _ends_at(subscription: Payload, status: SubscriptionStatus) -> datetime | None:
    if status == "ended":
        return subscription.time("cancelled_at", "expires_at")
    return subscription.time("next_billing_date") if subscription.is_true("cancel_at_next_billing_date") else None


def _owner_of(thing: Payload) -> Owner:
    """What a payment or a subscription says about whose it is."""
    return Owner(
        account=thing.text("metadata.account_id"),
        customer=_maybe_id(thing.text("customer.customer_id")),
        checkout=thing.text("metadata.checkout_id"),
    )


def _id(provider_id: str) -> str:
    return f"{_NAME}:{provider_id}"


def _maybe_id(provider_id: str | None) -> str | None:
    return _id(provider_id) if provider_id else None


_READERS: dict[str, Callable[[Payload], Iterator[Fact]]] = {
    "payment.succeeded": _payment("paid"),
    "payment.failed": _payment("failed"),
    "refund.succeeded": _refund,
    **dict.fromkeys(_DISPUTE_STATES, _dispute),
}
"""The types that matter, besides those of subscriptions."""
_SUBSCRIPTION_EVENTS = (
    "active",
    "renewed",
    "updated",
    "on_hold",
    "past_due",
    "paused",
    "unpaused",
    "cancelled",
    "failed",
    "expired",
    "plan_changed",
)
"""Those of subscriptions that are known. Any other is read as well."""
