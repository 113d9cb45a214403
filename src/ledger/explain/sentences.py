"""One sentence for each event. It leaves out the texts of callers, because those may be erased later."""

from datetime import UTC, datetime
from typing import assert_never

from ledger.domain.account import Account
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
    VoidCause,
)
from ledger.domain.holds import Returns, with_fate
from ledger.domain.lots import total
from ledger.domain.plans.subscribed import AllowanceOf
from ledger.domain.profile import Labels


def instant(at: datetime) -> str:
    """A moment as text, in UTC."""
    return at.astimezone(UTC).isoformat(" ").replace("+00:00", "Z")


def end_of(expires_at: datetime | None) -> str:
    """The end of a lot as text: when it lapses, or that it does not."""
    return "does not lapse" if expires_at is None else f"lapses at {instant(expires_at)}"


def counted(amount: int, noun: str = "credit", plural: str | None = None) -> str:
    """An amount with its noun, in the singular or plural."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {plural or noun + 's'}"


def were(amount: int, noun: str = "credit") -> str:
    """An amount with its noun and the verb "was" or "were"."""
    return f"{counted(amount, noun)} {'was' if amount == 1 else 'were'}"


def _were_of(amount: int, origin: str) -> str:
    return f"{counted(amount)} of {origin} {'was' if amount == 1 else 'were'}"


_CLOSED = (
    "The account was closed: from now on it accepts only what returns or cancels credits, "
    "and payments that grant nothing."
)


def sentence(before: Account | None, event: Event) -> str:
    """The sentence that says what `event` did. `before` is the account before it (None: it did not exist)."""
    match event:
        case AccountOpened():
            return "The account was opened."
        case AccountUpdated():
            return _updated(before, event)
        case CreditsGranted():
            return _granted(event)
        case GrantStarted():
            return _started(event)
        case CreditsDeducted():
            done = f"{were(event.amount)} deducted as {event.deduction_id}{_task_and_time(event)}"
            return f"{done}{_uncollected(event.uncollected)}."
        case CreditsHeld():
            until = instant(event.expires_at)
            return f"{were(event.amount)} put on hold as {event.hold_id}{_for_task(event.task_id)}, until {until}."
        case HoldExtended():
            return _extended(before, event)
        case HoldCaptured():
            return _captured(before, event)
        case HoldReleased():
            return f"Hold {event.hold_id} was released: {_came_back(event.returns)}."
        case HoldExpired():
            at = instant(event.effective_at)
            return f"Hold {event.hold_id} expired at {at} before it was resolved: {_came_back(event.returns)}."
        case DeductionReversed():
            return _reversed(event)
        case GrantVoided():
            return _voided(event)
        case GrantExpiryChanged():
            return _expiry_changed(event)
        case CreditsExpired():
            at = instant(event.effective_at)
            return f"{counted(event.amount, f'{event.kind} credit')} of {event.grant_id} lapsed at {at}, unspent."
        case PaymentRecorded():
            return _recorded(event)
        case PaymentRefunded():
            money = f"{event.amount_minor:,} minor units of payment {event.payment_id}"
            return f"{money} were refunded as {event.refund_id}; {event.refunded_minor:,} in total."
        case DisputeRecorded():
            return _disputed(event)
        case SubscriptionRecorded():
            return _word(before, event)
        case AccountFrozen() | AccountUnfrozen() | AccountClosed() | AccountReopened():
            return _standing(event)
        case CreditsSent() | CreditsReceived() | TransferReversed() | CreditsSentBack():
            return _moved(event)
        case TextsErased():
            return "The key of all earlier texts was destroyed: they cannot be read again. No credits changed."
        case LimitsSet():
            return _limits_set(event)
        case AllowanceSet():
            whose = f"of limit {event.limit_id} for {event.value}"
            return f"The allowance {whose} was removed." if event.amount is None else _allowed(event.amount, whose)
        case UsageMetered():
            used = "was used" if event.quantity == 1 else "were used"
            return f"{event.quantity:,} of {event.metric} {used}{_task_and_time(event)}. It cost no credits."
    assert_never(event)


def _limits_set(event: LimitsSet) -> str:
    if not event.limits:
        return f"All limits of {event.source} were removed."
    names = ", ".join(f"{limit.limit_id} ({limit.amount:,} {limit.unit})" for limit in event.limits)
    return f"The limits of {event.source} were set: {names}."


def _allowed(amount: int, whose: str) -> str:
    return f"The allowance {whose} was set to {amount:,}."


def _updated(before: Account | None, event: AccountUpdated) -> str:
    parts = [f"a new {name}" for name in ("description", "metadata") if getattr(event, name) is not None]
    if event.labels is not None:
        parts += _label_changes(before.profile.labels if before else {}, event.labels) or ["the same labels as before"]
    return f"The account was updated: {'; '.join(parts)}." if parts else "The account was updated: nothing changed."


def _label_changes(before: Labels, after: Labels) -> list[str]:
    new = [f"label {name} is {value}" for name, value in after.items() if before.get(name) != value]
    return [*new, *(f"no label {name}" for name in before if name not in after)]


def _started(event: GrantStarted) -> str:
    what = f"{counted(event.amount, f'{event.kind} credit')} of {event.grant_id}"
    return f"{what} started at {instant(event.effective_at)}; {_until(event)}."


def _recorded(event: PaymentRecorded) -> str:
    money = f"{event.amount_minor:,} {event.currency.upper()} in minor units"
    return f"Payment {event.payment_id} was recorded: {event.provider}, {money}, {event.status}.{_bought(event)}"


def _bought(event: PaymentRecorded) -> str:
    if event.subscription is not None:
        _, reason, _, start, end, *_ = event.subscription
        period = f", from {instant(start)} to {instant(end)}" if start is not None and end is not None else ""
        return f" It is for subscription {event.subscription.subscription_id} ({reason}{period})."
    bought = event.bought
    if not bought:
        return ""
    if len(bought) == 1:
        return f" It buys {bought[0]}, the next event."
    return f" It buys {bought[0]} to {bought[-1]}, the next {len(bought)} events."


def _granted(event: CreditsGranted) -> str:
    origin: list[str] = [event.source]
    origin += [f"transaction {event.transaction_id}"] if event.transaction_id is not None else []
    origin += [f"payment {event.payment_id}"] if event.payment_id is not None else []
    origin += [_of_window(event.allowance)] if event.allowance is not None else []
    what = were(event.amount, f"{event.kind} credit")
    start = f"they start at {instant(event.effective_at)}, and " if event.effective_at is not None else ""
    return f"{what} granted as {event.grant_id} ({', '.join(origin)}); {start}{_until(event)}."


def _of_window(of: AllowanceOf) -> str:
    what = "the trial" if of.trial else "the allowance"
    return f"{what} of {of.subscription_id} from {instant(of.window_start)} to {instant(of.window_end)}"


def _word(before: Account | None, event: SubscriptionRecorded) -> str:
    """What a word about a subscription says, and what of it is other than before."""
    terms, last = event.terms, None
    one = before.subscriptions.get(event.subscription_id) if before is not None else None
    last = one.last if one is not None else None
    plan = f"plan {terms.plan} (version {terms.version})"
    said = f"Subscription {event.subscription_id} of {event.provider} was {event.status.replace('_', ' ')} on {plan}"
    parts = [f"{said} at {instant(event.as_of)}"]
    if last is not None and last.as_of <= event.as_of and last.terms.plan != terms.plan:
        parts.append(f"before, it was on {last.terms.plan}")
    if event.ends_at is not None:
        parts.append(f"it ends at {instant(event.ends_at)}")
    elif last is not None and last.ends_at is not None and event.status == "active":
        parts.append("it does not end any more")
    if event.next_plan is not None:
        parts.append(f"its next plan is {event.next_plan}")
    return f"{'; '.join(parts)}."


def _until(event: CreditsGranted | GrantStarted) -> str:
    return "they do not lapse" if event.expires_at is None else f"they lapse at {instant(event.expires_at)}"


def _standing(event: AccountFrozen | AccountUnfrozen | AccountClosed | AccountReopened) -> str:
    match event:
        case AccountFrozen():
            return (
                "The account was frozen: from now on it refuses deductions, holds, extensions and transfers to others. "
                "What was held before can be captured."
            )
        case AccountUnfrozen():
            return "The account was unfrozen: it accepts all commands again."
        case AccountClosed():
            closed = (
                "The account was closed: from now on it accepts only what returns or cancels credits, "
                "and payments that grant nothing."
            )
            return closed if event.successor is None else f"{closed} It was merged into {event.successor}."
        case AccountReopened():
            return "The account was reopened: it accepts all commands again."
    assert_never(event)


def _moved(event: CreditsSent | CreditsReceived | TransferReversed | CreditsSentBack) -> str:
    match event:
        case CreditsSent():
            return f"{were(event.amount)} sent to account {event.to_account_id} as {event.transfer_id}."
        case CreditsReceived():
            return _received(event)
        case TransferReversed():
            what = _were_of(event.amount, f"transfer {event.transfer_id} to account {event.to_account_id}")
            return f"{what} returned{_lost(event.returns)}."
        case CreditsSentBack():
            what = _were_of(event.amount, f"transfer {event.transfer_id} from account {event.from_account_id}")
            return f"{what} sent back, because the transfer was reversed."
    assert_never(event)


def _received(event: CreditsReceived) -> str:
    end = "they do not lapse" if event.expires_at is None else f"they lapse at {instant(event.expires_at)}"
    what = were(event.amount, f"{event.kind} credit")
    origin = f"granted there as {event.from_grant_id}"
    if (event.origin_account_id, event.origin_grant_id) != (event.from_account_id, event.from_grant_id):
        origin = f"granted to account {event.origin_account_id} as {event.origin_grant_id}"
    return (
        f"{what} received from account {event.from_account_id} as {event.grant_id} (transfer {event.transfer_id}; "
        f"{event.source}, {origin} at {instant(event.granted_at)}); {end}."
    )


def _for_task(task_id: str | None) -> str:
    return "" if task_id is None else f" for task {task_id}"


def _task_and_time(event: CreditsDeducted | HoldCaptured | UsageMetered) -> str:
    at = event.occurred_at
    return _for_task(event.task_id) + ("" if at is None else f", for usage that occurred at {instant(at)}")


def _extended(before: Account | None, event: HoldExtended) -> str:
    hold = before.holds.get(event.hold_id) if before else None
    now = f"Hold {event.hold_id} was extended and lasts until {instant(event.expires_at)}"
    if hold is None:
        return f"{now}."
    if hold.expires_at == event.expires_at:
        return f"{now}, as before: an extension never shortens a hold."
    return f"{now} instead of {instant(hold.expires_at)}."


def _captured(before: Account | None, event: HoldCaptured) -> str:
    done = f"{_were_of(event.amount, f'hold {event.hold_id}')} captured as deduction {event.deduction_id}"
    done += _task_and_time(event)
    if event.from_lots:
        done += f", {total(event.from_lots):,} of them beyond the hold"
    done += _uncollected(event.uncollected)
    if event.returns:
        return f"{done}. The hold ended: {_came_back(event.returns)}."
    if event.final:
        return f"{done}. The hold is used up."
    hold = before.holds.get(event.hold_id) if before else None
    left = f" with {counted(hold.amount - total(event.from_hold))}" if hold else ""
    return f"{done}. The hold stays open{left}."


def _uncollected(amount: int | None) -> str:
    return "" if amount is None else f"; {amount:,} more were asked for, but were not available"


def _reversed(event: DeductionReversed) -> str:
    deduction = f"deduction {event.deduction_id}"
    if event.waived is None:
        return f"{_were_of(event.amount, deduction)} reversed{_lost(event.returns)}."
    waived = f"{event.waived:,} that {deduction} could not collect {'is' if event.waived == 1 else 'are'} waived"
    if not event.amount:
        return f"{waived}."
    return f"{waived}, and {_were_of(event.amount, 'it')} reversed{_lost(event.returns)}."


def _came_back(returns: Returns) -> str:
    """How many credits came back from a hold."""
    return f"{counted(sum(part.amount for part in returns))} came back{_lost(returns)}"


def _lost(returns: Returns) -> str:
    """How many of the credits that came back were lost: they lapsed, or were cancelled."""
    fates = [(with_fate(returns, "lapsed"), "lapsed at once"), (with_fate(returns, "cancelled"), "cancelled")]
    parts = [f"{amount:,} {fate}" for amount, fate in fates if amount]
    return f"; of these, {' and '.join(parts)}" if parts else ""


_VOID_CAUSES: dict[VoidCause | None, str] = {
    "allowance": ", which its subscription does not entitle to",
    "roll_over": ", which is more than may roll over",
    None: "",
}


def _voided(event: GrantVoided) -> str:
    grant = f"{'the coming ' if event.coming else ''}grant {event.grant_id}"
    done = f"{_were_of(event.amount, grant)} voided{_VOID_CAUSES[event.cause]}"
    if event.uncollected:
        done += f"; {event.uncollected:,} more were asked for, but did not remain"
    return f"{done}. The grant is closed: what comes back to it later is cancelled." if event.closed else f"{done}."


def _expiry_changed(event: GrantExpiryChanged) -> str:
    ends = [end_of(expires_at) for expires_at in (event.expires_at, event.previous_expires_at)]
    if ends[0] == ends[1]:
        done = f"Grant {event.grant_id} {ends[0]}, as before"
    else:
        before = "never" if event.previous_expires_at is None else f"at {instant(event.previous_expires_at)}"
        done = f"Grant {event.grant_id} {ends[0]} instead of {before}"
    if event.reinstated:
        return f"{done}: {were(event.reinstated, f'{event.kind} credit')} reinstated, which had lapsed."
    return f"{done}."


def _disputed(event: DisputeRecorded) -> str:
    if event.changed_by is not None:
        return f"Dispute {event.dispute_id} holds {_more_or_less(event)} as {event.hold_id}: {event.changed_by}."
    money = f"{event.amount_minor:,} minor units of payment {event.payment_id}"
    if event.state != "open":
        done = f"Dispute {event.dispute_id} of {money} was {event.state}"
        return f"{done}: {_came_back(event.returns)}." if event.returns else f"{done}; it held no credits."
    done = f"{money} were disputed as {event.dispute_id}"
    if event.hold_id is None:
        return f"{done}; no credits are held."
    later = sum([part.amount for part in event.awaits or ()])
    coming = f", and {later:,} more of grants that have not started" if later else ""
    return f"{done}: {were(total(event.draws))} put on hold as {event.hold_id}{coming}, until the dispute ends."


def _more_or_less(event: DisputeRecorded) -> str:
    if event.returns:
        return f"{counted(sum(part.amount for part in event.returns))} less"
    return f"{counted(total(event.draws))} more"
