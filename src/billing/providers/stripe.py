"""Stripe: signatures of its webhooks, and what its events say.

It reads two shapes of the same objects: those of the API before 2025-03-31.basil, and those since.
"""

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
    Link,
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

NEXT_PRICE = "next_price_id"
"""The metadata of a subscription in which our calls note the price of the next period, when they schedule a change."""
_NAME = "stripe"

_SUBSCRIPTION_STATUSES: dict[str, SubscriptionStatus] = {
    "incomplete": "incomplete",
    "trialing": "trialing",
    "active": "active",
    "paused": "paused",
    "past_due": "past_due",
    "unpaid": "past_due",
    "canceled": "ended",
    "incomplete_expired": "ended",
}
_DISPUTE_STATES: dict[str, DisputeState] = {
    "needs_response": "open",
    "under_review": "open",
    "won": "won",
    "prevented": "won",
    "warning_closed": "won",
    "lost": "lost",
}
_INQUIRIES = frozenset({"warning_needs_response", "warning_under_review"})
"""An inquiry of a bank before a dispute: no money has moved, and none may."""
_REASONS: dict[str, Reason] = {
    "subscription_create": "initial",
    "subscription_cycle": "renewal",
    "subscription_update": "change",
}


@dataclass(frozen=True, slots=True)
class Stripe:
    """Stripe with the secrets (`whsec_...`) of its webhook endpoint: two while one is rolled."""

    secrets: Sequence[str] = field(default=(), repr=False)
    name: str = _NAME

    def __post_init__(self) -> None:
        for secret in self.secrets:
            text_key(secret)

    @property
    def events(self) -> tuple[str, ...]:
        """The types of events that matter."""
        return EVENTS

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """The delivery, if a `v1` of its `Stripe-Signature` fits and it is at most five minutes old. Raises NotGenuine.

        Stripe's own library does not refuse a time ahead of its own, and so we do not either.
        """
        pairs = fields(header(headers, "stripe-signature"), ",")
        sent = next((value for name, value in pairs if name == "t"), "")
        check_time(sent, now, newest=None)
        offered = [from_hex(value) for name, value in pairs if name == "v1"]
        check_signed(map(text_key, self.secrets), f"{sent}.".encode() + body, offered)
        return delivery_of(body)

    def facts(self, delivery: Delivery) -> list[Fact]:
        """What an event says. Raises Incomplete."""
        event = parsed(delivery.body)
        read = _READERS.get(event.needed_text("type"))
        return linked(read(event)) if read else []


def delivery_of(body: bytes) -> Delivery:
    """The delivery of an event that is genuine, by its body. One without an id is known by its own bytes."""
    digest = sha256(body).hexdigest()
    try:
        event = parsed(body)
    except Incomplete:
        return Delivery(_NAME, digest, "", body)
    live = event.at("livemode").value
    event_id = event.text("id") or digest
    return Delivery(
        provider=_NAME,
        delivery_id=event_id if is_delivery_id(event_id) else digest,
        type=event.text("type") or "",
        body=body,
        at=event.time("created"),
        live=live if isinstance(live, bool) else None,
    )


# Checkout sessions.


def _session(status: PaymentStatus) -> Callable[[Payload], Iterator[Fact]]:
    """The reader of a checkout session that came to an end: a payment of its own, or the beginning of a subscription.

    A subscription's money is seen in its invoices alone. A single payment that has an invoice goes by the invoice's id:
    the event of the invoice then says the same once more, and not something else.
    """

    def read(event: Payload) -> Iterator[Fact]:
        session = event.at("data.object")
        mode = session.needed_text("mode")
        if mode == "payment" and (status == "failed" or session.needed_text("payment_status") != "unpaid"):
            yield _session_payment(session, status)
        yield from _session_links(session)

    return read


def _session_payment(session: Payload, status: PaymentStatus) -> PaymentSeen:
    return PaymentSeen(
        payment_id=_id(session.reference("invoice", "payment_intent") or session.needed_text("id")),
        status=status,
        amount_minor=session.needed_whole("amount_total"),
        currency=session.needed_text("currency").upper(),
        at=session.needed_time("created"),
        reason="topup",
        items=_session_items(session),
        account=session.text("client_reference_id", "metadata.account_id"),
        customer=_maybe_id(session.reference("customer")),
        checkout=session.text("metadata.checkout_id"),
    )


def _session_items(session: Payload) -> tuple[Item, ...]:
    """What a session sold. A webhook has no line items: then the seller's metadata may name the price."""
    lines = [(line.reference("price"), line) for line in session.each("line_items.data")]
    items = [Item(price, line.whole("quantity") or 1) for price, line in lines if price]
    price = session.text("metadata.price_id")
    if not items and price:
        items = [Item(price, session.digits("metadata.quantity") or 1)]
    return tuple(sorted(items))


