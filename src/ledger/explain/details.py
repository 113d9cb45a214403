"""The details of an explanation, for each type of event: its lots, its hold, the reasons, and the rules it breaks."""

from collections.abc import Iterator
from datetime import datetime
from typing import assert_never

from ledger.domain.account import Account
from ledger.domain.coming import find
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
from ledger.domain.holds import Hold, lots_expire_at
from ledger.domain.lots import Lot, tail, total
from ledger.domain.related_events import RelatedEvents
from ledger.explain.draws import explain_draws, explain_held_draws, out_of_order, wrong_sum
from ledger.explain.explanation import Details, ExplainedHold, ExplainedLot
from ledger.explain.lots import wrong_lot
from ledger.explain.payments import buys, explain_dispute, wrong_payment
from ledger.explain.returns import explain_returns, wrong_returns
from ledger.explain.sentences import counted, end_of, instant
from ledger.explain.subscriptions.explaining import explain_word, why_allowance, why_void, wrong_allowance, wrong_void
from ledger.explain.transfers import explain_received, explain_reversed_transfer, explain_sent, explain_sent_back

_DRAW_ORDER = "the order of the hold's draws"
_TAKES_EFFECT = "It takes effect at that moment, whether it is recorded then or later."
_REVERSED = "the opposite order of the draws"


def details_of(before: Account, event: Event, related: RelatedEvents) -> Details:
    """The details of `event`, applied to the account `before` it.

    `related` holds the earlier events about the grants, deductions and payments that `event` names.
    """
    match event:
        case CreditsGranted():
            return _granted(before, event, related)
        case GrantStarted():
            return _started(before, event)
        case CreditsDeducted():
            details = explain_draws(before, event.draws, event.recorded_at)
            wrong = *wrong_sum(event.draws, event.amount), *_wrong_shortfall(before, event)
            why = (*details.why, *_shortfall(event.uncollected))
            return details._replace(why=why, violations=(*details.violations, *wrong))
        case CreditsHeld():
            return _held(before, event)
        case HoldExtended():
            return _extended(before, event)
        case HoldCaptured():
            return _captured(before, event)
        case HoldReleased():
            return _returned_hold(before, event, event.recorded_at)
        case HoldExpired():
            return _hold_expired(before, event)
        case DeductionReversed():
            return _reversed(before, event, related)
        case GrantVoided():
            return _voided(before, event, related)
        case GrantExpiryChanged():
            return _expiry_changed(before, event, related)
        case CreditsExpired():
            return _expired(before, event)
        case CreditsSent():
            return explain_sent(before, event)
        case CreditsReceived():
            return explain_received(event)
        case TransferReversed():
            return explain_reversed_transfer(before, event, related)
        case CreditsSentBack():
            return explain_sent_back(before, event, related)
        case PaymentRecorded() | PaymentRefunded():
            return Details(violations=tuple(wrong_payment(before, event, related)))
        case DisputeRecorded():
            return explain_dispute(before, event, related)
        case SubscriptionRecorded():
            return explain_word(before, event)
        case AccountOpened():
            return Details(violations=("the account was already open",))
        case (
            AccountUpdated() | AccountFrozen() | AccountUnfrozen() | AccountClosed() | AccountReopened() | TextsErased()
        ):
            return Details()
        case LimitsSet() | AllowanceSet() | UsageMetered():
            return Details()
    assert_never(event)


# Lots -----------------------------------------------------------------------------------------------------------------


def _granted(before: Account, event: CreditsGranted, related: RelatedEvents) -> Details:
    wrong = [*wrong_lot(event)]
    if event.payment_id is not None and not any(buys(one, event) for one in related.payments(event.payment_id)):
        wrong.append(f"no earlier payment {event.payment_id} buys {event.grant_id}")
    why: tuple[str, ...] = ()
    if event.allowance is not None:
        wrong += wrong_allowance(before, event, event.allowance)
        why = why_allowance(before, event, event.allowance)
    lot = ExplainedLot(event.grant_id, event.kind, event.expires_at, 0, event.amount)
    if event.effective_at is None:
        return Details(why=why, lot=lot, violations=tuple(wrong))
    if event.effective_at <= event.recorded_at:
        wrong.append("the start had passed when the event was recorded")
    if event.expires_at is not None and event.expires_at <= event.effective_at:
        wrong.append("the credits lapse before they start")
    coming = (
        "The grant is coming: its credits are no part of the balance, and nothing draws from them, until it starts."
    )
    return Details(why=(coming,), violations=tuple(wrong))


