"""What a decision answers, in the words of the HTTP contract: the model's vocabulary, read off the events."""

from typing import Any

from ledger.domain.amounts import Balance
from ledger.domain.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountReopened,
    AccountUnfrozen,
    AccountUpdated,
    AllowanceSet,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    CreditsSentBack,
    DeductionReversed,
    DisputeRecorded,
    Event,
    Events,
    GrantExpiryChanged,
    GrantStarted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    LimitsSet,
    PaymentRecorded,
    PaymentRefunded,
    SubscriptionRecorded,
    TextsErased,
    TransferReversed,
    UsageMetered,
)
from ledger.domain.holds import Returns, with_fate
from ledger.domain.limits import Counts
from ledger.domain.lots import Draws, total
from tests.domain.counting_model import Told, in_order
from tests.domain.journal import Journal
from tests.domain.model import Answer, Given


def answer_of(events: Events, journal: Journal) -> Answer:
    """The answer to a command that led to `events`, which the journal has appended."""
    passed = [event for event in events if is_of_time(event)]
    answer: Answer = {"passed": sorted((what_time_did(event) for event in passed), key=repr)}
    answer |= what_events_did(events[len(passed) :])
    account = journal.opened
    after = {"version": account.version, "recorded_at": account.recorded_at}
    return {**answer, **after, "balance": balance_of(account.balance)}


def is_of_time(event: Event) -> bool:
    """Whether time made the event: an expiry, a start, or what a dispute holds of a grant that started."""
    if isinstance(event, DisputeRecorded):
        return (event.changed_by or "").startswith("grt_")
    return isinstance(event, HoldExpired | CreditsExpired | GrantStarted)


def what_events_did(events: Events) -> Answer:
    """The events of a decision, told by name; grants, voids and received lots may be several."""
    answer: Answer = {}
    for event in events:
        done = what_was_done(event)
        for several in ("grants", "voids", "received", "changes"):
            if several in done:
                done[several] = answer.get(several, []) + done[several]
        answer.update(done)
    return answer


def balance_of(balance: Balance) -> Answer:
    """A balance by its names in the contract."""
    return {
        "total": balance.total,
        "held": balance.held,
        "available": balance.available,
        "subscription_credits": balance.subscription,
        "permanent_credits": balance.permanent,
        "subscription_expire_at": balance.subscription_expire_at,
    }


def what_time_did(event: Event) -> tuple[object, ...]:
    """A hold's or a lot's end, or the start of a coming grant, with what a dispute holds of it."""
    if isinstance(event, DisputeRecorded):
        return ("disputed", event.dispute_id, event.changed_by, event.hold_id, total(event.draws))
    if isinstance(event, GrantStarted):
        return ("grant started", event.grant_id, event.effective_at, event.amount)
    if isinstance(event, HoldExpired):
        return ("hold expired", event.hold_id, event.effective_at, _given(event.returns), _counts(event.counts))
    assert isinstance(event, CreditsExpired)
    return ("lot lapsed", event.grant_id, event.effective_at, event.amount)


