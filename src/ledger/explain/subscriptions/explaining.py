"""Explains words about subscriptions and their allowances: what all that was known then entitles to."""

from collections.abc import Iterator
from datetime import datetime

from ledger.domain.account import Account
from ledger.domain.amounts import Kind
from ledger.domain.events import CreditsGranted, GrantVoided, SubscriptionRecorded
from ledger.domain.plans.subscribed import AllowanceOf
from ledger.domain.subscriptions.entitlements import Due, share_of
from ledger.domain.subscriptions.subscription import TRIAL, ShareId, Subscription
from ledger.domain.subscriptions.subscriptions import MAX_SUBSCRIPTIONS
from ledger.explain.explanation import Details
from ledger.explain.sentences import instant

_WORD = (
    "A subscription grants nothing by itself: payments and time do, by all that is known of it. "
    "What this word changes of its allowances follows as events of their own."
)
_TRIAL = "A trial has one allowance, which lasts until its end."
_PAID = "In each window of time, the plan that was paid for first gives its credits."
_CHANGED = (
    "A change gives what its plan has more than the best plan so far in the window, for the time that was left of it, "
    "rounded down; so changing back and forth gains nothing."
)
_FREE = "A plan without a price gives its credits in each window of time, without a payment."
_TAKEN = "By all that is known now, the allowance is smaller. The difference is taken back, as far as it was not spent."
_ROLLED = "What was rolled over is more than its cap when the next allowance comes. The oldest credits go first."


def explain_word(before: Account, event: SubscriptionRecorded) -> Details:
    """The details of a word about a subscription."""
    known = before.subscriptions.get(event.subscription_id)
    wrong = []
    if known is None and before.subscriptions.open >= MAX_SUBSCRIPTIONS:
        wrong.append(f"the account has {MAX_SUBSCRIPTIONS} subscriptions that have not ended, which is the limit")
    if known is not None and known.provider != event.provider:
        wrong.append(f"the subscription is one of {known.provider}, not of {event.provider}")
    return Details(why=(_WORD,), violations=tuple(wrong))


def why_allowance(before: Account, event: CreditsGranted, of: AllowanceOf) -> tuple[str, ...]:
    """Why an allowance was granted."""
    if of.trial:
        return (_TRIAL,)
    if event.payment_id is None:
        return (_FREE,)
    one = before.subscriptions.get(of.subscription_id)
    paid = one.payment(event.payment_id) if one is not None else None
    return (_CHANGED,) if paid is not None and paid.reason == "change" else (_PAID,)


def wrong_allowance(before: Account, event: CreditsGranted, of: AllowanceOf) -> Iterator[str]:
    """What is wrong with an allowance: more than is due of its share, or another time."""
    one = before.subscriptions.get(of.subscription_id)
    if one is None:
        yield f"nothing is known of subscription {of.subscription_id}"
        return
    name = TRIAL if of.trial else ShareId(of.window_start, event.payment_id)
    due = share_of(one, name, event.recorded_at)
    if due is None:
        yield f"nothing is due of it in the window from {instant(of.window_start)}"
        return
    yield from _wrong_share(one, due, event, of.window_end)
    kinds: tuple[Kind, str] = (event.kind, event.source)
    if kinds != ("subscription", "subscription"):
        yield f"an allowance has subscription credits, but the event grants {event.kind} ones of {event.source}"


def _wrong_share(one: Subscription, due: Due, event: CreditsGranted, window_end: datetime) -> Iterator[str]:
    missing = due.credits - one.share(due.id).net
    if event.amount > missing:
        yield f"{max(missing, 0):,} are missing of what is due, but the event grants {event.amount:,}"
    if window_end != due.window.end:
        yield f"the window ends at {instant(due.window.end)}, but the event records {instant(window_end)}"
    if event.expires_at is None or event.expires_at < due.window.expires_at:
        yield f"the allowance lapses before {instant(due.window.expires_at)}"


def why_void(event: GrantVoided) -> tuple[str, ...]:
    """Why a part of an allowance was cancelled; nothing for other voids."""
    return {"allowance": (_TAKEN,), "roll_over": (_ROLLED,), None: ()}[event.cause]


def wrong_void(before: Account, event: GrantVoided) -> Iterator[str]:
    """What is wrong with a void of a part of an allowance."""
    if event.cause is None:
        return
    found = [(one, share) for one in before.subscriptions for share in one.shares if event.grant_id in share.grants]
    if not found:
        yield f"{event.grant_id} is no allowance of a subscription"
        return
    if event.cause == "allowance":
        one, share = found[0]
        due = share_of(one, share.id, event.recorded_at)
        excess = share.net - (due.credits if due is not None else 0)
        if event.amount + event.uncollected > excess:
            asked = event.amount + event.uncollected
            yield f"the allowance is {max(excess, 0):,} too much, but the event takes back {asked:,}"
