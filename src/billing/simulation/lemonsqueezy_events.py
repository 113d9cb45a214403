"""How Lemon Squeezy tells the steps of a life: events with the fields of the types of its JavaScript library."""

from datetime import datetime
from hashlib import sha256
from typing import Any, assert_never

from billing.simulation.steps import (
    Customer,
    Disputed,
    Event,
    Failed,
    Happened,
    Paid,
    Refunded,
    Sale,
    Step,
    Subscription,
    Told,
)

Json = dict[str, Any]
_STORE, _PRODUCT = 7, 70
_SIGNED = "?expires=1790000000&signature=simulated"
"""Behind the addresses of documents, which end after some hours."""
_MY_ORDER = f"https://app.lemonsqueezy.com/my-orders/simulated{_SIGNED}"
_INVOICE = f"https://app.lemonsqueezy.com/invoice/simulated{_SIGNED}"
_REASONS = {"initial": "initial", "renewal": "renewal", "change": "updated"}
_EVENTS: dict[Happened, tuple[str, ...]] = {
    "created": ("subscription_created",),
    "renewed": ("subscription_updated",),
    "changed": ("subscription_plan_changed", "subscription_updated"),
    "past_due": ("subscription_updated",),
    "recovered": ("subscription_updated",),
    "cancelled": ("subscription_cancelled", "subscription_updated"),
    "resumed": ("subscription_resumed", "subscription_updated"),
    "ended": ("subscription_expired", "subscription_updated"),
}


def lemonsqueezy_events(customer: Customer, step: Step, *, live: bool) -> list[Event]:
    """The events of one step, in the order in which they come about.

    Lemon Squeezy is the merchant of record and tells nothing of disputes: one that is lost shows as a refund.
    """
    return [
        Event(kind, payload, sha256(f"{kind} {payload}".encode()).hexdigest(), at)
        for kind, data, at in _told(customer, step, live=live)
        for payload in [_payload(customer, kind, data, live=live)]
    ]


def _told(customer: Customer, step: Step, *, live: bool) -> list[tuple[str, Json, datetime]]:
    match step:
        case Paid(sale, subscription):
            if subscription is None:
                return [("order_created", _order(customer, sale, live=live), sale.at)]
            return _paid(customer, sale, subscription, live=live)
        case Failed(sale, _):
            return [("subscription_payment_failed", _invoice(customer, sale, "pending", live=live), sale.at)]
        case Told(what, subscription, at):
            data = _subscription(customer, subscription, at, live=live)
            return [(kind, data, at) for kind in _EVENTS[what]]
        case Refunded(sale, subscription, _, total, at):
            return [_refund(customer, sale, subscription, total, at, live=live)]
        case Disputed(sale, subscription, "lost", at):
            return [_refund(customer, sale, subscription, sale.amount_minor, at, live=live)]
        case Disputed():
            return []
        case _:
            assert_never(step)


def _paid(
    customer: Customer, sale: Sale, subscription: Subscription, *, live: bool
) -> list[tuple[str, Json, datetime]]:
    """An invoice. The first comes with an order for the same money, one that had failed with another event."""
    invoice = _invoice(customer, sale, "paid", live=live)
    told = [("subscription_payment_success", invoice, sale.at)]
    if sale.reason == "initial":
        told.insert(0, ("order_created", _order(customer, sale, live=live), sale.at))
    if sale.attempt:
        told.append(("subscription_payment_recovered", invoice, sale.at))
    return told


def _refund(
    customer: Customer, sale: Sale, subscription: Subscription | None, total: int, at: datetime, *, live: bool
) -> tuple[str, Json, datetime]:
    """The order or the invoice as it is by then, with all that was refunded of it."""
    if subscription is None:
        kind, data = "order_refunded", _order(customer, sale, live=live)
    else:
        kind, data = "subscription_payment_refunded", _invoice(customer, sale, "paid", live=live)
    whole = total == sale.amount_minor
    data["attributes"] |= {
        "refunded": whole,
        "refunded_at": _iso(at),
        "refunded_amount": total,
        "refunded_amount_usd": total,
        "refunded_amount_formatted": _formatted(total),
        "status": "refunded" if whole else "partial_refund",
        "status_formatted": "Refunded" if whole else "Partial refund",
        "updated_at": _iso(at),
    }
    return kind, data, at


def _payload(customer: Customer, kind: str, data: Json, *, live: bool) -> Json:
    meta = {
        "test_mode": not live,
        "event_name": kind,
        "webhook_id": f"simulated-{customer.number}",
        "custom_data": {"account_id": customer.account_id},
    }
    return {"meta": meta, "data": data}


