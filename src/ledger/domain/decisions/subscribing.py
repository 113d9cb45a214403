"""Decisions about subscriptions: words about them, and the allowances that they entitle to.

Whatever becomes known, the account is brought to what all that is known entitles to (`settled`): what is missing of a
share is granted, what is too much is taken back as far as it is there. So the order of the reports does not matter.
Windows that start later are granted by time alone (`next_allowances`). See docs/adr/0076-subscriptions.md.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from ledger.domain.account import Account, evolve
from ledger.domain.commands import RecordSubscription
from ledger.domain.decisions.disputing import held_of_allowance
from ledger.domain.errors import InvalidField, SubscriptionsLimitExceeded
from ledger.domain.events import (
    CreditsGranted,
    DisputeRecorded,
    Event,
    Events,
    GrantVoided,
    PaymentRecorded,
    PaymentRefunded,
    SubscriptionRecorded,
    VoidCause,
)
from ledger.domain.lots import Lot, cancel, put, remaining_by_id
from ledger.domain.plans.subscribed import AllowanceOf
from ledger.domain.plans.terms import RollOver
from ledger.domain.subscriptions.entitlements import Due, Period, Window, next_window, periods, shares_by
from ledger.domain.subscriptions.subscription import TRIAL, Share, Subscription
from ledger.domain.subscriptions.subscriptions import MAX_SUBSCRIPTIONS

LATE = timedelta(days=1)
"""What becomes known so long after it is due is late."""
AT_LEAST = timedelta(days=7)
"""How long an allowance lasts that comes late."""


def record_word(command: RecordSubscription, account: Account, at: datetime) -> Events:
    """Decide a word about a subscription, and what it changes. Raises what `check_subscription` raises."""
    check_subscription(command.subscription_id, command.provider, account)
    word = SubscriptionRecorded(
        at,
        account.balance,
        command.subscription_id,
        command.provider,
        command.status,
        command.terms,
        command.as_of,
        command.quantity,
        command.period_start,
        command.period_end,
        command.ends_at,
        command.next_plan,
        command.trial_ends_at,
        command.pays,
    )
    after = evolve(account, word)
    word = replace(word, next_allowance_at=_next_at(after, command.subscription_id))
    return word, *settled(after, command.subscription_id, at)


def check_subscription(subscription_id: str, provider: str, account: Account) -> None:
    """Raise InvalidField unless a subscription is one of a provider; SubscriptionsLimitExceeded if it is one more."""
    known = account.subscriptions.get(subscription_id)
    if known is None and account.subscriptions.open >= MAX_SUBSCRIPTIONS:
        raise SubscriptionsLimitExceeded(MAX_SUBSCRIPTIONS)
    if known is not None and known.provider != provider:
        raise InvalidField("provider", f"must be {known.provider}, whose subscription it is", provider)


def _next_at(account: Account, subscription_id: str) -> datetime | None:
    one = account.subscriptions.get(subscription_id)
    return next_window(one) if one is not None else None


def with_allowances(events: Events, account: Account, at: datetime) -> Events:
    """Events about a payment and, when it is for a subscription, what they change of its allowances."""
    first, reason = events[0], None
    match first:
        case PaymentRecorded():
            provider: str | None = first.provider
        case PaymentRefunded():
            provider, reason = first.provider, f"refund {first.refund_id}"
        case DisputeRecorded():
            provider, reason = first.provider, f"dispute {first.dispute_id}"
        case _:
            return events
    after = _after(account, events)
    one = after.subscriptions.of_payment(provider or "", first.payment_id)
    if one is None:
        return events
    if isinstance(first, PaymentRecorded):
        events = replace(first, next_allowance_at=next_window(one)), *events[1:]
    return *events, *settled(after, one.subscription_id, at, reason)


def settled(account: Account, subscription_id: str, at: datetime, reason: str | None = None) -> Events:
    """What brings the allowances of a subscription to what all that is known of it entitles to by now.

    Windows that are over and had nothing are not made up for; of a payment whose time is over, the last one is.
    """
    one = account.subscriptions.get(subscription_id)
    if one is None:
        return ()
    due = _in_time(shares_by(one, at), one, at)
    targets = {part.id: part for part in due}
    events: list[Event] = []
    for share in one.shares:  # first what is too much, so that it makes room
        target = targets[share.id].credits if share.id in targets else 0
        events += _taken_back(share, share.net - target, reason, _after(account, events), at)
    newest = max([share.id.window_start for share in one.shares], default=None)
    for part in due:
        missing = part.credits - one.share(part.id).net
        if missing > 0:
            if newest is not None and part.id.window_start > newest:
                events += _over_cap(one, part, _after(account, events), at)
                newest = part.id.window_start
            events += _granted(one, part, missing, _after(account, events), at, late=True)
    return tuple(events)


def _in_time(due: list[Due], one: Subscription, at: datetime) -> list[Due]:
    """The shares without those whose window is over and that had nothing, except for the last one of a payment."""
    current = {part.id.payment_id for part in due if part.window.end > at}
    last = {part.id.payment_id: part for part in due if part.id.payment_id is not None and part.credits}
    return [
        part
        for part in due
        if part.window.end > at
        or one.share(part.id).grants
        or (part.id.payment_id not in current and last.get(part.id.payment_id or "") is part)
    ]


def _taken_back(share: Share, excess: int, reason: str | None, account: Account, at: datetime) -> Events:
    """The voids that take back what a share has too much, of its newest grant first, as far as it is there."""
    if excess <= 0:
        return ()
    left = excess
    events: list[Event] = []
    for number, grant_id in enumerate(reversed(share.grants), 1):
        amount = min(left, remaining_by_id(account.lots, grant_id))
        left -= amount
        last = number == len(share.grants)
        if amount or (last and left != share.missing):
            void = _void(grant_id, amount, left if last else 0, "allowance", reason, account, at)
            events.append(void)
            account = evolve(account, void)
    return tuple(events)


def _void(
    grant_id: str, amount: int, missing: int, cause: VoidCause, reason: str | None, account: Account, at: datetime
) -> GrantVoided:
    return GrantVoided(
        at,
        account.balance_after(cancel(account.lots, grant_id, amount), subscription=-amount),
        grant_id,
        "subscription",
        amount,
        missing,
        False,
        reason,
        None,
        cause,
    )


def _granted(one: Subscription, due: Due, amount: int, account: Account, at: datetime, *, late: bool = False) -> Events:
    """The grant of what is missing of a share, as far as it fits in."""
    credits = min(amount, account.room)
    if credits <= 0:
        return ()
    window, expires_at = due.window, due.window.expires_at
    if late and (at > due.due_at + LATE or expires_at <= at):
        expires_at = max(expires_at, at + AT_LEAST)
    grant_id = account.next_id("grt")
    lots = put(account.lots, Lot(grant_id, "subscription", credits, expires_at))
    granted = CreditsGranted(
        at,
        account.balance_after(lots, subscription=credits),
        grant_id,
        "subscription",
        credits,
        "subscription",
        expires_at,
        payment_id=due.id.payment_id,
        allowance=AllowanceOf(one.subscription_id, window.start, window.end, due.id == TRIAL),
    )
    after = evolve(account, granted)
    of = granted.allowance
    assert of is not None
    granted = replace(granted, allowance=of._replace(next_at=_next_at(after, one.subscription_id)))
    return granted, *_held_of(granted, one, after, at)


def _held_of(granted: CreditsGranted, one: Subscription, account: Account, at: datetime) -> Events:
    """What open disputes of the payment that bought an allowance hold of it, in proportion to their money."""
    if granted.payment_id is None or not account.disputed:
        return ()
    paid = one.payment(granted.payment_id)
    return () if paid is None else held_of_allowance(account, granted, one.provider, paid.amount_minor, at)


def _over_cap(one: Subscription, due: Due, account: Account, at: datetime) -> Events:
    """The voids of what was rolled over beyond the cap when the next allowance comes, of the oldest grants first."""
    unused = _roll_over_of(one, due)
    if unused is None:
        return ()
    grants = [name for share in one.shares for name in share.grants]
    remaining = {name: remaining_by_id(account.lots, name) for name in grants}
    excess = sum(remaining.values()) - unused.cap
    events: list[Event] = []
    for name in grants:
        amount = min(excess, remaining[name])
        if amount > 0:
            void = _void(name, amount, 0, "roll_over", None, account, at)
            events.append(void)
            account = evolve(account, void)
            excess -= amount
    return tuple(events)


def _roll_over_of(one: Subscription, due: Due) -> RollOver | None:
    for period in periods(one):
        if period.holds(due.window.start):
            return period.terms.unused
    return None


# By time alone --------------------------------------------------------------------------------------------------


def next_allowances(account: Account, at: datetime) -> tuple[datetime, Subscription, list[Due]] | None:
    """The next allowances that time alone grants by `at`: since when, of which subscription, and what.

    Windows whose allowance would have lapsed by `at` are left out, as long as there is a later one.
    """
    first = account.next_allowance_at
    if first is None or first > at:
        return None
    found = [(due[0].window.start, one, due) for one in account.subscriptions if (due := _next_due(one, at))]
    return min(found, key=lambda each: (each[0], each[1].subscription_id), default=None)


def _next_due(one: Subscription, at: datetime) -> list[Due]:
    due: list[tuple[Period, Window]] = []
    for period in periods(one):
        for window in period.windows(one.settled_to):
            if window.start > at:
                break
            if any(part.credits for part in period.shares(window)):
                due.append((period, window))
                if window.expires_at > at:
                    break
    due.sort(key=lambda each: each[1].start)
    lasting = [each for each in due if each[1].expires_at > at]
    chosen = (lasting or due[-1:])[:1]
    return [part for period, window in chosen for part in period.shares(window) if part.credits]


def allowances(one: Subscription, due: Iterable[Due], account: Account, at: datetime) -> Events:
    """The grants of the next allowances of a subscription, and what they change; there is room for at least one."""
    events: list[Event] = []
    for number, part in enumerate(due):
        if not number:
            events += _over_cap(one, part, account, at)
        events += _granted(one, part, part.credits, _after(account, events), at)
    return tuple(events)


def _after(account: Account, events: Iterable[Event]) -> Account:
    for event in events:
        account = evolve(account, event)
    return account