def _session_links(session: Payload) -> Iterator[Fact]:
    """What came of a session, and whose it is."""
    intent, invoice = session.reference("payment_intent"), session.reference("invoice")
    subscription, customer = session.reference("subscription"), session.reference("customer")
    if intent and invoice:
        yield Link(_id(intent), _id(invoice))
    account, checkout = session.text("client_reference_id", "metadata.account_id"), session.text("metadata.checkout_id")
    for thing in (intent, invoice, subscription, customer):
        if thing and account:
            yield Link(_id(thing), f"account:{account}")
        if thing and checkout:
            yield Link(_id(thing), f"checkout:{checkout}")


# Invoices.


def _invoice(status: PaymentStatus) -> Callable[[Payload], Iterator[Fact]]:
    """The reader of an invoice that was paid, or could not be."""

    def read(event: Payload) -> Iterator[Fact]:
        invoice = event.at("data.object")
        yield _invoice_payment(event, invoice, status)
        yield from _invoice_links(invoice)

    return read


def _invoice_payment(event: Payload, invoice: Payload, status: PaymentStatus) -> PaymentSeen:
    paid = status == "paid"
    subscription = invoice.reference("parent.subscription_details.subscription", "subscription")
    line = _line_of(invoice)
    reason = _REASONS.get(invoice.text("billing_reason") or "")
    return PaymentSeen(
        payment_id=_id(invoice.needed_text("id")),
        status=status,
        amount_minor=invoice.needed_whole("amount_paid" if paid else "amount_due"),
        currency=invoice.needed_text("currency").upper(),
        at=(paid and invoice.time("status_transitions.paid_at")) or event.needed_time("created"),
        reason=reason if subscription else "topup",
        subscription_id=_maybe_id(subscription),
        items=(Item(_price(line) or "", line.whole("quantity") or 1),) if line else (),
        # Not the period of the invoice: that one is about when its items were added.
        period_start=line.time("period.start") if line and subscription else None,
        period_end=line.time("period.end") if line and subscription else None,
        account=invoice.text(
            "parent.subscription_details.metadata.account_id",
            "subscription_details.metadata.account_id",
            "metadata.account_id",
        ),
        customer=_maybe_id(invoice.reference("customer")),
        checkout=invoice.text(
            "parent.subscription_details.metadata.checkout_id",
            "subscription_details.metadata.checkout_id",
            "metadata.checkout_id",
        ),
    )


def _line_of(invoice: Payload) -> Payload | None:
    """The line that says what an invoice is for: a whole period before a part of one, then the largest amount.

    An invoice for a change has a line that gives back what is left of the old price, and one for the new price.
    """
    lines = [line for line in invoice.each("lines.data") if _price(line)]
    return max(lines, key=lambda line: (not _is_part(line), _signed_amount(line), _price(line) or ""), default=None)


def _price(line: Payload) -> str | None:
    return line.reference("pricing.price_details.price", "price")


def _is_part(line: Payload) -> bool:
    parents = ("parent.subscription_item_details.proration", "parent.invoice_item_details.proration", "proration")
    return any(line.is_true(path) for path in parents)


def _signed_amount(line: Payload) -> int:
    """The amount of a line, which may be negative, as no other amount is."""
    amount = line.at("amount").value
    return amount if isinstance(amount, int) else 0


def _invoice_links(invoice: Payload) -> Iterator[Fact]:
    """The payment intents and charges of an invoice, where it names them: refunds and disputes name only those."""
    invoice_id = _id(invoice.needed_text("id"))
    named = [invoice.reference("payment_intent"), invoice.reference("charge")]
    for payment in invoice.each("payments.data"):
        named += [payment.reference("payment.payment_intent"), payment.reference("payment.charge")]
    yield from (Link(_id(thing), invoice_id) for thing in named if thing)


def _invoice_payment_link(event: Payload) -> Iterator[Fact]:
    """Which payment intent or charge paid an invoice: since Basil an invoice no longer says it."""
    payment = event.at("data.object")
    paid_by = payment.reference("payment.payment_intent", "payment.charge")
    if paid_by:
        yield Link(_id(paid_by), _id(payment.needed_reference("invoice")))


# Refunds and disputes.


def _refund(event: Payload) -> Iterator[Fact]:
    """A charge with all that was refunded of it so far."""
    charge = event.at("data.object")
    charge_id, intent, invoice = (
        charge.needed_text("id"),
        charge.reference("payment_intent"),
        charge.reference("invoice"),
    )
    yield RefundSeen(_id(intent or charge_id), total_minor=charge.needed_whole("amount_refunded"))
    if intent:
        yield Link(_id(charge_id), _id(intent))
    if invoice:
        yield Link(_id(intent or charge_id), _id(invoice))