def _order(customer: Customer, sale: Sale, *, live: bool) -> Json:
    attributes = {
        **_money(customer, sale),
        "identifier": f"00000000-0000-4000-8000-{_order_number(customer, sale):012}",
        "order_number": _order_number(customer, sale),
        "tax_name": None,
        "tax_rate": "0.00",
        "status": "paid",
        "status_formatted": "Paid",
        "first_order_item": {
            "id": _order_number(customer, sale),
            "order_id": _order_number(customer, sale),
            "product_id": _PRODUCT,
            "variant_id": _variant(sale.product),
            "price_id": 1,
            "quantity": sale.quantity,
            "product_name": "Simulated product",
            "variant_name": sale.product,
            "price": sale.amount_minor // sale.quantity,
            "created_at": _iso(sale.at),
            "updated_at": _iso(sale.at),
            "test_mode": not live,
        },
        "urls": {"receipt": _MY_ORDER},
        "test_mode": not live,
    }
    return _resource("orders", _order_number(customer, sale), attributes)


def _invoice(customer: Customer, sale: Sale, status: str, *, live: bool) -> Json:
    """An invoice. It does not name the variant that it is for."""
    attributes = {
        **_money(customer, sale),
        "subscription_id": customer.number,
        "billing_reason": _REASONS[sale.reason],
        "card_brand": "visa",
        "card_last_four": "4242",
        "status": status,
        "status_formatted": status.capitalize(),
        "urls": {"invoice_url": None if status == "pending" else _INVOICE},
        "test_mode": not live,
    }
    return _resource("subscription-invoices", _invoice_number(customer, sale), attributes)


def _money(customer: Customer, sale: Sale) -> Json:
    """What orders and invoices have in common."""
    amounts: dict[str, int] = {
        "subtotal": sale.amount_minor,
        "discount_total": 0,
        "tax": 0,
        "total": sale.amount_minor,
        "refunded_amount": 0,
    }
    return {
        "store_id": _STORE,
        "customer_id": customer.number,
        "user_name": "Simulated Customer",
        "user_email": f"customer{customer.number}@example.com",
        "currency": sale.currency,
        "currency_rate": "1.0",
        **amounts,
        **{f"{name}_usd": amount for name, amount in amounts.items()},
        **{f"{name}_formatted": _formatted(amount) for name, amount in amounts.items()},
        "tax_inclusive": False,
        "refunded": False,
        "refunded_at": None,
        "created_at": _iso(sale.at),
        "updated_at": _iso(sale.at),
    }


def _subscription(customer: Customer, subscription: Subscription, at: datetime, *, live: bool) -> Json:
    """A subscription. Of one that is past due `renews_at` is the next attempt."""
    item = {
        "id": customer.number,
        "subscription_id": customer.number,
        "price_id": 1,
        "quantity": 1,
        "is_usage_based": False,
        "created_at": _iso(subscription.started_at),
        "updated_at": _iso(at),
    }
    status = _status(subscription)
    attributes = {
        "store_id": _STORE,
        "customer_id": customer.number,
        "order_id": customer.number * 1_000 + 1,
        "order_item_id": customer.number * 1_000 + 1,
        "product_id": _PRODUCT,
        "variant_id": _variant(subscription.product),
        "product_name": "Simulated product",
        "variant_name": subscription.product,
        "user_name": "Simulated Customer",
        "user_email": f"customer{customer.number}@example.com",
        "status": status,
        "status_formatted": status.replace("_", " ").capitalize(),
        "card_brand": "visa",
        "card_last_four": "4242",
        "pause": None,
        "cancelled": subscription.ends_at is not None,
        "trial_ends_at": None,
        "billing_anchor": subscription.started_at.day,
        "first_subscription_item": item,
        "urls": {
            "update_payment_method": "https://simulated.lemonsqueezy.com/subscription/payment-details",
            "customer_portal": "https://simulated.lemonsqueezy.com/billing",
        },
        "renews_at": _iso(at.replace(hour=23) if subscription.past_due else subscription.period_end),
        "ends_at": _iso(subscription.ends_at) if subscription.ends_at else None,
        "created_at": _iso(subscription.started_at),
        "updated_at": _iso(at),
        "test_mode": not live,
    }
    return _resource("subscriptions", customer.number, attributes)


def _status(subscription: Subscription) -> str:
    if subscription.ended:
        return "expired"
    if subscription.ends_at is not None:
        return "cancelled"
    return "past_due" if subscription.past_due else "active"


def _resource(kind: str, number: int, attributes: Json) -> Json:
    link = f"https://simulated.lemonsqueezy.com/v1/{kind}/{number}"
    return {"type": kind, "id": str(number), "attributes": attributes, "links": {"self": link}}


def _order_number(customer: Customer, sale: Sale) -> int:
    return customer.number * 1_000 + sale.number


def _invoice_number(customer: Customer, sale: Sale) -> int:
    """The number of an invoice. Orders and invoices have series of their own, and so the same numbers."""
    return customer.number * 1_000 + sale.number


def _variant(product: str) -> int | str:
    """The id of a variant, which is a number; a text that is none stays as it is."""
    return int(product) if product.isdigit() else product


def _formatted(amount: int) -> str:
    return f"${amount // 100}.{amount % 100:02}"


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