def _started(before: Account, event: GrantStarted) -> Details:
    coming = find(before.coming, event.grant_id)
    wrong = [*_wrong_time(before, event)]
    if coming is None:
        wrong.append(f"there is no coming grant {event.grant_id}")
    else:
        wrong += [
            f"the event records another {name.replace('_', ' ')} than the coming grant has"
            for name, value in coming._asdict().items()
            if getattr(event, name) != value
        ]
    lot = ExplainedLot(event.grant_id, event.kind, event.expires_at, 0, event.amount)
    return Details(why=(_TAKES_EFFECT,), lot=lot, violations=tuple(wrong))


def _lot_of(before: Account, grant_id: str) -> Lot | None:
    return next((lot for lot in before.lots if lot.grant_id == grant_id), None)


def _voided(before: Account, event: GrantVoided, related: RelatedEvents) -> Details:
    lot, coming = _lot_of(before, event.grant_id), find(before.coming, event.grant_id)
    remaining = coming.amount if coming else lot.remaining if lot else 0
    granted = related.grant(event.grant_id)
    wrong = []
    if granted is None:
        wrong.append(f"there is no earlier grant {event.grant_id}")
    elif granted.kind != event.kind:
        wrong.append(f"{event.grant_id} is {granted.kind}, but the event records {event.kind}")
    if bool(event.coming) != (coming is not None):
        wrong.append(f"{event.grant_id} is {'coming' if coming else 'not coming'}, but the event records the opposite")
    if not 0 <= event.amount <= remaining:
        wrong.append(f"the event takes {event.amount:,}, but {remaining:,} remained")
    elif event.amount < remaining and (event.closed or event.uncollected):
        wrong.append(f"the event leaves {remaining - event.amount:,} that it should have taken")
    wrong += wrong_void(before, event)
    why = [*why_void(event)]
    why += ["A void takes only what remains of its grant. It does not touch other lots."] if event.uncollected else []
    if event.coming:
        left = counted(remaining - event.amount)
        why.append(f"The grant had not started, so the balance does not change; {left} of it are still coming.")
        return Details(why=tuple(why), violations=tuple(wrong))
    expires_at = lot.expires_at if lot else granted.expires_at if granted else None
    change = ExplainedLot(event.grant_id, event.kind, expires_at, remaining, remaining - event.amount)
    return Details(why=tuple(why), lot=change, violations=tuple(wrong))


_FOLLOWS = "Credits of the grant that are held, or that come back later, lapse at the new moment too."


def _expiry_changed(before: Account, event: GrantExpiryChanged, related: RelatedEvents) -> Details:
    wrong = tuple(_wrong_expiry(event, related))
    if (coming := find(before.coming, event.grant_id)) is not None:
        start = instant(coming.effective_at)
        if event.expires_at is not None and event.expires_at <= coming.effective_at:
            wrong = (*wrong, f"the grant starts only at {start}")
        return Details(why=(f"The grant had not started: its credits will come at {start}.",), violations=wrong)
    lot = _lot_of(before, event.grant_id)
    remaining = lot.remaining if lot else 0
    change = ExplainedLot(event.grant_id, event.kind, event.expires_at, remaining, remaining + event.reinstated)
    return Details(why=(_FOLLOWS,), lot=change, violations=wrong)


def _wrong_expiry(event: GrantExpiryChanged, related: RelatedEvents) -> Iterator[str]:
    granted, lapsed = related.grant(event.grant_id), related.lapsed(event.grant_id)
    if granted is None:
        yield f"there is no earlier grant {event.grant_id}"
        return
    before = granted.expires_at
    if granted.kind != event.kind:
        yield f"{event.grant_id} is {granted.kind}, but the event records {event.kind}"
    if before != event.previous_expires_at:
        yield f"the lot {end_of(before)}, but the event records that it {end_of(event.previous_expires_at)}"
    if event.reinstated != lapsed and (event.reinstated or (before is not None and before <= event.recorded_at)):
        yield f"{lapsed:,} had lapsed, but the event reinstates {event.reinstated:,}"
    if event.grant_id in related.closed_grants():
        yield f"grant {event.grant_id} is closed: nothing comes back to it"
    if (event.expires_at is None) != (event.kind == "permanent"):
        yield f"the lot has {event.kind} credits, but now it {end_of(event.expires_at)}"
    if event.expires_at is not None and event.expires_at <= event.recorded_at:
        yield "the expiry had passed when the event was recorded"


