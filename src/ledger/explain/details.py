"""What is particular to each type of event: the lots and the hold that it touched, why, and where it breaks a rule."""

from collections.abc import Iterator
from datetime import datetime
from typing import assert_never

from ledger.domain.account import Account
from ledger.domain.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    DeductionReversed,
    Event,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
    TextsErased,
)
from ledger.domain.holds import Hold
from ledger.domain.lots import Lot, tail, total
from ledger.domain.related_events import RelatedEvents
from ledger.explain.draws import amount_of, draws_told, held_draws_told, out_of_order
from ledger.explain.explanation import Details, HoldTold, LotTold
from ledger.explain.returns import returns_told, wrong_returns
from ledger.explain.sentences import counted, instant

_AS_DRAWN = "the order in which the hold drew"
_BY_ITSELF = "It counts from that moment on, recorded or not."
_BACKWARDS = "the opposite order of the draws"


def particulars(before: Account, event: Event, related: RelatedEvents) -> Details:
    """What `event` did on the account before it. `past` has the earlier events about what it names."""
    match event:
        case CreditsGranted():
            return _granted(event)
        case CreditsDeducted():
            told = draws_told(before.lots, before.holds, event.draws, event.recorded_at)
            return told._replace(violations=(*told.violations, *amount_of(event.draws, event.amount)))
        case CreditsHeld():
            return _held(before, event)
        case HoldExtended():
            return _extended(before, event)
        case HoldCaptured():
            return _captured(before, event)
        case HoldReleased():
            return _given_back(before, event, event.recorded_at)
        case HoldExpired():
            return _hold_expired(before, event)
        case DeductionReversed():
            return _reversed(before, event, related)
        case GrantVoided():
            return _voided(before, event, related)
        case CreditsExpired():
            return _expired(before, event)
        case PaymentRecorded() | PaymentRefunded():
            return Details(violations=tuple(_wrong_payment(before, event, related)))
        case AccountOpened():
            return Details(violations=("the account was open already",))
        case AccountFrozen() | AccountUnfrozen() | AccountClosed() | TextsErased():
            return Details()
    assert_never(event)


# Lots -----------------------------------------------------------------------------------------------------------------


def _granted(event: CreditsGranted) -> Details:
    wrong = [] if event.amount >= 1 else [f"{event.amount:,} is no amount"]
    if event.expires_at is not None and event.kind == "permanent":
        wrong.append("permanent credits do not lapse, and these do")
    if event.expires_at is not None and event.expires_at <= event.recorded_at:
        wrong.append("its expiry had passed when it was recorded")
    lot = LotTold(event.grant_id, event.kind, event.expires_at, 0, event.amount)
    return Details(lot=lot, violations=tuple(wrong))


def _lot_of(before: Account, grant_id: str) -> Lot | None:
    return next((lot for lot in before.lots if lot.grant_id == grant_id), None)


def _voided(before: Account, event: GrantVoided, related: RelatedEvents) -> Details:
    lot = _lot_of(before, event.grant_id)
    remaining = lot.remaining if lot else 0
    granted = related.grant(event.grant_id)
    wrong = []
    if granted is None:
        wrong.append(f"there is no grant {event.grant_id} before it")
    elif granted.kind != event.kind:
        wrong.append(f"{event.grant_id} is {granted.kind}, and it says {event.kind}")
    if not 0 <= event.amount <= remaining:
        wrong.append(f"it takes {event.amount:,}, and {remaining:,} remained")
    elif event.amount < remaining and (event.closed or event.uncollected):
        wrong.append(f"it leaves {remaining - event.amount:,} that it should have taken")
    why = ["A void takes what remains of its grant, and never touches another lot."] if event.uncollected else []
    expires_at = lot.expires_at if lot else granted.expires_at if granted else None
    told = LotTold(event.grant_id, event.kind, expires_at, remaining, remaining - event.amount)
    return Details(why=tuple(why), lot=told, violations=tuple(wrong))


def _expired(before: Account, event: CreditsExpired) -> Details:
    lot = _lot_of(before, event.grant_id)
    wrong = [*_out_of_time(before, event)]
    if lot is None:
        wrong.append(f"there is no open lot {event.grant_id}")
        return Details(violations=tuple(wrong))
    if lot.expires_at != event.effective_at:
        end = f"at {instant(lot.expires_at)}" if lot.expires_at else "never"
        wrong.append(f"{event.grant_id} lapses {end}, not at {instant(event.effective_at)}")
    if (lot.remaining, lot.kind) != (event.amount, event.kind):
        wrong.append(f"{lot.remaining:,} {lot.kind} remained, and it says {event.amount:,} {event.kind}")
    told = LotTold(lot.grant_id, lot.kind, lot.expires_at, lot.remaining, lot.remaining - event.amount)
    return Details(why=(_BY_ITSELF,), lot=told, violations=tuple(wrong))


def _out_of_time(before: Account, event: CreditsExpired | HoldExpired) -> Iterator[str]:
    if event.effective_at > event.recorded_at:
        yield f"it takes effect at {instant(event.effective_at)}, after it was recorded"
    if before.due_at is not None and before.due_at < event.effective_at:
        yield f"something else had ended before it, at {instant(before.due_at)}"


# Holds ----------------------------------------------------------------------------------------------------------------


def _held(before: Account, event: CreditsHeld) -> Details:
    told = draws_told(before.lots, before.holds, event.draws, event.recorded_at)
    wrong = [*told.violations, *amount_of(event.draws, event.amount)]
    if event.expires_at <= event.recorded_at:
        wrong.append("its expiry had passed when it was recorded")
    hold = HoldTold(event.hold_id, event.expires_at, 0, event.amount)
    return told._replace(hold=hold, violations=tuple(wrong))


