"""How Dodo Payments tells the steps of a life: events with the fields of its types."""

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
_BUSINESS = "bus_simulated"
_CHARGES = {"initial": "new", "renewal": "renewal", "change": "plan_change"}
_EVENTS: dict[Happened, tuple[str, ...]] = {
    "created": ("subscription.active",),
    "renewed": ("subscription.updated",),
    "changed": ("subscription.plan_changed", "subscription.updated"),
    "past_due": ("subscription.on_hold",),
    "recovered": ("subscription.active",),
    "cancelled": ("subscription.updated",),
    "resumed": ("subscription.updated",),
    "ended": ("subscription.cancelled",),
}


def dodo_events(customer: Customer, step: Step) -> list[Event]:
    """The events of one step, in the order in which they come about. Dodo's say nothing about test or live mode."""
    match step:
        case Paid(sale, subscription):
            return _paid(customer, sale, subscription)
        case Failed(sale, subscription):
            payment = _payment(customer, sale, subscription, succeeded=False)
            return [_event(customer, "payment.failed", payment, sale.at)]
        case Told(what, subscription, at):
            data = _subscription(customer, subscription, None)
            return [_event(customer, kind, data, at) for kind in _EVENTS[what]]
        case Refunded(sale, _, amount, total, at):
            return [_event(customer, "refund.succeeded", _refund(customer, sale, amount, total, at), at)]
        case Disputed(sale, _, outcome, at):
            kind = {"open": "dispute.opened"}.get(outcome, f"dispute.{outcome}")
            return [_event(customer, kind, _dispute(customer, sale, kind, at), at)]
        case _:
            assert_never(step)


def _paid(customer: Customer, sale: Sale, subscription: Subscription | None) -> list[Event]:
    """A payment. A period that is paid is told once more by the subscription, which names the payment."""
    payment = _payment(customer, sale, subscription, succeeded=True)
    events = [_event(customer, "payment.succeeded", payment, sale.at)]
    if subscription is not None and sale.reason in ("initial", "renewal"):
        renewed = _subscription(customer, subscription, payment["payment_id"])
        events.append(_event(customer, "subscription.renewed", renewed, sale.at))
    return events


def _event(customer: Customer, kind: str, data: Json, at: datetime) -> Event:
    digest = sha256(f"{customer.number} {kind} {data} {at}".encode()).hexdigest()
    payload = {"business_id": _BUSINESS, "data": data, "timestamp": _iso(at), "type": kind}
    return Event(kind, payload, f"msg_{digest[:27]}", at)


def _payment(customer: Customer, sale: Sale, subscription: Subscription | None, *, succeeded: bool) -> Json:
    """A payment. Each attempt is one of its own, with an id of its own."""
    single = subscription is None
    return {
        "billing": _address(),
        "brand_id": _BUSINESS,
        "business_id": _BUSINESS,
        "card_holder_name": "Simulated Customer",
        "card_issuing_country": "DE",
        "card_last_four": "4242",
        "card_network": "VISA",
        "card_type": "CREDIT",
        "charge_type": _CHARGES.get(sale.reason),
        "checkout_session_id": f"cks_{customer.number}_{sale.number}",
        "created_at": _iso(sale.at),
        "currency": sale.currency,
        "customer": _customer(customer),
        "digital_products_delivered": False,
        "disputes": [],
        "error_code": None if succeeded else "CARD_DECLINED",
        "error_message": None if succeeded else "The card was declined.",
        "includes_usage": False,
        "is_multi_subscription": False,
        "is_update_payment_method": False,
        "metadata": {"account_id": customer.account_id},
        "payment_id": _payment_id(customer, sale),
        "payment_method": "card",
        "payment_provider": "dodo",
        "product_cart": [{"product_id": sale.product, "quantity": sale.quantity}] if single else None,
        "refunds": [],
        "retry_attempt": sale.attempt,
        "service_periods": [_period(customer, sale, subscription)] if subscription and succeeded else [],
        "settlement_amount": sale.amount_minor,
        "settlement_currency": sale.currency,
        "settlement_tax": 0,
        "status": "succeeded" if succeeded else "failed",
        "subscription_id": None if single else _subscription_id(customer),
        "subscription_ids": [] if single else [_subscription_id(customer)],
        "tax": 0,
        "total_amount": sale.amount_minor,
        "updated_at": _iso(sale.at),
    }