def _expired(before: Account, event: CreditsExpired) -> Details:
    lot = _lot_of(before, event.grant_id)
    wrong = [*_wrong_time(before, event)]
    if lot is None:
        wrong.append(f"there is no open lot {event.grant_id}")
        return Details(violations=tuple(wrong))
    if lot.expires_at != event.effective_at:
        end = f"at {instant(lot.expires_at)}" if lot.expires_at else "never"
        wrong.append(f"{event.grant_id} lapses {end}, not at {instant(event.effective_at)}")
    if (lot.remaining, lot.kind) != (event.amount, event.kind):
        wrong.append(f"{lot.remaining:,} {lot.kind} remained, but the event records {event.amount:,} {event.kind}")
    change = ExplainedLot(lot.grant_id, lot.kind, lot.expires_at, lot.remaining, lot.remaining - event.amount)
    return Details(why=(_TAKES_EFFECT,), lot=change, violations=tuple(wrong))


def _wrong_time(before: Account, event: CreditsExpired | HoldExpired | GrantStarted) -> Iterator[str]:
    if event.effective_at > event.recorded_at:
        yield f"the event takes effect at {instant(event.effective_at)}, after it was recorded"
    first = before.next_end_or_start
    if first is not None and first < event.effective_at:
        starts = before.coming and before.coming[0].effective_at == first
        what = "a coming grant started" if starts else "another lot or hold expired"
        yield f"{what} earlier, at {instant(first)}"


# Holds ----------------------------------------------------------------------------------------------------------------


def _held(before: Account, event: CreditsHeld) -> Details:
    details = explain_draws(before, event.draws, event.recorded_at)
    wrong = [*details.violations, *wrong_sum(event.draws, event.amount)]
    if event.expires_at <= event.recorded_at:
        wrong.append("the expiry had passed when the event was recorded")
    hold = ExplainedHold(event.hold_id, event.expires_at, 0, event.amount)
    return details._replace(hold=hold, violations=tuple(wrong))


def _extended(before: Account, event: HoldExtended) -> Details:
    hold = before.holds.get(event.hold_id)
    if hold is None:
        return _no_hold(event.hold_id)
    change = ExplainedHold(hold.hold_id, event.expires_at, hold.amount, hold.amount)
    wrong = ["the event ends the hold earlier than before"] if event.expires_at < hold.expires_at else []
    lapse = lots_expire_at(hold.draws, event.expires_at)
    if event.lots_expire_at not in (None, lapse):  # older events do not say it
        wrong.append("the event records another moment for when the first of its lots lapses")
    return Details(hold=change, violations=tuple(wrong))


def _no_hold(hold_id: str) -> Details:
    return Details(violations=(f"there is no open hold {hold_id}",))


def _captured(before: Account, event: HoldCaptured) -> Details:
    hold = before.holds.get(event.hold_id)
    if hold is None:
        return _no_hold(event.hold_id)
    details = Details()
    if event.from_lots:
        details = explain_draws(before, event.from_lots, event.recorded_at)
    spent = total(event.from_hold)
    why = ["A capture spends the credits that its hold drew, in the order of those draws."]
    if event.from_lots:
        why.append(f"{counted(total(event.from_lots))} beyond the hold came from the available credits, in burn order.")
    why += _shortfall(event.uncollected)
    return details._replace(
        why=tuple(why),
        draws=explain_held_draws(hold, event.from_hold) + details.draws,
        returns=explain_returns(before.lots, event.returns),
        hold=ExplainedHold(hold.hold_id, hold.expires_at, hold.amount, 0 if event.final else hold.amount - spent),
        violations=(*details.violations, *_wrong_capture(hold, event), *_wrong_shortfall(before, event)),
    )


def _shortfall(uncollected: int | None) -> tuple[str, ...]:
    return () if uncollected is None else ("The command takes what is available when that is less than it asks for.",)


