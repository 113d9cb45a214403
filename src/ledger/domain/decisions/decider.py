"""The rules of an account: decide(command, account, now, related) -> events.

`decide` is pure: time, ids and earlier events are arguments, and it changes nothing. A command yields all of its
events, after the expiries that are due by then, or raises a Refusal and yields none. The rules are in one file for each
subject: granting, correcting, spending, holding, paying, disputing, subscribing, moving, limiting; the expiries are in
expiry.py.
"""

from datetime import datetime
from typing import assert_never

from ledger.domain.account import Account
from ledger.domain.commands import (
    CaptureHold,
    ChangeGrantExpiry,
    CloseAccount,
    Command,
    DeductCredits,
    EraseTexts,
    ExtendHold,
    FreezeAccount,
    GrantCredits,
    MergeAccount,
    Meter,
    OpenAccount,
    PlaceHold,
    ReceiveCredits,
    RecordDispute,
    RecordExpiries,
    RecordPayment,
    RecordSubscription,
    RefundPayment,
    ReleaseHold,
    ReopenAccount,
    ReverseDeduction,
    ReverseTransfer,
    SendBack,
    SendCredits,
    SetAllowance,
    SetLimits,
    UnfreezeAccount,
    UpdateAccount,
    VoidGrant,
)
from ledger.domain.decisions.correcting import change_expiry
from ledger.domain.decisions.disputing import record_dispute
from ledger.domain.decisions.expiry import apply_due_expiries
from ledger.domain.decisions.granting import grant, open_account, void
from ledger.domain.decisions.holding import capture, extend, place, release
from ledger.domain.decisions.limiting import meter, set_allowance, set_limits
from ledger.domain.decisions.moving import merge, receive, reverse_transfer, send, send_back
from ledger.domain.decisions.paying import record, refund
from ledger.domain.decisions.spending import deduct, reverse
from ledger.domain.decisions.subscribing import check_subscription, record_word, with_allowances
from ledger.domain.decisions.updating import update
from ledger.domain.errors import AccountClosed as ClosedRefusal
from ledger.domain.errors import AccountExists, AccountNotFound
from ledger.domain.errors import AccountFrozen as FrozenRefusal
from ledger.domain.events import AccountClosed, AccountFrozen, AccountReopened, AccountUnfrozen, Events, TextsErased
from ledger.domain.related_events import NO_RELATED_EVENTS, RelatedEvents

_SPENDING = DeductCredits | PlaceHold | ExtendHold | SendCredits | MergeAccount | Meter
_ALWAYS_ALLOWED = (
    ReverseDeduction
    | ReleaseHold
    | VoidGrant
    | RefundPayment
    | RecordDispute
    | EraseTexts
    | RecordExpiries
    | ReverseTransfer
    | SendBack
)


def decide(
    command: Command, account: Account | None, now: datetime, related: RelatedEvents = NO_RELATED_EVENTS
) -> Events:
    """The events that `command` leads to when `account` (None: it does not exist) carries it out at `now`.

    `related` holds the events about the things that `needed_subjects` names. Raises a Refusal (errors), checked in
    this order: the account's existence, its standing, the thing that the command names, the amount, the limits.
    """
    if account is None:
        if isinstance(command, OpenAccount):
            return open_account(command, now)
        raise AccountNotFound(command.account_id)
    if account.standing != "active":
        _check_standing(command, account)

    at = now if now > account.recorded_at else account.recorded_at  # time never runs backwards within a stream
    if not account.is_due(at):
        return _carry_out(command, account, at, related)
    lapses, account = apply_due_expiries(account, at)
    done = _carry_out(command, account, at, related.after(lapses))
    return lapses + done if done or isinstance(command, RecordExpiries) else ()  # a move may have nothing to receive


def _check_standing(command: Command, account: Account) -> None:
    if isinstance(command, _ALWAYS_ALLOWED):
        return
    if account.standing == "closed":
        if isinstance(command, ReopenAccount) or (isinstance(command, RecordPayment) and not _buys(command)):
            return  # money moves on after people leave
        if isinstance(command, MergeAccount) and command.successor == account.successor:
            return  # what came back since follows what was merged
        raise ClosedRefusal(account.account_id, account.successor)
    if isinstance(command, _SPENDING | ReopenAccount) or (
        isinstance(command, CaptureHold) and command.if_frozen == "refuse"
    ):
        raise FrozenRefusal(account.account_id)


def _buys(command: RecordPayment) -> bool:
    return bool(command.grants) or (command.subscription is not None and command.status == "paid")


def _carry_out(command: Command, account: Account, at: datetime, related: RelatedEvents) -> Events:
    match command:
        case DeductCredits():
            return (deduct(command, account, at),)
        case GrantCredits():
            return (grant(command, account, at),)
        case PlaceHold():
            return (place(command, account, at),)
        case CaptureHold():
            return (capture(command, account, at, related),)
        case ExtendHold():
            return (extend(command, account, at, related),)
        case ReleaseHold():
            return (release(command, account, at, related),)
        case ReverseDeduction():
            return (reverse(command, account, at, related),)
        case VoidGrant():
            return (void(command, account, at, related),)
        case ChangeGrantExpiry():
            return (change_expiry(command, account, at, related),)
        case RecordPayment() | RefundPayment() | RecordDispute():
            return with_allowances(_about_payment(command, account, at, related), account, at)
        case RecordSubscription():
            return record_word(command, account, at)
        case UpdateAccount():
            return (update(command, account, at),)
        case FreezeAccount():
            return (AccountFrozen(at, account.balance, command.reason),)
        case UnfreezeAccount():
            return (AccountUnfrozen(at, account.balance, command.reason),)
        case CloseAccount():
            return (AccountClosed(at, account.balance, command.reason),)
        case ReopenAccount():
            return (AccountReopened(at, account.balance, command.reason),)
        case SendCredits():
            return (send(command, account, at),)
        case MergeAccount():
            return merge(command, account, at)
        case ReceiveCredits():
            return receive(command, account, at)
        case ReverseTransfer():
            return (reverse_transfer(command, account, at, related),)
        case SendBack():
            return (send_back(command, account, at, related),)
        case EraseTexts():
            return (TextsErased(at, account.balance),)
        case Meter():
            return (meter(command, account, at),)
        case SetLimits():
            return (set_limits(command, account, at),)
        case SetAllowance():
            return (set_allowance(command, account, at),)
        case RecordExpiries():
            return ()
        case OpenAccount():
            raise AccountExists(command.account_id, [])
    assert_never(command)


def _about_payment(
    command: RecordPayment | RefundPayment | RecordDispute, account: Account, at: datetime, related: RelatedEvents
) -> Events:
    match command:
        case RecordPayment():
            if command.subscription is not None:
                check_subscription(command.subscription.subscription_id, command.provider, account)
            return record(command, account, at, related)
        case RefundPayment():
            return refund(command, account, at, related)
        case RecordDispute():
            return record_dispute(command, account, at, related)
