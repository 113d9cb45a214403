"""Expiry is a function of time, not of a job: the expiries of holds and lots, the starts of coming grants, and the
allowances of subscriptions, that are due at a moment, as events.

Every decision and every balance applies them first, so no answer depends on whether a sweeper has run.
"""

from datetime import datetime
from functools import reduce

from ledger.domain.account import Account, evolve
from ledger.domain.coming import ComingGrant
from ledger.domain.decisions.disputing import started
from ledger.domain.decisions.limiting import give_back as count_back
from ledger.domain.decisions.subscribing import allowances, next_allowances
from ledger.domain.events import CreditsExpired, Event, Events, GrantStarted, HoldExpired
from ledger.domain.holds import Hold, give_back, lost, put_back
from ledger.domain.lots import Lot, first_expiry, put, without_first
from ledger.domain.related_events import CountedPart


def apply_due_expiries(account: Account, at: datetime) -> tuple[Events, Account]:
    """The expiries and starts that are due by `at`, oldest first, and the account after them.

    A lot is spendable while effective_at <= at < expires_at. Each event is recorded at `at`, and takes effect at its
    own moment.
    """
    events: list[Event] = []
    while account.is_due(at):
        due, account = next_expiry(account, at)
        events += due
    return tuple(events), account


def has_many_due(account: Account, at: datetime) -> bool:
    """Whether so many expiries may be due by `at` that whoever applies them should do so in slices."""
    for runs in (account.lots.runs, account.holds.runs):
        if len(runs) > 1 and (end := runs[1][0].expires_at) is not None and end <= at:
            return True
    return False


def next_expiry(account: Account, at: datetime) -> tuple[Events, Account]:
    """The oldest expiry or start that is due by `at`, recorded at `at`, and the account after it. There must be one.

    What ends at a moment ends before anything starts at it. What open disputes hold of a grant that starts follows it.
    """
    due = next_allowances(account, at)
    if due is not None and _comes_first(due[0], account):
        granted = allowances(due[1], due[2], account, at)
        return granted, reduce(evolve, granted, account)
    event = _next(account, at)
    account = evolve(account, event)
    if not isinstance(event, GrantStarted) or not account.disputed:
        return (event,), account
    held = started(account, event, at)
    return (event, *held), reduce(evolve, held, account)


def _next(account: Account, at: datetime) -> Event:
    lapse, hold = first_expiry(account.lots), account.first_hold
    if account.coming and _starts_first(account.coming[0], lapse, hold):
        return _start(account, account.coming[0], at)
    if hold is not None and (lapse is None or hold.expires_at <= lapse):
        return _expire_hold(account, hold, at)
    lot = account.lots.first
    assert lot is not None, "an expiry is due, and it is not that of a hold"
    assert lapse is not None
    balance = account.balance_after(without_first(account.lots), subscription=-lot.remaining)
    return CreditsExpired(at, balance, lot.grant_id, lot.kind, lot.remaining, lapse)


def _comes_first(start: datetime, account: Account) -> bool:
    """Whether nothing else is due by the start of an allowance."""
    other = account.next_end_or_start
    return other is None or start < other


def _starts_first(coming: ComingGrant, lapse: datetime | None, hold: Hold | None) -> bool:
    start = coming.effective_at
    return (lapse is None or start < lapse) and (hold is None or start < hold.expires_at)


def _start(account: Account, coming: ComingGrant, at: datetime) -> GrantStarted:
    lot = Lot(coming.grant_id, coming.kind, coming.amount, coming.expires_at)
    credits = {coming.kind: coming.amount}
    return GrantStarted(at, account.balance_after(put(account.lots, lot), **credits), *coming)


def _expire_hold(account: Account, hold: Hold, at: datetime) -> HoldExpired:
    returns = give_back(hold.draws, hold.expires_at, hold.closed_grants)
    balance = account.balance_after(
        put_back(account.lots, returns),
        subscription=-lost(returns, "subscription"),
        permanent=-lost(returns, "permanent"),
        held=-hold.amount,
    )
    counts = count_back(account.limits, (CountedPart(hold.version, hold.counts, hold.amount, hold.quantity),), at)
    return HoldExpired(at, balance, hold.hold_id, hold.expires_at, returns, counts)
