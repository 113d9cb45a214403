"""Decisions about holds: place, extend, capture, release."""

from datetime import datetime
from typing import Never

from ledger.domain.account import Account
from ledger.domain.commands import CaptureHold, ExtendHold, PlaceHold, ReleaseHold
from ledger.domain.decisions.back_dating import check_occurred
from ledger.domain.decisions.limiting import count
from ledger.domain.decisions.limiting import give_back as count_back
from ledger.domain.decisions.pricing import check_said_again, checked
from ledger.domain.errors import (
    AccountFrozen,
    AmountExceedsHold,
    HoldAlreadyCaptured,
    HoldAlreadyReleased,
    HoldDisputed,
    HoldHasExpired,
    HoldLifeExceeded,
    HoldNotFound,
    InsufficientCredits,
    OpenHoldsLimitExceeded,
    UsageConflictsWithHold,
)
from ledger.domain.events import CreditsHeld, HoldCaptured, HoldExtended, HoldReleased
from ledger.domain.holds import MAX_OPEN_HOLDS, Hold, Returns, give_back, lost, lots_expire_at, put_back
from ledger.domain.limits import Counts, Limits
from ledger.domain.lots import MAX_DRAWS, Draws, draw, first_expiry_after, head, tail, take, total
from ledger.domain.pricing.price import Price, Priced
from ledger.domain.related_events import CountedPart, RelatedEvents
from ledger.domain.usage import NO_USAGE, Usage, dimensions_of, quantity_of


def place(command: PlaceHold, account: Account, at: datetime) -> CreditsHeld:
    """Decide a hold: draw lots in burn order and reserve the credits.

    Raises what `pricing.checked` raises, InsufficientCredits, OpenHoldsLimitExceeded, DrawsLimitExceeded, and what
    `limiting.count` raises.
    """
    price = None if command.price is None else checked(command.price, command.usage)
    counts = None
    if account.limits is not None:
        available, quantity = account.balance.available, quantity_of(command.usage or NO_USAGE)
        counts = count(account.limits, command.usage, command.amount, quantity, at, available, command.amount)
    if command.amount > account.balance.available:
        raise InsufficientCredits(command.amount, account.balance.available)
    if len(account.holds) >= MAX_OPEN_HOLDS:
        raise OpenHoldsLimitExceeded(MAX_OPEN_HOLDS)
    draws = draw(account.lots, command.amount)

    now = account.balance
    balance = now._replace(
        held=now.held + command.amount, subscription_expire_at=first_expiry_after(account.lots, draws)
    )
    return CreditsHeld(
        at,
        balance,
        account.next_id("hld"),
        command.amount,
        draws,
        at + command.expires_in,
        command.task_id,
        command.description,
        command.usage,
        counts,
        price,
    )


def extend(command: ExtendHold, account: Account, at: datetime, related: RelatedEvents) -> HoldExtended:
    """Decide an extension: the hold ends later, never earlier.

    Raises HoldNotFound or how the hold ended, and HoldLifeExceeded.
    """
    hold = _open_hold(command, account, related)
    end = max(hold.expires_at, at + command.expires_in)
    latest = hold.placed_at + command.longest_life
    if end > hold.expires_at and end > latest:
        raise HoldLifeExceeded(hold.hold_id, latest)
    return HoldExtended(at, account.balance, hold.hold_id, end, lots_expire_at(hold.draws, end))


def capture(command: CaptureHold, account: Account, at: datetime, related: RelatedEvents) -> HoldCaptured:
    """Decide a capture: it spends the hold's draws in burn order, then, if asked to, an excess from available credits.

    With `on_excess` = `available`, what of the excess is not available is uncollected. Nothing of a frozen account is.
    Raises HoldNotFound or how the hold ended, OccurredAtOutOfBounds, UsageConflictsWithHold, what `pricing` raises,
    AmountExceedsHold, AccountFrozen when there is an excess, InsufficientCredits, DrawsLimitExceeded, and what
    `limiting.count` raises.
    """
    hold = _open_hold(command, account, related)
    if command.occurred_at is not None:
        check_occurred(command.occurred_at, at, command.back_dating)
    usage = command.usage if hold.usage is None else _usage_of_capture(hold, hold.usage, command.usage or NO_USAGE)
    price = None if command.price is None else _price_of_capture(hold, command.price, command.usage or NO_USAGE)
    amount = hold.amount if command.amount is None else command.amount
    excess = max(amount - hold.amount, 0)
    if excess and command.on_excess == "reject":
        raise AmountExceedsHold(amount, hold.amount)
    uncollected = 0
    if excess and command.on_excess == "available":
        available = 0 if account.standing == "frozen" else account.balance.available
        uncollected = max(excess - available, 0)
        excess -= uncollected
    if excess and account.standing == "frozen":
        raise AccountFrozen(account.account_id)
    counts = None
    if account.limits is not None:
        counts = _counted(account, account.limits, hold, usage, excess, at)
    if excess > account.balance.available:
        raise InsufficientCredits(amount, hold.amount + account.balance.available)
    from_hold = head(hold.draws, amount)
    from_lots = draw(account.lots, excess, MAX_DRAWS - len(from_hold)) if excess else ()

    final = command.final or amount >= hold.amount
    returns = give_back(tail(hold.draws, amount), at, hold.closed_grants) if final else ()
    if account.limits is not None and final and hold.counts is not None:
        left = max(hold.amount - amount, 0), max(hold.quantity - quantity_of(usage or NO_USAGE), 0)
        back = count_back(account.limits, (CountedPart(hold.version, hold.counts, *left),), at)
        counts = (*(counts or ()), *(back or ())) or None
    used = usage, counts, command.occurred_at, uncollected or None, price
    return _captured(account, at, hold, from_hold, from_lots, returns, *used, final=final)