def _wrong_shortfall(before: Account, event: CreditsDeducted | HoldCaptured) -> Iterator[str]:
    """Violations where credits are uncollected although there were some, or nothing is taken or uncollected."""
    if event.uncollected is None:
        if not event.amount:
            yield "0 is not a valid amount"
        return
    taken = event.draws if isinstance(event, CreditsDeducted) else event.from_lots
    left = before.balance.available - total(taken)
    if event.uncollected < 1:
        yield f"{event.uncollected:,} is not a valid amount of uncollected credits"
    if left and (isinstance(event, CreditsDeducted) or before.standing != "frozen"):
        yield f"credits are uncollected, but {left:,} were left"
    if isinstance(event, HoldCaptured) and not event.final:
        yield "credits are uncollected, but the hold has not ended"


def _wrong_capture(hold: Hold, event: HoldCaptured) -> Iterator[str]:
    spent = total(event.from_hold)
    yield from out_of_order(hold.draws, event.from_hold, _DRAW_ORDER)
    yield from wrong_sum(event.draws, event.amount)
    if event.from_lots and spent < hold.amount:
        yield f"the event draws from lots, but {hold.amount - spent:,} of the hold are left"
    if not event.final and (event.returns or spent >= hold.amount):
        yield "the event leaves nothing in the hold, but does not end it"
    if event.final:
        yield from _wrong_end(hold, spent, event, event.recorded_at)


def _wrong_end(hold: Hold, spent: int, event: HoldCaptured | HoldReleased | HoldExpired, at: datetime) -> Iterator[str]:
    """Violations where the returns of a hold that ends are not what was left in it; `spent` credits were captured."""
    yield from wrong_returns(tail(hold.draws, spent), event.returns, _DRAW_ORDER, at, hold.closed_grants)
    back = sum(part.amount for part in event.returns)
    if back != hold.amount - spent:
        yield f"{hold.amount - spent:,} were left in the hold, but {back:,} come back"


def _returned_hold(before: Account, event: HoldReleased | HoldExpired, at: datetime) -> Details:
    hold = before.holds.get(event.hold_id)
    if hold is None:
        return _no_hold(event.hold_id)
    return Details(
        returns=explain_returns(before.lots, event.returns),
        hold=ExplainedHold(hold.hold_id, hold.expires_at, hold.amount, 0),
        violations=tuple(_wrong_end(hold, 0, event, at)),
    )


def _hold_expired(before: Account, event: HoldExpired) -> Details:
    details = _returned_hold(before, event, event.effective_at)
    wrong = [*_wrong_time(before, event), *details.violations]
    hold = before.holds.get(event.hold_id)
    if hold is not None and hold.expires_at != event.effective_at:
        wrong.append(f"the hold lasts until {instant(hold.expires_at)}, not {instant(event.effective_at)}")
    return details._replace(why=(_TAKES_EFFECT,), violations=tuple(wrong))


# Reversals ------------------------------------------------------------------------------------------------------------


def _reversed(before: Account, event: DeductionReversed, related: RelatedEvents) -> Details:
    why = ["A reversal returns credits in the opposite order of the draws: the last draw comes back first."]
    returns = explain_returns(before.lots, event.returns)
    deduction = related.deduction(event.deduction_id)
    if deduction is None:
        missing = f"there is no earlier deduction {event.deduction_id}"
        return Details(why=tuple(why), returns=returns, violations=(missing,))
    if deduction.reversed:
        why.append(f"{counted(deduction.reversed)} of the deduction came back before.")
    left = tail(deduction.draws[::-1], deduction.reversed)
    wrong = [*wrong_returns(left, event.returns, _REVERSED, event.recorded_at, related.closed_grants())]
    waived = event.waived or 0
    if event.waived is not None:
        why.append("What was uncollected of the deduction is waived before credits come back.")
    if not 0 <= waived <= deduction.owed or (event.amount and waived < deduction.owed):
        wrong.append(f"{deduction.owed:,} were uncollected, but the event waives {waived:,}")
    if not event.amount and not waived:
        wrong.append("nothing comes back, and nothing is waived")
    back = sum(part.amount for part in event.returns)
    if back != event.amount:
        wrong.append(f"the event records {counted(event.amount)}, but {back:,} come back")
    return Details(why=tuple(why), returns=returns, violations=tuple(wrong))
