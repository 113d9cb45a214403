"""Makes the answers of commands. Each is a pure function of the command's events: a replay gives the original again."""

from typing import assert_never

from api.contract.answers.answer import COLLECTED, NOTHING_WAIVED, LabelsIfAny, uncollected, waived
from api.contract.answers.billing.prices import UNPRICED, price_if_any
from api.contract.answers.commands import (
    AllowanceChanged,
    AnyAnswer,
    Captured,
    Deducted,
    ExpiryChanged,
    Extended,
    Granted,
    Held,
    LimitsReplaced,
    Metered,
    Opened,
    Place,
    Released,
    Reversed,
    StandingChanged,
    Updated,
    Voided,
)
from api.contract.answers.limits import LimitsIfAny, limit_fields, limits_left
from api.contract.answers.moving import draw_fields, merged, transfer_reversal, transferred
from api.contract.answers.payments import disputed, grant_if_any, paid, refunded, subscribed
from ledger.commit.submission import Recorded
from ledger.domain.account import Standing
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
from ledger.domain.holds import lots_expire_at, with_fate
from ledger.domain.limits import Counts
from ledger.domain.lots import total
from ledger.explain.balance_answer import balance_fields

_NO_LIMITS: LimitsIfAny = {}


def answer(recorded: Recorded, *, dry_run: bool = False) -> AnyAnswer:
    """What a command answers: where it is in the log, what it did, and the balance after it."""
    answered = _answered(_place(recorded), recorded.events)
    return _rehearsed(answered) if dry_run else answered


def batch_result(recorded: Recorded, operation: str, status: int, *, dry_run: bool = False) -> AnyAnswer:
    """The same of a command in a batch, with its operation, and with the status that it would have alone."""
    answered = _answered({"op": operation, "status": status, **_place(recorded)}, recorded.events)
    if recorded.replayed:
        answered["idempotent_replayed"] = True
    return _rehearsed(answered) if dry_run else answered


def _rehearsed(answered: AnyAnswer) -> AnyAnswer:
    answered["position"] = answered["position"] or None
    answered["dry_run"] = True
    return answered


def _place(recorded: Recorded) -> Place:
    account_id, version, position, events, _ = recorded
    return {
        "account_id": account_id,
        "version": version,
        "position": position,
        "recorded_at": events[-1].recorded_at,
    }


def _answered(place: Place, events: Events) -> AnyAnswer:
    last = events[-1]
    match _main(events):
        case CreditsDeducted() as event:
            return _deducted(place, event)
        case CreditsGranted() as event:
            return _granted(place, event)
        case CreditsHeld() as event:
            return _held(place, event)
        case HoldCaptured() as event:
            return _captured(place, event)
        case HoldExtended() as event:
            return _extended(place, event)
        case HoldReleased() as event:
            return _released(place, event)
        case DeductionReversed() as event:
            return _reversed(place, event)
        case GrantVoided() as event:
            return _voided(place, event)
        case GrantExpiryChanged() as event:
            return _expiry_changed(place, event)
        case AccountOpened():
            return _opened(place, last)
        case PaymentRecorded() as event:
            return paid(place, event, events)
        case PaymentRefunded() as event:
            return refunded(place, event, events)
        case DisputeRecorded() as event:
            return disputed(place, event, events)
        case SubscriptionRecorded() as event:
            return subscribed(place, event, events)
        case AccountUpdated() as event:
            return _updated(place, event)
        case AccountFrozen() as event:
            return _standing(place, event, "frozen")
        case AccountUnfrozen() | AccountReopened() as event:
            return _standing(place, event, "active")
        case AccountClosed(successor=None) as event:
            return _standing(place, event, "closed")
        case UsageMetered() as event:
            return _metered(place, event)
        case LimitsSet() as event:
            return _limits_replaced(place, event)
        case AllowanceSet() as event:
            return _allowance_changed(place, event)
        case AccountClosed() as event:
            return merged(place, event, events)
        case CreditsSent() as event:
            return transferred(place, event)
        case TransferReversed() as event:
            return transfer_reversal(place, event)
        case CreditsExpired() | HoldExpired() | GrantStarted() | TextsErased() as event:
            raise TypeError(f"{type(event).__name__} is what no caller asks for")
        case CreditsReceived() | CreditsSentBack() as event:
            raise TypeError(f"{type(event).__name__} is what no caller asks for")
        case event:
            assert_never(event)


def _main(events: Events) -> Event:
    """What the command is about: the last event, or the one before the grants, voids or freeze that belong to it."""
    last = events[-1]
    if isinstance(last, CreditsGranted | GrantVoided | AccountFrozen) or _is_change_of_dispute(last):
        for before in reversed(events[:-1]):
            if _leads(before, last):
                return before
            if not isinstance(before, CreditsGranted | GrantVoided | DisputeRecorded):
                break
    return last


def _is_change_of_dispute(event: Event) -> bool:
    return isinstance(event, DisputeRecorded) and event.changed_by is not None


def _leads(event: Event, last: Event) -> bool:
    """Whether an event is what a command is about, and `last` only follows from it."""
    if isinstance(event, DisputeRecorded):
        return event.changed_by is None
    leading = AccountOpened | PaymentRecorded | PaymentRefunded | SubscriptionRecorded
    return isinstance(event, leading) and not isinstance(last, AccountFrozen)