def what_was_done(event: Event) -> dict[str, Any]:
    """One event of a decision, told by name."""
    match event:
        case AccountOpened():
            return {"opened": event.account_id, "labels": event.labels}
        case AccountUpdated():
            return {"updated": {event.description, *(event.metadata or {})} - {None}, "labels": event.labels}
        case CreditsGranted():
            granted = {
                "grant_id": event.grant_id,
                "granted": event.amount,
                "kind": event.kind,
                "expires_at": event.expires_at,
                "effective_at": event.effective_at,
                "source": event.source,
            }
            return {"grants": [granted]}
        case CreditsDeducted():
            said = {"deducted": event.amount, "counts": _counts(event.counts), "occurred_at": event.occurred_at}
            return {**said, **_deduction(event)}
        case CreditsHeld():
            return {
                "hold_id": event.hold_id,
                "held": event.amount,
                "expires_at": event.expires_at,
                "draws": _draws(event.draws),
                "counts": _counts(event.counts),
            }
        case HoldExtended():
            return {"hold_id": event.hold_id, "expires_at": event.expires_at, "lots_expire_at": event.lots_expire_at}
        case HoldCaptured():
            return {
                "hold_id": event.hold_id,
                "captured": event.amount,
                "deducted": event.amount,
                "given": _given(event.returns),
                "hold_is_over": event.final,
                "counts": _counts(event.counts),
                "occurred_at": event.occurred_at,
                **_deduction(event),
            }
        case HoldReleased():
            return {"hold_id": event.hold_id, "given": _given(event.returns), "counts": _counts(event.counts)}
        case DeductionReversed():
            given, waived = _given(event.returns), event.waived or 0
            return {"reversed": event.amount, "given": given, "waived": waived, "counts": _counts(event.counts)}
        case GrantVoided():
            voided = {
                "grant_id": event.grant_id,
                "voided": event.amount,
                "uncollected": event.uncollected,
                "closed": event.closed,
                "coming": bool(event.coming),
            }
            return {"voids": [voided]}
        case GrantExpiryChanged():
            return {
                "grant_id": event.grant_id,
                "kind": event.kind,
                "expires_at": event.expires_at,
                "previous_expires_at": event.previous_expires_at,
                "reinstated": event.reinstated,
            }
        case PaymentRecorded():
            return {"payment_id": event.payment_id, "provider": event.provider, "status": event.status}
        case PaymentRefunded():
            return {
                "refund_id": event.refund_id,
                "refunded": event.amount_minor,
                "refunded_so_far": event.refunded_minor,
                "provider": event.provider,
            }
        case DisputeRecorded() if event.changed_by is not None:
            awaits = [tuple(one) for one in event.awaits or ()]
            told = event.dispute_id, event.hold_id, _draws(event.draws), awaits, _given(event.returns)
            return {"changes": [told]}
        case DisputeRecorded():
            return {
                "dispute_id": event.dispute_id,
                "state": event.state,
                "disputed": event.amount_minor,
                "provider": event.provider,
                "hold_id": event.hold_id,
                "draws": _draws(event.draws),
                "awaits": [tuple(one) for one in event.awaits or ()],
                "given": _given(event.returns),
            }
        case SubscriptionRecorded():
            return {"subscription_id": event.subscription_id, "told": event.status}
        case AccountFrozen():
            return {"standing": "frozen"}
        case AccountUnfrozen() | AccountReopened():
            return {"standing": "active"}
        case AccountClosed(successor=None):
            return {"standing": "closed"}
        case AccountClosed():
            return {"standing": "closed", "successor": event.successor}
        case CreditsSent():
            return {
                "transfer_id": event.transfer_id,
                "to": event.to_account_id,
                "sent": event.amount,
                "draws": _draws(event.draws),
            }
        case TransferReversed():
            return {
                "transfer_id": event.transfer_id,
                "to": event.to_account_id,
                "came_back": _given(event.returns),
            }
        case CreditsSentBack():
            return {"transfer_id": event.transfer_id, "sent_back": event.amount, "draws": _draws(event.draws)}
        case CreditsReceived():
            return {"received": [_received(event)]}
        case TextsErased():
            return {"texts": "erased"}
        case LimitsSet():
            return {
                "source": event.source,
                "limits": [limit.limit_id for limit in event.limits],
                "kept": list(event.kept),
                "counts": _counts(event.counts),
            }
        case AllowanceSet():
            return {"limit_id": event.limit_id, "value": event.value, "amount": event.amount}
        case UsageMetered():
            return {"metric": event.metric, "metered": event.quantity, **_meter(event)}
        case HoldExpired() | CreditsExpired() | GrantStarted():
            raise AssertionError(f"time comes first, and not after the command: {event}")


def _counts(counts: Counts | None) -> list[Told]:
    return in_order(list(counts or ()))


def _received(event: CreditsReceived) -> tuple[object, ...]:
    lot = event.grant_id, event.amount, event.kind, event.expires_at, event.source, event.granted_at
    return (*lot, event.from_account_id, event.from_grant_id, event.origin_account_id, event.origin_grant_id)


def _deduction(event: CreditsDeducted | HoldCaptured) -> dict[str, Any]:
    return {
        "deduction_id": event.deduction_id,
        "from_subscription": total(event.draws, "subscription"),
        "from_permanent": total(event.draws, "permanent"),
        "draws": _draws(event.draws),
        "uncollected": event.uncollected or 0,
    }


def _draws(draws: Draws) -> list[tuple[str, str, int]]:
    return [(part.grant_id, part.kind, part.amount) for part in draws]


def _given(returns: Returns) -> Given:
    return Given(
        with_fate(returns, "returned"),
        with_fate(returns, "lapsed"),
        with_fate(returns, "cancelled"),
    )


def _meter(event: UsageMetered) -> dict[str, Any]:
    return {"counts": _counts(event.counts), "occurred_at": event.occurred_at}
