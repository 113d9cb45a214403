"""The answers of payments, refunds and disputes, with the grants that were bought and the voids."""

from collections.abc import Sequence

from api.contract.answers.answer import BoughtGrant, GrantIfAny, GrantsIfAny, VoidedGrant, VoidsIfAny
from api.contract.answers.commands import Disputed, Paid, Place, Refunded, Subscribed
from ledger.domain.events import (
    CreditsGranted,
    DisputeRecorded,
    Event,
    Events,
    GrantVoided,
    PaymentRecorded,
    PaymentRefunded,
    SubscriptionRecorded,
)
from ledger.domain.holds import with_fate
from ledger.domain.lots import total
from ledger.explain.balance_answer import balance_fields


def paid(place: Place, event: PaymentRecorded, events: Events) -> Paid:
    """The answer of a payment."""
    return {
        **place,
        "payment_id": event.payment_id,
        "payment_status": event.status,
        **_grants_if_any(_grants_after(event, events)),
        "balance": balance_fields(events[-1].balance),
    }


def refunded(place: Place, event: PaymentRefunded, events: Events) -> Refunded:
    """The answer of a refund."""
    return {
        **place,
        "payment_id": event.payment_id,
        "refund_id": event.refund_id,
        "refunded_minor": event.amount_minor,
        **_voids_if_any(_voids_after(event, events)),
        "balance": balance_fields(events[-1].balance),
    }


def disputed(place: Place, event: DisputeRecorded, events: Events) -> Disputed:
    """The answer of a report about a dispute."""
    return {
        **place,
        "payment_id": event.payment_id,
        "dispute_id": event.dispute_id,
        "dispute_state": event.state,
        "disputed_minor": event.amount_minor,
        "hold_id": event.hold_id,
        "held": total(event.draws),
        "released": with_fate(event.returns, "returned"),
        "lapsed": with_fate(event.returns, "lapsed"),
        "cancelled": with_fate(event.returns, "cancelled"),
        **_voids_if_any(_voids_after(event, events)),
        "balance": balance_fields(events[-1].balance),
    }


def subscribed(place: Place, event: SubscriptionRecorded, events: Events) -> Subscribed:
    """The answer of a word about a subscription."""
    return {
        **place,
        "subscription_id": event.subscription_id,
        "subscription_status": event.status,
        "plan": event.terms.plan,
        "plan_version": event.terms.version,
        **_grants_if_any(_grants_after(event, events)),
        **_voids_if_any(_voids_after(event, events)),
        "balance": balance_fields(events[-1].balance),
    }


def _grants_after(event: Event, events: Events) -> list[CreditsGranted]:
    """The grants that followed from an event, without those that time made before it."""
    return [one for one in events[events.index(event) :] if isinstance(one, CreditsGranted)]


def _voids_after(event: Event, events: Events) -> list[GrantVoided]:
    return [one for one in events[events.index(event) :] if isinstance(one, GrantVoided)]


def grant_if_any(last: Event) -> GrantIfAny:
    """The fields of a grant, if the last event is one."""
    return {**_bought(last)} if isinstance(last, CreditsGranted) else {}


def _grants_if_any(events: Sequence[CreditsGranted]) -> GrantsIfAny:
    if not events:
        return {}
    grants = [_bought(event) for event in events]
    return {**grants[0], "grants": grants} if len(grants) == 1 else {"grants": grants}


def _bought(event: CreditsGranted) -> BoughtGrant:
    return {
        "grant_id": event.grant_id,
        "granted": event.amount,
        "kind": event.kind,
        "expires_at": event.expires_at,
        "effective_at": event.effective_at,
    }


def _voids_if_any(events: Sequence[GrantVoided]) -> VoidsIfAny:
    if not events:
        return {}
    voids = [_void(event) for event in events]
    return {**voids[0], "voids": voids} if len(voids) == 1 else {"voids": voids}


def _void(event: GrantVoided) -> VoidedGrant:
    return {"grant_id": event.grant_id, "voided": event.amount, "uncollected": event.uncollected}