def _usage_of_capture(hold: Hold, held: Usage, said: Usage) -> Usage:
    """What a capture was for: what its hold was placed for, and what the capture adds. Raises UsageConflictsWithHold.

    A capture that does not say how much of the hold's metric was used takes all that is left of it.
    """
    dimensions = dimensions_of(held)
    for name, value in dimensions.items():
        if said.get(name, value) != value:
            raise UsageConflictsWithHold(hold.hold_id, name, value, said[name])
    usage = {**dimensions, **said}
    if "metric" in held:
        usage.setdefault("quantity", hold.quantity)
    return usage


def _price_of_capture(hold: Hold, priced: Priced, said: Usage) -> Price:
    check_said_again(hold.usage or NO_USAGE, said)
    return checked(priced, said)


def _counted(
    account: Account, limits: Limits, hold: Hold, usage: Usage | None, excess: int, at: datetime
) -> Counts | None:
    """The counters after what a capture takes beyond its hold."""
    quantity = max(quantity_of(usage or NO_USAGE) - hold.quantity, 0)
    if not excess and not quantity:
        return None
    return count(limits, usage, excess, quantity, at, account.balance.available, excess)


def _captured(  # the event of a capture, after all decisions
    account: Account,
    at: datetime,
    hold: Hold,
    from_hold: Draws,
    from_lots: Draws,
    returns: Returns,
    usage: Usage | None,
    counts: Counts | None,
    occurred_at: datetime | None,
    uncollected: int | None,
    price: Price | None,
    *,
    final: bool,
) -> HoldCaptured:
    spent = from_hold + from_lots
    lots = put_back(take(account.lots, from_lots), returns)
    balance = account.balance_after(
        lots,
        subscription=-total(spent, "subscription") - lost(returns, "subscription"),
        permanent=-total(spent, "permanent") - lost(returns, "permanent"),
        held=-(hold.amount if final else total(from_hold)),
    )
    return HoldCaptured(
        at,
        balance,
        hold.hold_id,
        account.next_id("ded"),
        total(spent),
        from_hold,
        from_lots,
        returns,
        final,
        hold.task_id,
        hold.description,
        usage,
        counts,
        occurred_at,
        uncollected,
        price,
    )


def release(command: ReleaseHold, account: Account, at: datetime, related: RelatedEvents) -> HoldReleased:
    """Decide a release: all credits that are still held return. Raises HoldNotFound, or how the hold ended."""
    hold = _open_hold(command, account, related)
    returns = give_back(hold.draws, at, hold.closed_grants)
    balance = account.balance_after(
        put_back(account.lots, returns),
        subscription=-lost(returns, "subscription"),
        permanent=-lost(returns, "permanent"),
        held=-hold.amount,
    )
    counts = count_back(account.limits, (CountedPart(hold.version, hold.counts, hold.amount, hold.quantity),), at)
    return HoldReleased(at, balance, hold.hold_id, returns, counts)


def _open_hold(command: CaptureHold | ExtendHold | ReleaseHold, account: Account, related: RelatedEvents) -> Hold:
    """The hold that a command names. One of somebody else is not there for a command that says whose it must be."""
    hold = account.holds.get(command.hold_id)
    if hold is None:
        _refuse(command.hold_id, related)
    if command.of_member not in (None, (hold.usage or NO_USAGE).get("member")):
        raise HoldNotFound(command.hold_id)
    return hold


def _refuse(hold_id: str, related: RelatedEvents) -> Never:
    dispute = related.dispute_holding(hold_id)
    if dispute is not None:
        raise HoldDisputed(hold_id, dispute.payment_id, dispute.dispute_id)
    match related.hold_ending(hold_id):
        case "captured":
            raise HoldAlreadyCaptured(hold_id)
        case "released":
            raise HoldAlreadyReleased(hold_id)
        case "expired":
            raise HoldHasExpired(hold_id)
        case None:
            raise HoldNotFound(hold_id)
