"""What an event changes in an account's balance: the signed lines that history, rollups and statistics are made of.

A pure function of the event, which carries every decision. One event can be several changes: a reversal whose lot has
expired since gives credits back and lapses them in the same moment, and both are said.
"""

from datetime import datetime
from typing import Literal, NamedTuple, assert_never, get_args

from ledger.domain.amounts import Kind
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
from ledger.domain.holds import Fate, Returns, gone
from ledger.domain.lots import Draws, total

EntryType = Literal["grant", "deduction", "capture", "reversal", "void", "expiry"]
ENTRY_TYPES: tuple[EntryType, ...] = get_args(EntryType)

SUMMED_AT: dict[EntryType, int] = {"grant": 0, "deduction": 1, "capture": 1, "reversal": 2, "expiry": 3, "void": 4}
"""Where sums by type have an entry's credits: granted, deducted, reversed, expired, voided. Captures are deductions."""

BUCKET_MINUTES = 15
"""Every offset from UTC that is in use is a multiple of this, so any local day is a whole number of buckets."""


class Change(NamedTuple):
    """Signed credits, by kind, that one event adds to an account's total."""

    type: EntryType
    subscription: int
    permanent: int


Changes = tuple[Change, ...]


class Fact(NamedTuple):
    """One event of the log with what it changes: what projections are made of."""

    position: int
    account_id: str
    version: int
    event: Event
    bucket: datetime
    changes: Changes


def fact(position: int, account_id: str, version: int, event: Event) -> Fact:
    """An event with what is said of it more than once."""
    return Fact(position, account_id, version, event, bucket_of(event.recorded_at), changes_of(event))


def changes_of(event: Event) -> Changes:
    """The changes of an event, in order; they add up to the difference that it makes to the balance's total."""
    if isinstance(event, CreditsDeducted):  # nearly every event is one
        return (_drawn("deduction", event.draws, event.amount),)
    match event:
        case CreditsGranted():
            return (_of_kind("grant", event.kind, event.amount),)
        case HoldCaptured():
            return (_drawn("capture", event.draws, event.amount), *_lost(event.returns))
        case HoldReleased() | HoldExpired():
            return _lost(event.returns)
        case DeductionReversed():
            return (_returned(event.returns), *_lost(event.returns))
        case GrantVoided():
            return (_of_kind("void", event.kind, -event.amount),) if event.amount else ()
        case CreditsExpired():
            return (_of_kind("expiry", event.kind, -event.amount),)
        case AccountOpened() | CreditsHeld() | HoldExtended() | PaymentRecorded() | PaymentRefunded():
            return ()
        case AccountFrozen() | AccountUnfrozen() | AccountClosed() | TextsErased():
            return ()
    assert_never(event)


def bucket_of(at: datetime) -> datetime:
    """The start of the quarter of an hour (UTC) that a moment lies in."""
    return at.replace(minute=at.minute // BUCKET_MINUTES * BUCKET_MINUTES, second=0, microsecond=0)


def _of_kind(entry: EntryType, kind: Kind, credits: int) -> Change:
    return Change(entry, credits, 0) if kind == "subscription" else Change(entry, 0, credits)


def _drawn(entry: EntryType, draws: Draws, amount: int) -> Change:
    subscription = total(draws, "subscription")
    return Change(entry, -subscription, subscription - amount)


def _returned(returns: Returns) -> Change:
    subscription = sum(part.amount for part in returns if part.kind == "subscription")
    return Change("reversal", subscription, sum(part.amount for part in returns) - subscription)


def _lost(returns: Returns) -> Changes:
    """What came back and reached no lot: lapsed with its lot, or cancelled with its grant."""
    return tuple(
        change
        for change in (_with_fate("expiry", returns, "lapsed"), _with_fate("void", returns, "cancelled"))
        if change.subscription or change.permanent
    )


def _with_fate(entry: EntryType, returns: Returns, fate: Fate) -> Change:
    parts = tuple(part for part in returns if part.fate == fate)
    return Change(entry, -gone(parts, "subscription"), -gone(parts, "permanent"))