def _period(customer: Customer, sale: Sale, subscription: Subscription) -> Json:
    """The time of service that a payment is for: what is left of the period, for a change."""
    start = sale.at if sale.reason == "change" else subscription.period_start
    whole = subscription.period_end - subscription.period_start
    return {
        "subscription_id": _subscription_id(customer),
        "starts_at": _iso(start),
        "ends_at": _iso(subscription.period_end),
        "proration_factor": f"{(subscription.period_end - start) / whole:.6f}",
    }


def _subscription(customer: Customer, subscription: Subscription, payment_id: str | None) -> Json:
    status = "cancelled" if subscription.ended else "on_hold" if subscription.past_due else "active"
    return {
        "addons": [],
        "billing": _address(),
        "brand_id": _BUSINESS,
        "cancel_at_next_billing_date": subscription.ends_at is not None,
        "cancelled_at": _iso(subscription.ends_at) if subscription.ended and subscription.ends_at else None,
        "created_at": _iso(subscription.started_at),
        "credit_entitlement_cart": [],
        "currency": subscription.currency,
        "customer": _customer(customer),
        "expires_at": None,
        "has_payment_method": True,
        "metadata": {"account_id": customer.account_id},
        "meter_credit_entitlement_cart": [],
        "meters": [],
        "next_billing_date": _iso(subscription.period_end),
        "on_demand": False,
        "payment_frequency_count": 1,
        "payment_frequency_interval": "Month",
        "payment_id": payment_id,
        "previous_billing_date": _iso(subscription.period_start),
        "product_id": subscription.product,
        "quantity": 1,
        "recurring_pre_tax_amount": subscription.amount_minor,
        "scheduled_change": None,
        "status": status,
        "subscription_id": _subscription_id(customer),
        "subscription_period_count": 10,
        "subscription_period_interval": "Year",
        "tax_inclusive": True,
        "trial_period_days": 0,
    }


def _refund(customer: Customer, sale: Sale, amount: int, total: int, at: datetime) -> Json:
    return {
        "amount": amount,
        "brand_id": _BUSINESS,
        "business_id": _BUSINESS,
        "created_at": _iso(at),
        "currency": sale.currency,
        "customer": _customer(customer),
        "is_partial": amount < sale.amount_minor,
        "metadata": {},
        "payment_id": _payment_id(customer, sale),
        "reason": "requested_by_customer",
        # By what was refunded in all, each refund of a payment has another id.
        "refund_id": f"ref_{customer.number}_{sale.number}_{total}",
        "status": "succeeded",
    }


def _dispute(customer: Customer, sale: Sale, kind: str, at: datetime) -> Json:
    """A dispute. Its amount is a text."""
    return {
        "amount": str(sale.amount_minor),
        "business_id": _BUSINESS,
        "created_at": _iso(at),
        "currency": sale.currency,
        "dispute_id": f"dis_{customer.number}_{sale.number}",
        "dispute_stage": "dispute",
        "dispute_status": kind.replace(".", "_"),
        "payment_id": _payment_id(customer, sale),
        "remarks": None,
    }


def _address() -> Json:
    return {"city": "Berlin", "country": "DE", "state": "Berlin", "street": "1 Example Street", "zipcode": "10115"}


def _customer(customer: Customer) -> Json:
    return {
        "customer_id": f"cus_{customer.number}",
        "email": f"customer{customer.number}@example.com",
        "metadata": {},
        "name": "Simulated Customer",
        "phone_number": None,
    }


def _payment_id(customer: Customer, sale: Sale) -> str:
    return f"pay_{customer.number}_{sale.number}_{sale.attempt}"


def _subscription_id(customer: Customer) -> str:
    return f"sub_{customer.number}"


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
