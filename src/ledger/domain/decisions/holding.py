"""Decisions about holds: place, extend, capture, release."""

from datetime import datetime
from typing import Never

from ledger.domain.account import Account
from ledger.domain.commands import CaptureHold, ExtendHold, PlaceHold, ReleaseHold
from ledger.domain.errors import (
    AccountFrozen,
    AmountExceedsHold,
    HoldAlreadyCaptured,
    HoldAlreadyReleased,
    HoldHasExpired,
    HoldLifeExceeded,
    HoldNotFound,
    InsufficientCredits,
    OpenHoldsLimitExceeded,
)
from ledger.domain.events import CreditsHeld, HoldCaptured, HoldExtended, HoldReleased
from ledger.domain.holds import MAX_OPEN_HOLDS, Hold, Returns, give_back, lost, lots_expire_at, put_back
from ledger.domain.lots import MAX_DRAWS, Draws, draw, first_expiry_after, head, tail, take, total
from ledger.domain.related_events import RelatedEvents


def place(command: PlaceHold, account: Account, at: datetime) -> CreditsHeld:
    """Decide a hold: draw lots in burn order and reserve the credits.

    Raises InsufficientCredits, OpenHoldsLimitExceeded and DrawsLimitExceeded.
    """
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
    )


def extend(command: ExtendHold, account: Account, at: datetime, related: RelatedEvents) -> HoldExtended:
    """Decide an extension: the hold ends later, never earlier.

    Raises HoldNotFound or how the hold ended, and HoldLifeExceeded.
    """
    hold = _open_hold(account, command.hold_id, related)
    end = max(hold.expires_at, at + command.expires_in)
    latest = hold.placed_at + command.longest_life
    if end > hold.expires_at and end > latest:
        raise HoldLifeExceeded(hold.hold_id, latest)
    return HoldExtended(at, account.balance, hold.hold_id, end, lots_expire_at(hold.draws, end))


def capture(command: CaptureHold, account: Account, at: datetime, related: RelatedEvents) -> HoldCaptured:
    """Decide a capture: it spends the hold's draws in burn order, then, if asked to, an excess from available credits.

    Raises HoldNotFound or how the hold ended, AmountExceedsHold, AccountFrozen when there is an excess,
    InsufficientCredits, DrawsLimitExceeded.
    """
    hold = _open_hold(account, command.hold_id, related)
    amount = hold.amount if command.amount is None else command.amount
    excess = max(amount - hold.amount, 0)
    if excess and command.on_excess == "reject":
        raise AmountExceedsHold(amount, hold.amount)
    if excess and account.standing == "frozen":
        raise AccountFrozen(account.account_id)
    if excess > account.balance.available:
        raise InsufficientCredits(amount, hold.amount + account.balance.available)
    from_hold = head(hold.draws, amount)
    from_lots = draw(account.lots, excess, MAX_DRAWS - len(from_hold)) if excess else ()

    final = command.final or amount >= hold.amount
    returns = give_back(tail(hold.draws, amount), at, hold.closed_grants) if final else ()
    return _captured(command, account, at, hold, from_hold, from_lots, returns, final=final)


def _captured(  # the event of a capture, after all decisions
    command: CaptureHold,
    account: Account,
    at: datetime,
    hold: Hold,
    from_hold: Draws,
    from_lots: Draws,
    returns: Returns,
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
        command.usage,
    )


def release(command: ReleaseHold, account: Account, at: datetime, related: RelatedEvents) -> HoldReleased:
    """Decide a release: all credits that are still held return. Raises HoldNotFound, or how the hold ended."""
    hold = _open_hold(account, command.hold_id, related)
    returns = give_back(hold.draws, at, hold.closed_grants)
    balance = account.balance_after(
        put_back(account.lots, returns),
        subscription=-lost(returns, "subscription"),
        permanent=-lost(returns, "permanent"),
        held=-hold.amount,
    )
    return HoldReleased(at, balance, hold.hold_id, returns)


def _open_hold(account: Account, hold_id: str, related: RelatedEvents) -> Hold:
    hold = account.holds.get(hold_id)
    return hold if hold is not None else _refuse(hold_id, related)


def _refuse(hold_id: str, related: RelatedEvents) -> Never:
    match related.hold_ending(hold_id):
        case "captured":
            raise HoldAlreadyCaptured(hold_id)
        case "released":
            raise HoldAlreadyReleased(hold_id)
        case "expired":
            raise HoldHasExpired(hold_id)
        case None:
            raise HoldNotFound(hold_id)