def _single_refund(event: Payload) -> Iterator[Fact]:
    """One refund: that it is done, or that it failed, even after it was done: its money then is with the seller."""
    refund = event.at("data.object")
    charge, intent = refund.reference("charge"), refund.reference("payment_intent")
    payment_id = _id(intent or refund.needed_reference("charge"))
    single = (_id(refund.needed_text("id")), refund.needed_whole("amount"))
    match refund.needed_text("status"):
        case "succeeded":
            yield RefundSeen(payment_id, refunds=(single,))
        case "failed" | "canceled":
            yield RefundSeen(payment_id, failed=(single,))
        case _:
            return  # it is under way, and the total of the charge has it
    if intent and charge:
        yield Link(_id(charge), _id(intent))


def _dispute(event: Payload) -> Iterator[Fact]:
    """A dispute by its status. Its money is withdrawn when it is opened: that says nothing about who wins."""
    dispute = event.at("data.object")
    status = dispute.needed_text("status")
    if status in _INQUIRIES:
        return
    if status not in _DISPUTE_STATES:
        raise dispute.missing("status")
    intent, charge = dispute.reference("payment_intent"), dispute.reference("charge")
    yield DisputeSeen(
        dispute_id=_id(dispute.needed_text("id")),
        payment_id=_id(intent or dispute.needed_reference("charge")),
        state=_DISPUTE_STATES[status],
        at=event.needed_time("created"),
        amount_minor=dispute.whole("amount"),
    )
    if intent and charge:
        yield Link(_id(charge), _id(intent))


# Subscriptions.


def _subscription(event: Payload) -> Iterator[Fact]:
    subscription = event.at("data.object")
    status = _SUBSCRIPTION_STATUSES.get(subscription.needed_text("status"))
    if status is None:
        raise subscription.missing("status")
    price = subscription.needed_reference("items.data.0.price")
    period_end = subscription.time("items.data.0.current_period_end", "current_period_end")
    yield SubscriptionSeen(
        subscription_id=_id(subscription.needed_text("id")),
        as_of=event.needed_time("created"),
        status=status,
        item=Item(price, subscription.whole("items.data.0.quantity") or 1),
        period_start=subscription.time("items.data.0.current_period_start", "current_period_start"),
        period_end=period_end,
        ends_at=_ends_at(subscription, status, period_end),
        next_product=_next_price(subscription, price),
        trial_ends_at=subscription.time("trial_end"),
        account=subscription.text("metadata.account_id"),
        customer=_maybe_id(subscription.reference("customer")),
        checkout=subscription.text("metadata.checkout_id"),
    )


def _ends_at(subscription: Payload, status: SubscriptionStatus, period_end: datetime | None) -> datetime | None:
    if status == "ended":
        return subscription.time("ended_at", "canceled_at")
    at_period_end = period_end if subscription.is_true("cancel_at_period_end") else None
    return subscription.time("cancel_at") or at_period_end


def _next_price(subscription: Payload, price: str) -> str | None:
    """The price that a schedule brings. A subscription names its schedule, and not what is in it."""
    noted = subscription.text(f"metadata.{NEXT_PRICE}") if subscription.reference("schedule") else None
    return noted if noted != price else None


def _id(provider_id: str) -> str:
    return f"{_NAME}:{provider_id}"


def _maybe_id(provider_id: str | None) -> str | None:
    return _id(provider_id) if provider_id else None


_DISPUTE_EVENTS = ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
_SUBSCRIPTION_EVENTS = ("created", "updated", "deleted", "paused", "resumed")
_READERS: dict[str, Callable[[Payload], Iterator[Fact]]] = {
    "checkout.session.completed": _session("paid"),
    "checkout.session.async_payment_succeeded": _session("paid"),
    "checkout.session.async_payment_failed": _session("failed"),
    "invoice.paid": _invoice("paid"),
    "invoice.payment_failed": _invoice("failed"),
    "invoice_payment.paid": _invoice_payment_link,
    "charge.refunded": _refund,
    **{f"refund.{what}": _single_refund for what in ("created", "updated", "failed")},
    **{f"charge.dispute.{what}": _dispute for what in _DISPUTE_EVENTS},
    **{f"customer.subscription.{what}": _subscription for what in _SUBSCRIPTION_EVENTS},
}
"""The types that matter. `invoice.payment_succeeded` is the twin of `invoice.paid`, and `payment_intent.*` says nothing
that these do not."""
EVENTS = tuple(_READERS)
"""The types of events that matter."""
