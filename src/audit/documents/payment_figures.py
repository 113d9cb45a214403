"""What a receipt or an invoice prints of the events of its payment."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never

from audit.documents.figures import Money, Rows, credits_of, day, figures_of, long_day
from audit.documents.verifying import VerifiedDocument
from ledger.domain.events import CreditsGranted, DisputeRecorded, Event, PaymentRecorded, PaymentRefunded

PROVIDERS = {
    "dodo": "Dodo Payments",
    "lemonsqueezy": "Lemon Squeezy",
    "manual": "Bank transfer",
    "paddle": "Paddle",
    "polar": "Polar",
    "stripe": "Stripe",
}
MERCHANTS_OF_RECORD = frozenset({"dodo", "lemonsqueezy", "paddle", "polar"})
"""The providers that sell in their own name. Theirs is the invoice, with the tax on it."""
SELLING = frozenset({"manual"})
"""Where the seller of the settings sells, and nobody else writes an invoice."""
_REASONS = {"initial": "first payment", "renewal": "renewal", "change": "change of plan"}


def payment_figures(verified: VerifiedDocument) -> dict[str, Any]:
    """The figures of a verified receipt or invoice."""
    payment = next(event for event in verified.events if isinstance(event, PaymentRecorded))
    claims, provider = verified.document.claims, PROVIDERS.get(payment.provider, payment.provider)
    paid = Money(payment.amount_minor, payment.currency)
    facts = [
        *([("Number", claims.number)] if claims.number else []),
        ("Date", day(payment.recorded_at)),
        ("Payment", payment.payment_id),
        ("Paid by" if payment.provider in SELLING else "Paid through", provider),
    ]
    more = {
        "headline": f"{paid} paid on {long_day(payment.recorded_at)}",
        "lines": [[*_description(payment, verified), _quantity(payment), str(paid)]],
        "sums": _sums(payment, verified.events),
        "notes": [*_merchant(payment.provider, provider), *claims.notes],
        "lots": [_lot(event) for event in verified.events if isinstance(event, CreditsGranted)],
    }
    title = verified.document.kind.capitalize()
    return figures_of(verified, title, payment.recorded_at, facts, more)


def _description(payment: PaymentRecorded, verified: VerifiedDocument) -> tuple[str]:
    """What was bought, on one line or two. Form 1 calls a package a plan."""
    subscription, plan = payment.subscription, verified.document.claims.plan or payment.plan
    if subscription is None and (plan is None or verified.document.form > 1):
        return (_bought_once(plan, verified.events),)
    reason = f", {_REASONS[subscription.reason]}" if subscription else ""
    period = _period(subscription.period_start, subscription.period_end) if subscription else ""
    return (f"{f'Plan {plan}' if plan else 'Subscription'}{reason}{period}",)


def _bought_once(package: str | None, events: Sequence[Event]) -> str:
    """What was bought without a subscription: the package, and its credits."""
    credits = sum(event.amount for event in events if isinstance(event, CreditsGranted))
    return ": ".join(filter(None, [package, f"{credits_of(credits)} credits" if credits else None])) or "Payment"


def _period(start: datetime | None, end: datetime | None) -> str:
    """On a line of its own, the days from the first to the last one, which is that before the end."""
    if start is None or end is None:
        return ""
    return f"\n{day(start)} to {day(max(start, end - timedelta(days=1)))}"


def _quantity(payment: PaymentRecorded) -> str:
    return credits_of(payment.subscription.quantity if payment.subscription else 1)


def _sums(payment: PaymentRecorded, events: Sequence[Event]) -> Rows:
    """The paid amount, what went back of it, and what is left."""
    paid, currency = payment.amount_minor, payment.currency
    refunds = [event for event in events if isinstance(event, PaymentRefunded)]
    disputes = {event.dispute_id: event for event in events if isinstance(event, DisputeRecorded)}.values()
    back = sum(refund.amount_minor for refund in refunds)
    back += sum(dispute.amount_minor for dispute in disputes if dispute.state == "lost")
    rows = [
        *([f"Refunded on {day(e.recorded_at)}, {e.refund_id}", str(Money(-e.amount_minor, currency))] for e in refunds),
        *(_dispute(event, currency) for event in disputes),
    ]
    left = [["Left of it", str(Money(paid - back, currency))]] if back else []
    return [["Total paid", str(Money(paid, currency))], *rows, *left]


def _dispute(event: DisputeRecorded, currency: str) -> list[str]:
    """A dispute as it was last reported. The money of one that is open, or was won, did not go back."""
    money, at = Money(event.amount_minor, currency), day(event.recorded_at)
    match event.state:
        case "lost":
            return [f"Lost in a dispute on {at}, {event.dispute_id}", str(Money(-event.amount_minor, currency))]
        case "open":
            return [f"{money} disputed since {at}, {event.dispute_id}", ""]
        case "won":
            return [f"The dispute about {money} ended on {at}, {event.dispute_id}", ""]
    assert_never(event.state)


def _merchant(provider: str, name: str) -> list[str]:
    if provider not in MERCHANTS_OF_RECORD:
        return []
    return [f"{name} is the merchant of record: its own invoice has the tax, and is the invoice of this purchase."]


def _lot(event: CreditsGranted) -> list[str]:
    start = event.effective_at or event.recorded_at
    until = day(event.expires_at) if event.expires_at else "no expiry"
    return [event.kind.capitalize(), event.grant_id, credits_of(event.amount), day(start), until]
