"""Our own provider, `manual`: bank transfers that operators confirm, and trials. It signs as Standard Webhooks does,
with a secret that the database keeps, and its payloads are those of billing.manual.payloads."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

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
from billing.providers.provider import Delivery
from billing.providers.signatures import check_standard_webhook

_NAME = "manual"
_PAYMENT_STATUSES: dict[str, PaymentStatus] = {"payment.failed": "failed", "payment.paid": "paid"}
_DISPUTE_STATES: dict[str, DisputeState] = {"dispute.open": "open", "dispute.won": "won", "dispute.lost": "lost"}
_REASONS: dict[str, Reason] = {"topup": "topup", "initial": "initial", "renewal": "renewal", "change": "change"}
_SUBSCRIPTION_STATUSES: dict[str, SubscriptionStatus] = {
    "subscription.trialing": "trialing",
    "subscription.active": "active",
    "subscription.past_due": "past_due",
    "subscription.ended": "ended",
}
_REFUND = "payment.refunded"


@dataclass(frozen=True, slots=True)
class Manual:
    """It with its keys, which are read from the database when the service starts."""

    keys: Callable[[], Sequence[bytes]] = field(repr=False)
    name: str = _NAME

    @property
    def events(self) -> tuple[str, ...]:
        """The types of its events."""
        return (*_PAYMENT_STATUSES, _REFUND, *_DISPUTE_STATES, *_SUBSCRIPTION_STATUSES)

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """The delivery, if one of the keys signed it within five minutes of our time. Raises NotGenuine."""
        delivery_id = check_standard_webhook(self.keys(), headers, body, now)
        try:
            event = parsed(body)
        except Incomplete:
            return Delivery(_NAME, delivery_id, "", body)
        live = event.at("live").value
        return Delivery(
            _NAME,
            delivery_id,
            event.text("type") or "",
            body,
            at=event.time("at"),
            live=live if isinstance(live, bool) else None,
        )

    def facts(self, delivery: Delivery) -> list[Fact]:
        """What an event says. Raises Incomplete."""
        event = parsed(delivery.body)
        return linked(_read(event, event.needed_text("type")))


def _read(event: Payload, kind: str) -> Iterator[Fact]:
    data = event.at("data")
    if kind in _PAYMENT_STATUSES:
        yield _payment(event, data, _PAYMENT_STATUSES[kind])
    elif kind == _REFUND:
        yield RefundSeen(_id(data.needed_text("payment_id")), total_minor=data.needed_whole("total_minor"))
    elif kind in _DISPUTE_STATES:
        yield DisputeSeen(
            _id(data.needed_text("dispute_id")),
            _id(data.needed_text("payment_id")),
            _DISPUTE_STATES[kind],
            event.needed_time("at"),
            data.whole("amount_minor"),
        )
    elif kind in _SUBSCRIPTION_STATUSES:
        yield _subscription(event, data, _SUBSCRIPTION_STATUSES[kind])


def _payment(event: Payload, data: Payload, status: PaymentStatus) -> PaymentSeen:
    subscription = data.text("subscription_id")
    return PaymentSeen(
        payment_id=_id(data.needed_text("payment_id")),
        status=status,
        amount_minor=data.needed_whole("amount_minor"),
        currency=data.needed_text("currency"),
        at=event.needed_time("at"),
        reason=_REASONS.get(data.needed_text("reason")),
        subscription_id=_id(subscription) if subscription else None,
        items=(_item(data.at("item")),),
        period_start=data.time("period_start"),
        period_end=data.time("period_end"),
        **_owner_of(data),
    )


def _subscription(event: Payload, data: Payload, status: SubscriptionStatus) -> SubscriptionSeen:
    following = data.at("next_item")
    return SubscriptionSeen(
        subscription_id=_id(data.needed_text("subscription_id")),
        as_of=event.needed_time("at"),
        status=status,
        item=_item(data.at("item")),
        period_start=data.time("period_start"),
        period_end=data.time("period_end"),
        ends_at=data.time("ends_at"),
        trial_ends_at=data.time("trial_ends_at"),
        next_product=_item(following).product if following.value is not None else None,
        **_owner_of(data),
    )


def _item(item: Payload) -> Item:
    """A product names what it is: its kind, its id, its version and its price, if it has one."""
    parts = (item.needed_text("kind"), item.needed_text("id"), str(item.needed_whole("version")), item.text("price"))
    return Item(":".join(part or "" for part in parts), item.whole("quantity") or 1)


def _owner_of(data: Payload) -> Owner:
    return Owner(account=data.needed_text("account_id"), customer=None, checkout=data.text("checkout_id"))


def _id(name: str) -> str:
    return f"{_NAME}:{name}"
