"""How Stripe tells the steps of a life: events of the API version 2026-10-28.endive, with the fields of its types."""

from datetime import datetime
from hashlib import sha256
from typing import Any, assert_never

from billing.simulation.steps import (
    Customer,
    Disputed,
    Event,
    Failed,
    Paid,
    Refunded,
    Sale,
    Step,
    Subscription,
    Told,
)

API_VERSION = "2026-10-28.endive"
Json = dict[str, Any]

_REASONS = {
    "topup": "manual",
    "initial": "subscription_create",
    "renewal": "subscription_cycle",
    "change": "subscription_update",
}


def stripe_events(customer: Customer, step: Step, *, live: bool) -> list[Event]:
    """The events of one step, in the order in which they come about."""
    told = [
        (kind, {**thing, "livemode": live} if "livemode" in thing else thing, at)
        for kind, thing, at in _told(customer, step)
    ]
    return [_event(customer, kind, thing, at, live=live) for kind, thing, at in told]


def _told(customer: Customer, step: Step) -> list[tuple[str, Json, datetime]]:
    match step:
        case Paid(sale, subscription):
            if subscription is None:
                return [("checkout.session.completed", _session(customer, sale, None), sale.at)]
            return _paid_invoice(customer, sale, subscription)
        case Failed(sale, subscription):
            return [("invoice.payment_failed", _invoice(customer, sale, subscription, paid=False), sale.at)]
        case Told(what, subscription, at):
            kind = {"created": "created", "ended": "deleted"}.get(what, "updated")
            return [(f"customer.subscription.{kind}", _subscription(customer, subscription), at)]
        case Refunded(sale, _, _, total, at):
            return [("charge.refunded", _charge(customer, sale, total), at)]
        case Disputed(sale, _, outcome, at):
            dispute = _dispute(customer, sale, outcome)
            kinds = ("created", "funds_withdrawn") if outcome == "open" else ("closed",)
            return [(f"charge.dispute.{kind}", dispute, at) for kind in kinds]
        case _:
            assert_never(step)


def _paid_invoice(customer: Customer, sale: Sale, subscription: Subscription) -> list[tuple[str, Json, datetime]]:
    invoice = _invoice(customer, sale, subscription, paid=True)
    events = [("invoice.paid", invoice, sale.at), ("invoice_payment.paid", _invoice_payment(customer, sale), sale.at)]
    if sale.reason == "initial":
        events.insert(0, ("checkout.session.completed", _session(customer, sale, subscription), sale.at))
    return events


