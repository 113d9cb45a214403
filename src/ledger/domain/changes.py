"""The changes that an event makes to an account's total: the signed lines of history, rollups and statistics.

They are a pure function of the event, because the event carries every decision. One event may make several changes: a
reversal whose lot has expired returns credits and lapses them at the same moment, and both changes are listed.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple, assert_never, get_args

from ledger.domain.amounts import Kind
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
from ledger.domain.holds import Fate, Returns, lost
from ledger.domain.lots import Draws, total

EntryType = Literal["grant", "deduction", "capture", "reversal", "void", "expiry", "reinstatement", "transfer"]
ENTRY_TYPES: tuple[EntryType, ...] = get_args(EntryType)

SUMMED_AT: dict[EntryType, int] = {
    "grant": 0,
    "deduction": 1,
    "capture": 1,
    "reversal": 2,
    "expiry": 3,
    "reinstatement": 3,
    "void": 4,
    "transfer": 5,
}
"""The index of an entry type among the sums granted, deducted, reversed, expired, voided, transferred.

A capture is a deduction. What is reinstated has not expired: it counts as an expiry, and its credits are subtracted.
Transfers are what came from other accounts less what went to them.
"""
SUM_SIGNS = (1, -1, 1, -1, -1, 1)
"""Of each sum: the sign of the credits that it counts. With these signs, the sums are what the balance changed by."""
TRANSFERRED = SUMMED_AT["transfer"]

BUCKET_MINUTES = 15
BUCKET = timedelta(minutes=BUCKET_MINUTES)
"""The width of a bucket. UTC offsets in use are multiples of it, so every local day is a whole number of buckets."""


class Change(NamedTuple):
    """Signed credits, by kind, that an event adds to an account's total."""

    type: EntryType
    subscription: int
    permanent: int


Changes = tuple[Change, ...]


class Fact(NamedTuple):
    """One event of the log with its bucket and its changes: the input of the projections."""

    position: int
    account_id: str
    version: int
    event: Event
    bucket: datetime
    changes: Changes


def fact(position: int, account_id: str, version: int, event: Event) -> Fact:
    """The fact of an event, computed once for all projections."""
    return Fact(position, account_id, version, event, bucket_of(event.recorded_at), changes_of(event))


def changes_of(event: Event) -> Changes:
    """The changes of an event, in order. They add up to what the event adds to the balance's total."""
    if isinstance(event, CreditsDeducted):  # nearly every event is one
        return (_drawn("deduction", event.draws, event.amount),)
    match event:
        case CreditsGranted():
            return (_of_kind("grant", event.kind, event.amount),) if event.effective_at is None else ()
        case GrantStarted():
            return (_of_kind("grant", event.kind, event.amount),)
        case HoldCaptured():
            return (_drawn("capture", event.draws, event.amount), *_lost(event.returns))
        case HoldReleased() | HoldExpired() | DisputeRecorded():
            return _lost(event.returns)
        case DeductionReversed():
            return (_returned("reversal", event.returns), *_lost(event.returns))
        case CreditsSent() | CreditsSentBack():
            return (_drawn("transfer", event.draws, event.amount),)
        case CreditsReceived():
            return (_of_kind("transfer", event.kind, event.amount),)
        case TransferReversed():
            return (_returned("transfer", event.returns), *_lost(event.returns))
        case GrantVoided():
            return (_of_kind("void", event.kind, -event.amount),) if event.amount and not event.coming else ()
        case GrantExpiryChanged():
            return (_of_kind("reinstatement", event.kind, event.reinstated),) if event.reinstated else ()
        case CreditsExpired():
            return (_of_kind("expiry", event.kind, -event.amount),)
        case AccountOpened() | CreditsHeld() | HoldExtended() | PaymentRecorded() | PaymentRefunded():
            return ()
        case SubscriptionRecorded():
            return ()
        case (
            AccountUpdated() | AccountFrozen() | AccountUnfrozen() | AccountClosed() | AccountReopened() | TextsErased()
        ):
            return ()
        case LimitsSet() | AllowanceSet() | UsageMetered():
            return ()
    assert_never(event)


def bucket_of(at: datetime) -> datetime:
    """The start of the quarter of an hour (UTC) that contains a moment."""
    return at.replace(minute=at.minute // BUCKET_MINUTES * BUCKET_MINUTES, second=0, microsecond=0)


def _of_kind(entry: EntryType, kind: Kind, credits: int) -> Change:
    return Change(entry, credits, 0) if kind == "subscription" else Change(entry, 0, credits)


def _drawn(entry: EntryType, draws: Draws, amount: int) -> Change:
    subscription = total(draws, "subscription")
    return Change(entry, -subscription, subscription - amount)


def _returned(entry: EntryType, returns: Returns) -> Change:
    subscription = sum(part.amount for part in returns if part.kind == "subscription")
    return Change(entry, subscription, sum(part.amount for part in returns) - subscription)


def _lost(returns: Returns) -> Changes:
    """The changes for credits that came back but reached no lot: they lapsed, or were cancelled with their grant."""
    return tuple(
        change
        for change in (_with_fate("expiry", returns, "lapsed"), _with_fate("void", returns, "cancelled"))
        if change.subscription or change.permanent
    )


def _with_fate(entry: EntryType, returns: Returns, fate: Fate) -> Change:
    parts = tuple(part for part in returns if part.fate == fate)
    return Change(entry, -lost(parts, "subscription"), -lost(parts, "permanent"))