def _extended(before: Account, event: HoldExtended) -> Details:
    hold = before.holds.get(event.hold_id)
    if hold is None:
        return _no_hold(event.hold_id)
    told = HoldTold(hold.hold_id, event.expires_at, hold.amount, hold.amount)
    shorter = ("it ends the hold earlier than before",) if event.expires_at < hold.expires_at else ()
    return Details(hold=told, violations=shorter)


def _no_hold(hold_id: str) -> Details:
    return Details(violations=(f"there is no open hold {hold_id}",))


def _captured(before: Account, event: HoldCaptured) -> Details:
    hold = before.holds.get(event.hold_id)
    if hold is None:
        return _no_hold(event.hold_id)
    told = draws_told(before.lots, before.holds, event.from_lots, event.recorded_at) if event.from_lots else Details()
    spent = total(event.from_hold)
    why = ["A capture spends what its hold drew when it was placed, in that order."]
    if event.from_lots:
        why.append(f"{counted(total(event.from_lots))} beyond it came from what was available, in burn order.")
    return told._replace(
        why=tuple(why),
        draws=held_draws_told(hold, event.from_hold) + told.draws,
        returns=returns_told(before.lots, event.returns),
        hold=HoldTold(hold.hold_id, hold.expires_at, hold.amount, 0 if event.final else hold.amount - spent),
        violations=(*told.violations, *_wrong_capture(hold, event)),
    )


def _wrong_capture(hold: Hold, event: HoldCaptured) -> Iterator[str]:
    spent = total(event.from_hold)
    yield from out_of_order(hold.draws, event.from_hold, _AS_DRAWN)
    yield from amount_of(event.draws, event.amount)
    if event.from_lots and spent < hold.amount:
        yield f"it draws from lots, and {hold.amount - spent:,} of the hold are left"
    if not event.final and (event.returns or spent >= hold.amount):
        yield "it leaves nothing in the hold, and does not end it"
    if event.final:
        yield from _wrong_end(hold, spent, event, event.recorded_at)


def _wrong_end(hold: Hold, spent: int, event: HoldCaptured | HoldReleased | HoldExpired, at: datetime) -> Iterator[str]:
    """Where what comes back from a hold that ends is not what was left in it."""
    yield from wrong_returns(tail(hold.draws, spent), event.returns, _AS_DRAWN, at, hold.closed_grants)
    back = sum(part.amount for part in event.returns)
    if back != hold.amount - spent:
        yield f"{hold.amount - spent:,} were left in the hold, and {back:,} come back"


def _given_back(before: Account, event: HoldReleased | HoldExpired, at: datetime) -> Details:
    hold = before.holds.get(event.hold_id)
    if hold is None:
        return _no_hold(event.hold_id)
    return Details(
        returns=returns_told(before.lots, event.returns),
        hold=HoldTold(hold.hold_id, hold.expires_at, hold.amount, 0),
        violations=tuple(_wrong_end(hold, 0, event, at)),
    )


def _hold_expired(before: Account, event: HoldExpired) -> Details:
    told = _given_back(before, event, event.effective_at)
    wrong = [*_out_of_time(before, event), *told.violations]
    if told.hold is not None and told.hold.expires_at != event.effective_at:
        wrong.append(f"the hold lasts until {instant(told.hold.expires_at)}, not {instant(event.effective_at)}")
    return told._replace(why=(_BY_ITSELF,), violations=tuple(wrong))


# The past -------------------------------------------------------------------------------------------------------------


def _reversed(before: Account, event: DeductionReversed, related: RelatedEvents) -> Details:
    why = ["A reversal gives back in the opposite order of the draws: what was drawn last comes back first."]
    returns = returns_told(before.lots, event.returns)
    deduction = related.deduction(event.deduction_id)
    if deduction is None:
        missing = f"there is no deduction {event.deduction_id} before it"
        return Details(why=tuple(why), returns=returns, violations=(missing,))
    if deduction.reversed:
        why.append(f"{counted(deduction.reversed)} of it had come back before.")
    left = tail(deduction.draws[::-1], deduction.reversed)
    wrong = [*wrong_returns(left, event.returns, _BACKWARDS, event.recorded_at, related.closed_grants())]
    back = sum(part.amount for part in event.returns)
    if back != event.amount:
        wrong.append(f"it says {counted(event.amount)}, and {back:,} come back")
    return Details(why=tuple(why), returns=returns, violations=tuple(wrong))


def _wrong_payment(before: Account, event: PaymentRecorded | PaymentRefunded, related: RelatedEvents) -> Iterator[str]:
    payment = related.payment(event.payment_id)
    if isinstance(event, PaymentRecorded):
        if payment is not None:
            yield f"payment {event.payment_id} was recorded before"
        if event.grant_id is not None and event.grant_id != before.next_id("grt", ahead=2):
            yield f"it buys {event.grant_id}, which is not the next event"
        return
    if payment is None:
        yield f"there is no payment {event.payment_id} before it"
        return
    refunded = sum(refund.amount_minor for refund in related.refunds(event.payment_id)) + event.amount_minor
    if refunded != event.refunded_minor:
        yield f"it says {event.refunded_minor:,} went back in all, and {refunded:,} did"
    if refunded > payment.amount_minor:
        yield f"{refunded:,} went back of {payment.amount_minor:,} that were paid"
