"""The state of one account, and how each event changes it.

`evolve` never refuses, never reads the time and computes no policy: events carry every decision. The state has what is
open (lots and holds) and not what is over, so an account with a million events is as small as a new one.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import Literal, assert_never

from ledger.domain.amounts import MAX_AMOUNT, NO_CREDITS, Balance
from ledger.domain.coming import ComingGrants, find, lessened, total_coming, with_end, with_grant, without_grant
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
from ledger.domain.holds import (
    NO_HOLDS,
    NOTHING_DISPUTED,
    Disputed,
    DisputedCredits,
    Hold,
    Holds,
    Returns,
    put_back,
)
from ledger.domain.limits import Counts, Limits, replaced
from ledger.domain.lots import NO_LOTS, Lot, Lots, cancel, first_expiry, put, tail, take, total, with_expiry, without
from ledger.domain.profile import NO_PROFILE, Profile
from ledger.domain.subscriptions.subscriptions import NO_SUBSCRIPTIONS, Subscriptions
from ledger.domain.usage import NO_USAGE, quantity_of

Standing = Literal["active", "frozen", "closed"]


@dataclass(frozen=True, slots=True)
class Account:
    """An account after some event. `version` counts its events; `recorded_at` is the time of the last one."""

    account_id: str
    version: int
    recorded_at: datetime
    standing: Standing
    balance: Balance
    lots: Lots
    holds: Holds
    limits: Limits | None = None
    """Its limits with their counters; None when it has none, which is usual and costs nothing."""
    profile: Profile = NO_PROFILE
    successor: str | None = None
    """The account into which this one was merged when it was closed."""
    coming: ComingGrants = ()
    disputed: DisputedCredits = NOTHING_DISPUTED
    """What open disputes of payments hold, which is no part of `holds`."""
    subscriptions: Subscriptions = NO_SUBSCRIPTIONS

    @property
    def first_hold(self) -> Hold | None:
        """The open hold that expires first; None when there is none."""
        return self.holds.first

    @property
    def next_allowance_at(self) -> datetime | None:
        """When time grants the next allowance of a subscription; None when it grants none. A closed account gets none,
        and one that has no room for a single credit gets it when there is room."""
        at = self.subscriptions.next_at
        if at is None or self.standing == "closed" or not self.room:
            return None
        return at

    @property
    def room(self) -> int:
        """How many credits fit in, beside the balance and all that is coming."""
        return MAX_AMOUNT - self.balance.total - total_coming(self.coming)

    @property
    def due_at(self) -> datetime | None:
        """When time changes the account next: a lot lapses, a hold expires, or a grant or an allowance starts.

        None when nothing is due at any time.
        """
        return min([at for at in (self.next_end_or_start, self.next_allowance_at) if at is not None], default=None)

    @property
    def next_end_or_start(self) -> datetime | None:
        """The same without allowances, of which those that would have lapsed are left out."""
        lapse, hold, coming = self.balance.subscription_expire_at, self.first_hold, self.coming
        moments = [lapse, hold.expires_at if hold else None, coming[0].effective_at if coming else None]
        return min([moment for moment in moments if moment is not None], default=None)

    def is_due(self, at: datetime) -> bool:
        """Whether an expiry or a start is due by `at`. Every decision asks, so this avoids the cost of `due_at`."""
        lapse = self.balance.subscription_expire_at
        if lapse is not None and lapse <= at:
            return True
        coming = self.coming
        if coming and coming[0].effective_at <= at:
            return True
        runs = self.holds.runs
        if runs and runs[0][0].expires_at <= at:
            return True
        allowance = self.subscriptions.next_at
        return allowance is not None and allowance <= at and self.next_allowance_at is not None

    def next_id(self, prefix: Literal["grt", "ded", "hld", "trf"], ahead: int = 1) -> str:
        """The id of the grant, deduction, hold or transfer that the event `ahead` versions from here makes."""
        return f"{prefix}_{self.version + ahead}"

    def balance_after(self, lots: Lots, *, subscription: int = 0, permanent: int = 0, held: int = 0) -> Balance:
        """The balance with `lots` as the open lots, and with the totals changed by these signed credits."""
        now = self.balance
        return Balance(now.subscription + subscription, now.permanent + permanent, now.held + held, first_expiry(lots))


def fold(events: Events, account: Account | None = None) -> Account | None:
    """The account after `events`, starting from `account` (None: it does not exist yet)."""
    return reduce(evolve, events, account)


def evolve(account: Account | None, event: Event) -> Account:
    """The account after one more event. Raises ValueError when the first event is not AccountOpened."""
    if account is None:
        if not isinstance(event, AccountOpened):
            raise ValueError(f"a stream must begin with AccountOpened, not {type(event).__name__}")
        profile = _updated(NO_PROFILE, 1, event)
        return Account(event.account_id, 1, event.recorded_at, "active", NO_CREDITS, NO_LOTS, NO_HOLDS, None, profile)
    if isinstance(event, CreditsDeducted):  # handled first and without `replace`, because nearly every event is one
        return Account(
            account.account_id,
            account.version + 1,
            event.recorded_at,
            account.standing,
            event.balance,
            take(account.lots, event.draws),
            account.holds,
            account.limits if event.counts is None else _counted(account, event.counts, event.recorded_at),
            account.profile,
            account.successor,
            account.coming,
            account.disputed,
            account.subscriptions,
        )
    account = replace(account, version=account.version + 1, recorded_at=event.recorded_at, balance=event.balance)
    return _change(account, event)


def _change(account: Account, event: Event) -> Account:
    match event:
        case CreditsDeducted():
            return _with_counts(replace(account, lots=take(account.lots, event.draws)), event.counts)
        case CreditsSent() | CreditsReceived() | TransferReversed() | CreditsSentBack():
            return _moved(account, event)
        case CreditsGranted():
            return _granted(account, event)
        case GrantStarted():
            return _with_lot(replace(account, coming=without_grant(account.coming, event.grant_id)), event)
        case CreditsHeld():
            return _held(account, event)
        case HoldExtended():
            return _with_hold(account, replace(account.holds[event.hold_id], expires_at=event.expires_at))
        case HoldCaptured():
            return _with_counts(_captured(account, event), event.counts)
        case HoldReleased() | HoldExpired():
            return _with_counts(_without_hold(_returned(account, event.returns), event.hold_id), event.counts)
        case DeductionReversed():
            return _with_counts(_returned(account, event.returns), event.counts)
        case GrantVoided():
            return _voided(account, event)
        case GrantExpiryChanged():
            return _expiry_changed(account, event)
        case CreditsExpired():
            return replace(account, lots=without(account.lots, event.grant_id))
        case AccountFrozen():
            return replace(account, standing="frozen")
        case AccountUnfrozen():
            return replace(account, standing="active", successor=None)
        case AccountReopened():
            subscriptions = account.subscriptions.after_closed_until(event.recorded_at)
            return replace(account, standing="active", successor=None, subscriptions=subscriptions)
        case AccountClosed():
            return replace(account, standing="closed", successor=event.successor)
        case AccountUpdated() | TextsErased():
            return _with_other_texts(account, event)
        case LimitsSet():
            limits = replaced(account.limits, event.source, event.limits, event.kept, account.version)
            return _with_counts(replace(account, limits=limits), event.counts)
        case AllowanceSet():
            limits = account.limits and account.limits.with_allowance(event.limit_id, event.value, event.amount)
            return replace(account, limits=limits)
        case UsageMetered():
            return _with_counts(account, event.counts)
        case DisputeRecorded():
            return _disputed(account, event)
        case PaymentRecorded() | PaymentRefunded() | SubscriptionRecorded():
            return _with_subscriptions(account, event)
        case AccountOpened():
            return account
    assert_never(event)


def _held(account: Account, event: CreditsHeld) -> Account:
    hold = Hold(
        event.hold_id,
        event.draws,
        event.expires_at,
        event.recorded_at,
        event.task_id,
        event.description,
        frozenset[str](),
        event.usage,
        event.counts,
    )
    account = replace(account, lots=take(account.lots, event.draws))
    return _with_hold(_with_counts(account, event.counts), hold)


def _captured(account: Account, event: HoldCaptured) -> Account:
    account = _returned(replace(account, lots=take(account.lots, event.from_lots)), event.returns)
    if event.final:
        return _without_hold(account, event.hold_id)
    hold = account.holds[event.hold_id]
    draws, usage = tail(hold.draws, total(event.from_hold)), hold.usage
    if usage is not None and hold.quantity:
        usage = {**usage, "quantity": max(hold.quantity - quantity_of(event.usage or NO_USAGE), 0)}
    return _with_hold(account, replace(hold, draws=draws, usage=usage))


def _with_counts(account: Account, counts: Counts | None) -> Account:
    """The account after an event, which was recorded just now, moved counters of limits."""
    return account if counts is None else replace(account, limits=_counted(account, counts, account.recorded_at))


def _counted(account: Account, counts: Counts, at: datetime) -> Limits:
    if account.limits is None:
        raise KeyError(counts[0][0])
    return account.limits.after(counts, at)


def _moved(account: Account, event: CreditsSent | CreditsReceived | TransferReversed | CreditsSentBack) -> Account:
    match event:
        case CreditsSent() | CreditsSentBack():
            return replace(account, lots=take(account.lots, event.draws))
        case CreditsReceived():
            return _with_lot(account, event)
        case TransferReversed():
            return _returned(account, event.returns)


def _expiry_changed(account: Account, event: GrantExpiryChanged) -> Account:
    if find(account.coming, event.grant_id) is not None:
        return replace(account, coming=with_end(account.coming, event.grant_id, event.expires_at))
    lots = with_expiry(account.lots, event, event.previous_expires_at, event.reinstated)
    held = account.disputed.with_expiry(event.grant_id, event.expires_at)
    return replace(account, lots=lots, holds=account.holds.with_expiry(event.grant_id, event.expires_at), disputed=held)


def _granted(account: Account, event: CreditsGranted) -> Account:
    if event.effective_at is not None:
        return replace(account, coming=with_grant(account.coming, event))
    if event.allowance is not None:
        account = replace(account, subscriptions=account.subscriptions.after_grant(event))
    return _with_lot(account, event)


def _with_subscriptions(account: Account, event: PaymentRecorded | PaymentRefunded | SubscriptionRecorded) -> Account:
    before = account.subscriptions
    match event:
        case SubscriptionRecorded():
            return replace(account, subscriptions=before.after_word(event))
        case PaymentRecorded():
            return (
                account if event.subscription is None else replace(account, subscriptions=before.after_payment(event))
            )
        case PaymentRefunded():
            after = _after_money_back(before, event, refunded=event.amount_minor)
            return account if after is before else replace(account, subscriptions=after)


def _after_money_back(
    before: Subscriptions, event: PaymentRefunded | DisputeRecorded, *, refunded: int = 0, lost: int = 0
) -> Subscriptions:
    if not before or event.provider is None:
        return before
    return before.after_money_back(event.provider, event.payment_id, event.recorded_at, refunded=refunded, lost=lost)


def _with_lot(account: Account, event: CreditsGranted | GrantStarted | CreditsReceived) -> Account:
    return replace(account, lots=put(account.lots, Lot(event.grant_id, event.kind, event.amount, event.expires_at)))


def _voided(account: Account, event: GrantVoided) -> Account:
    if event.coming:
        return replace(account, coming=lessened(account.coming, event.grant_id, event.amount, closed=event.closed))
    lots = cancel(account.lots, event.grant_id, event.amount)
    if event.cause is not None:
        account = replace(account, subscriptions=account.subscriptions.after_void(event))
    if not event.closed:
        return replace(account, lots=lots)
    held = account.disputed.closing(event.grant_id)
    return replace(account, lots=lots, holds=account.holds.closing(event.grant_id), disputed=held)


def _disputed(account: Account, event: DisputeRecorded) -> Account:
    account = replace(account, lots=put_back(take(account.lots, event.draws), event.returns))
    if event.state == "lost":
        lost = _after_money_back(account.subscriptions, event, lost=event.amount_minor)
        account = replace(account, subscriptions=lost)
    name, awaits = event.hold_id, event.awaits or ()
    if name is None:
        return account
    if event.state != "open":
        return replace(account, disputed=account.disputed.without(name))
    if event.changed_by is not None:
        return replace(account, disputed=account.disputed.changed(name, event.draws, event.returns, awaits))
    words = event.payment_id, event.provider, event.dispute_id, event.amount_minor
    return replace(account, disputed=account.disputed.with_one(Disputed(name, *words, event.draws, awaits)))


def _with_other_texts(account: Account, event: AccountUpdated | TextsErased) -> Account:
    if isinstance(event, AccountUpdated):
        return replace(account, profile=_updated(account.profile, account.version, event))
    profile = account.profile._replace(description_version=0, metadata_version=0)
    return replace(account, holds=account.holds.without_texts(), profile=profile)


def _updated(profile: Profile, version: int, event: AccountOpened | AccountUpdated) -> Profile:
    return Profile(
        profile.labels if event.labels is None else event.labels,
        profile.description_version if event.description is None else version,
        profile.metadata_version if event.metadata is None else version,
    )


def _returned(account: Account, returns: Returns) -> Account:
    return replace(account, lots=put_back(account.lots, returns))


def _with_hold(account: Account, hold: Hold) -> Account:
    return replace(account, holds=account.holds.with_hold(hold))


def _without_hold(account: Account, hold_id: str) -> Account:
    return replace(account, holds=account.holds.without(hold_id))