def _event(customer: Customer, kind: str, thing: Json, at: datetime, *, live: bool) -> Event:
    digest = sha256(f"{customer.number} {kind} {thing['id']} {at}".encode()).hexdigest()
    payload: Json = {
        "id": f"evt_{digest[:24]}",
        "object": "event",
        "api_version": API_VERSION,
        "created": _seconds(at),
        "data": {"object": thing},
        "livemode": live,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
    return Event(kind, payload, payload["id"], at)


def _session(customer: Customer, sale: Sale, subscription: Subscription | None) -> Json:
    """A checkout session. A single payment names its price in our metadata, for a webhook has no line items."""
    single = subscription is None
    metadata = {"account_id": customer.account_id}
    if single:
        metadata |= {"price_id": sale.product, "quantity": str(sale.quantity)}
    return {
        "id": f"cs_{_number(customer, sale)}",
        "object": "checkout.session",
        "amount_subtotal": sale.amount_minor,
        "amount_total": sale.amount_minor,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "client_reference_id": customer.account_id,
        "created": _seconds(sale.at),
        "currency": sale.currency.lower(),
        "customer": _customer(customer),
        "customer_details": _details(customer),
        "customer_email": None,
        "expires_at": _seconds(sale.at) + 86_400,
        "invoice": None if single else _invoice_id(customer, sale),
        "livemode": False,
        "metadata": metadata,
        "mode": "payment" if single else "subscription",
        "payment_intent": _intent(customer, sale) if single else None,
        "payment_method_types": ["card"],
        "payment_status": "paid",
        "status": "complete",
        "subscription": None if single else _subscription_id(customer),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": None,
    }


def _details(customer: Customer) -> Json:
    return {
        "address": {"city": None, "country": "DE", "line1": None, "line2": None, "postal_code": None, "state": None},
        "email": f"customer{customer.number}@example.com",
        "name": "Simulated Customer",
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def _invoice(customer: Customer, sale: Sale, subscription: Subscription, *, paid: bool) -> Json:
    at = _seconds(sale.at)
    lines = _lines(customer, sale, subscription)
    return {
        "id": _invoice_id(customer, sale),
        "object": "invoice",
        "amount_due": sale.amount_minor,
        "amount_overpaid": 0,
        "amount_paid": sale.amount_minor if paid else 0,
        "amount_remaining": 0 if paid else sale.amount_minor,
        "attempt_count": sale.attempt + 1,
        "attempted": True,
        "auto_advance": not paid,
        "billing_reason": _REASONS[sale.reason],
        "collection_method": "charge_automatically",
        "created": at,
        "currency": sale.currency.lower(),
        "customer": _customer(customer),
        "customer_email": f"customer{customer.number}@example.com",
        "customer_name": "Simulated Customer",
        "hosted_invoice_url": "https://invoice.stripe.com/i/simulated",
        "invoice_pdf": "https://pay.stripe.com/invoice/simulated/pdf",
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": False,
            "url": f"/v1/invoices/{_invoice_id(customer, sale)}/lines",
        },
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None if paid else at + 86_400,
        "number": f"SIM-{sale.number:04}",
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "metadata": {"account_id": customer.account_id},
                "subscription": _subscription_id(customer),
            },
        },
        # When items were added to it: not the time of service.
        "period_end": at,
        "period_start": at,
        "status": "paid" if paid else "open",
        "status_transitions": {
            "finalized_at": at,
            "marked_uncollectible_at": None,
            "paid_at": at if paid else None,
            "voided_at": None,
        },
        "subtotal": sale.amount_minor,
        "total": sale.amount_minor,
    }


def _lines(customer: Customer, sale: Sale, subscription: Subscription) -> list[Json]:
    """One line for a period. A change gives back what is left of the old price, and takes it of the new one."""
    if sale.reason != "change" or subscription.previous is None:
        start = subscription.period_start
        return [_line(customer, sale, subscription, sale.product, sale.amount_minor, start, 1)]
    new_part = sale.amount_minor * 2
    parts = [(subscription.previous, sale.amount_minor - new_part), (sale.product, new_part)]
    return [
        _line(customer, sale, subscription, product, amount, sale.at, place)
        for place, (product, amount) in enumerate(parts, 1)
    ]


def _line(
    customer: Customer, sale: Sale, subscription: Subscription, product: str, amount: int, start: datetime, place: int
) -> Json:
    item = {
        "invoice_item": None,
        "proration": sale.reason == "change",
        "proration_details": {"credited_items": None},
        "subscription": _subscription_id(customer),
        "subscription_item": f"si_{customer.number}",
    }
    return {
        "id": f"il_{_number(customer, sale)}_{place}",
        "object": "line_item",
        "amount": amount,
        "currency": sale.currency.lower(),
        "description": f"{sale.quantity} × {product}",
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": _invoice_id(customer, sale),
        "livemode": False,
        "metadata": {"account_id": customer.account_id},
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": item,
        },
        "period": {"start": _seconds(start), "end": _seconds(subscription.period_end)},
        "pricing": {
            "type": "price_details",
            "price_details": {"price": product, "product": f"prod_{product}"},
            "unit_amount_decimal": str(amount),
        },
        "quantity": sale.quantity,
        "taxes": [],
    }


