"""The titles of events and entries, in a word or two. Pages, statements and exports take them from here.

sentences.py has a whole sentence for each event.
"""

from collections.abc import Mapping
from typing import assert_never

from ledger.domain.changes import EntryType
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
    DisputeState,
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
    PaymentStatus,
    Source,
    SubscriptionRecorded,
    TextsErased,
    TransferReversed,
    UsageMetered,
)
from ledger.domain.plans.subscribed import SubscriptionStatus

GRANT_TITLES: Mapping[Source, str] = {
    "signup": "Welcome credits",
    "subscription": "Subscription credits",
    "topup": "Top-up",
    "promotion": "Promotional credits",
    "adjustment": "Adjustment",
}
PAYMENT_TITLES: Mapping[PaymentStatus, str] = {
    "paid": "Payment received",
    "failed": "Payment failed",
    "refunded": "Payment refunded",
}
ENTRY_WORDS: Mapping[EntryType, str] = {
    "grant": "granted",
    "deduction": "used",
    "capture": "used",
    "reversal": "given back",
    "expiry": "expired",
    "void": "cancelled",
    "transfer": "transferred",
    "reinstatement": "reinstated",
}
"""A verb for each type of entry, so that signs and colours are never the only distinction."""
DISPUTE_TITLES: Mapping[DisputeState, str] = {
    "open": "Payment disputed",
    "won": "Dispute won",
    "lost": "Dispute lost",
}
SUBSCRIPTION_TITLES: Mapping[SubscriptionStatus, str] = {
    "incomplete": "Subscription not yet paid",
    "trialing": "Subscription on trial",
    "active": "Subscription active",
    "paused": "Subscription paused",
    "past_due": "Subscription past due",
    "ended": "Subscription ended",
}
_ENTRY_TITLES: Mapping[EntryType, str] = {
    "grant": "Credits granted",
    "deduction": "Credits used",
    "capture": "Credits used from a hold",
    "reversal": "Credits given back",
    "expiry": "Credits expired",
    "void": "Credits cancelled",
    "transfer": "Credits transferred",
    "reinstatement": "Credits reinstated",
}


def entry_title(entry: EntryType, source: Source | None) -> str:
    """The title of an entry; `source` is that of a grant."""
    return GRANT_TITLES[source] if source is not None else _ENTRY_TITLES[entry]


def event_title(event: Event) -> str:
    """The title of an event. An event that makes an entry has the title of the entry."""
    match event:
        case CreditsGranted() if event.effective_at is not None:
            return "Credits granted for later"
        case CreditsGranted() | GrantStarted():
            return GRANT_TITLES[event.source]
        case CreditsDeducted():
            return _ENTRY_TITLES["deduction"]
        case HoldCaptured():
            return _ENTRY_TITLES["capture"]
        case DeductionReversed():
            return _ENTRY_TITLES["reversal"]
        case CreditsExpired():
            return _ENTRY_TITLES["expiry"]
        case GrantVoided():
            return _ENTRY_TITLES["void"]
        case CreditsSent() | CreditsReceived() | TransferReversed() | CreditsSentBack():
            return _ENTRY_TITLES["transfer"]
        case GrantExpiryChanged():
            return _ENTRY_TITLES["reinstatement"] if event.reinstated else "Expiry changed"
        case CreditsHeld():
            return "Credits put on hold"
        case HoldExtended():
            return "Hold extended"
        case HoldReleased():
            return "Hold released"
        case HoldExpired():
            return "Hold expired"
        case PaymentRecorded():
            return PAYMENT_TITLES[event.status]
        case PaymentRefunded():
            return PAYMENT_TITLES["refunded"]
        case SubscriptionRecorded():
            return SUBSCRIPTION_TITLES[event.status]
        case DisputeRecorded():
            return "Disputed credits changed" if event.changed_by is not None else DISPUTE_TITLES[event.state]
        case AccountOpened():
            return "Account opened"
        case AccountUpdated():
            return "Account updated"
        case AccountFrozen():
            return "Account frozen"
        case AccountUnfrozen():
            return "Account unfrozen"
        case AccountClosed():
            return "Account closed"
        case AccountReopened():
            return "Account reopened"
        case TextsErased():
            return "Descriptions erased"
        case LimitsSet():
            return "Limits set"
        case AllowanceSet():
            return "Allowance set"
        case UsageMetered():
            return "Usage metered"
    assert_never(event)