def _deducted(place: Place, event: CreditsDeducted) -> Deducted:
    from_subscription = total(event.draws, "subscription")
    return {
        **place,
        "deduction_id": event.deduction_id,
        "deducted": event.amount,
        "from_subscription": from_subscription,
        "from_permanent": event.amount - from_subscription,
        "draws": draw_fields(event.draws),
        "balance_after": event.balance.total,
        "balance": balance_fields(event.balance),
        **(_NO_LIMITS if event.counts is None else _limits(event.counts)),
        **(COLLECTED if event.uncollected is None else uncollected(event.uncollected)),
        **(UNPRICED if event.price is None else price_if_any(event.price)),
    }


def _captured(place: Place, event: HoldCaptured) -> Captured:
    from_subscription = total(event.draws, "subscription")
    return {
        **place,
        "hold_id": event.hold_id,
        "captured": event.amount,
        "final": event.final,
        "released": sum(part.amount for part in event.returns),
        "lapsed": with_fate(event.returns, "lapsed"),
        "cancelled": with_fate(event.returns, "cancelled"),
        "deduction_id": event.deduction_id,
        "deducted": event.amount,
        "from_subscription": from_subscription,
        "from_permanent": event.amount - from_subscription,
        "draws": draw_fields(event.draws),
        "balance_after": event.balance.total,
        "balance": balance_fields(event.balance),
        **(_NO_LIMITS if event.counts is None else _limits(event.counts)),
        **(COLLECTED if event.uncollected is None else uncollected(event.uncollected)),
        **(UNPRICED if event.price is None else price_if_any(event.price)),
    }


def _limits(counts: Counts) -> LimitsIfAny:
    return {"limits": limits_left(counts)}


def _granted(place: Place, event: CreditsGranted) -> Granted:
    return {
        **place,
        "grant_id": event.grant_id,
        "granted": event.amount,
        "kind": event.kind,
        "expires_at": event.expires_at,
        "effective_at": event.effective_at,
        "balance": balance_fields(event.balance),
    }


def _held(place: Place, event: CreditsHeld) -> Held:
    return {
        **place,
        "hold_id": event.hold_id,
        "held": event.amount,
        "expires_at": event.expires_at,
        "lots_expire_at": lots_expire_at(event.draws, event.expires_at),
        "draws": draw_fields(event.draws),
        "balance": balance_fields(event.balance),
        **(_NO_LIMITS if event.counts is None else _limits(event.counts)),
        **(UNPRICED if event.price is None else price_if_any(event.price)),
    }


def _extended(place: Place, event: HoldExtended) -> Extended:
    return {
        **place,
        "hold_id": event.hold_id,
        "expires_at": event.expires_at,
        "lots_expire_at": event.lots_expire_at,
        "balance": balance_fields(event.balance),
    }


def _released(place: Place, event: HoldReleased) -> Released:
    return {
        **place,
        "hold_id": event.hold_id,
        "released": sum(part.amount for part in event.returns),
        "lapsed": with_fate(event.returns, "lapsed"),
        "cancelled": with_fate(event.returns, "cancelled"),
        "balance": balance_fields(event.balance),
        **(_NO_LIMITS if event.counts is None else _limits(event.counts)),
    }


def _reversed(place: Place, event: DeductionReversed) -> Reversed:
    return {
        **place,
        "deduction_id": event.deduction_id,
        "reversed": sum(part.amount for part in event.returns),
        "lapsed": with_fate(event.returns, "lapsed"),
        "cancelled": with_fate(event.returns, "cancelled"),
        "balance": balance_fields(event.balance),
        **(_NO_LIMITS if event.counts is None else _limits(event.counts)),
        **(NOTHING_WAIVED if event.waived is None else waived(event.waived)),
    }


def _voided(place: Place, event: GrantVoided) -> Voided:
    return {
        **place,
        "grant_id": event.grant_id,
        "voided": event.amount,
        "uncollected": event.uncollected,
        "balance": balance_fields(event.balance),
    }


def _expiry_changed(place: Place, event: GrantExpiryChanged) -> ExpiryChanged:
    return {
        **place,
        "grant_id": event.grant_id,
        "kind": event.kind,
        "expires_at": event.expires_at,
        "previous_expires_at": event.previous_expires_at,
        "reinstated": event.reinstated,
        "balance": balance_fields(event.balance),
    }


def _opened(place: Place, last: Event) -> Opened:
    return {**place, "standing": "active", **grant_if_any(last), "balance": balance_fields(last.balance)}


def _updated(place: Place, event: AccountUpdated) -> Updated:
    labels: LabelsIfAny = {} if event.labels is None else {"labels": dict(event.labels)}
    return {**place, **labels, "balance": balance_fields(event.balance)}


def _standing(
    place: Place, event: AccountFrozen | AccountUnfrozen | AccountClosed | AccountReopened, standing: Standing
) -> StandingChanged:
    return {**place, "standing": standing, "balance": balance_fields(event.balance)}


def _metered(place: Place, event: UsageMetered) -> Metered:
    return {
        **place,
        "metric": event.metric,
        "metered": event.quantity,
        "limits": limits_left(event.counts or ()),
        "balance": balance_fields(event.balance),
    }


def _limits_replaced(place: Place, event: LimitsSet) -> LimitsReplaced:
    return {
        **place,
        "source": event.source,
        "limits": [limit_fields(limit) for limit in event.limits],
        "kept": list(event.kept),
        "balance": balance_fields(event.balance),
    }


def _allowance_changed(place: Place, event: AllowanceSet) -> AllowanceChanged:
    return {
        **place,
        "limit_id": event.limit_id,
        "value": event.value,
        "amount": event.amount,
        "balance": balance_fields(event.balance),
    }