def _invoice_payment(customer: Customer, sale: Sale) -> Json:
    return {
        "id": f"inpay_{_number(customer, sale)}",
        "object": "invoice_payment",
        "amount_paid": sale.amount_minor,
        "amount_requested": sale.amount_minor,
        "created": _seconds(sale.at),
        "currency": sale.currency.lower(),
        "invoice": _invoice_id(customer, sale),
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": _intent(customer, sale)},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": _seconds(sale.at)},
    }


def _subscription(customer: Customer, subscription: Subscription) -> Json:
    running = "past_due" if subscription.past_due else "active"
    ends_at = subscription.ends_at and _seconds(subscription.ends_at)
    return {
        "id": _subscription_id(customer),
        "object": "subscription",
        "billing_cycle_anchor": _seconds(subscription.started_at),
        "cancel_at": ends_at,
        "cancel_at_period_end": ends_at is not None and not subscription.ended,
        "canceled_at": ends_at,
        "collection_method": "charge_automatically",
        "created": _seconds(subscription.started_at),
        "currency": subscription.currency.lower(),
        "customer": _customer(customer),
        "ended_at": ends_at if subscription.ended else None,
        "items": {
            "object": "list",
            "data": [_item(customer, subscription)],
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={_subscription_id(customer)}",
        },
        "livemode": False,
        "metadata": {"account_id": customer.account_id},
        "pause_collection": None,
        "pending_update": None,
        "schedule": None,
        "start_date": _seconds(subscription.started_at),
        "status": "canceled" if subscription.ended else running,
        "trial_end": None,
        "trial_start": None,
    }


def _item(customer: Customer, subscription: Subscription) -> Json:
    created = _seconds(subscription.started_at)
    return {
        "id": f"si_{customer.number}",
        "object": "subscription_item",
        "created": created,
        "current_period_end": _seconds(subscription.period_end),
        "current_period_start": _seconds(subscription.period_start),
        "metadata": {},
        "price": {
            "id": subscription.product,
            "object": "price",
            "active": True,
            "billing_scheme": "per_unit",
            "created": created,
            "currency": subscription.currency.lower(),
            "livemode": False,
            "metadata": {},
            "product": f"prod_{subscription.product}",
            "type": "recurring",
            "unit_amount": subscription.amount_minor,
        },
        "quantity": 1,
        "subscription": _subscription_id(customer),
    }


def _charge(customer: Customer, sale: Sale, refunded: int) -> Json:
    return {
        "id": _charge_id(customer, sale),
        "object": "charge",
        "amount": sale.amount_minor,
        "amount_captured": sale.amount_minor,
        "amount_refunded": refunded,
        "captured": True,
        "created": _seconds(sale.at),
        "currency": sale.currency.lower(),
        "customer": _customer(customer),
        "disputed": False,
        "livemode": False,
        "metadata": {},
        "paid": True,
        "payment_intent": _intent(customer, sale),
        "refunded": refunded == sale.amount_minor,
        "status": "succeeded",
    }


def _dispute(customer: Customer, sale: Sale, outcome: str) -> Json:
    return {
        "id": f"dp_{_number(customer, sale)}",
        "object": "dispute",
        "amount": sale.amount_minor,
        "balance_transactions": [],
        "charge": _charge_id(customer, sale),
        "created": _seconds(sale.at),
        "currency": sale.currency.lower(),
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": _intent(customer, sale),
        "reason": "fraudulent",
        "status": "needs_response" if outcome == "open" else outcome,
    }


def _number(customer: Customer, sale: Sale) -> str:
    return f"{customer.number}_{sale.number}"


def _customer(customer: Customer) -> str:
    return f"cus_{customer.number}"


def _subscription_id(customer: Customer) -> str:
    return f"sub_{customer.number}"


def _invoice_id(customer: Customer, sale: Sale) -> str:
    return f"in_{_number(customer, sale)}"


def _intent(customer: Customer, sale: Sale) -> str:
    return f"pi_{_number(customer, sale)}"


def _charge_id(customer: Customer, sale: Sale) -> str:
    return f"ch_{_number(customer, sale)}"


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
