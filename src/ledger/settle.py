"""Expiry is a function of time, not of a job: what an account has lost to time by a given moment, as events.

Every decision and every balance begins here, so an answer never depends on whether a sweeper ran.
"""

from datetime import datetime

from ledger.account import Account, evolve
from ledger.events import CreditsExpired, Event, Events, HoldExpired
from ledger.holds import Hold, give_back, gone, put_back
from ledger.lots import without


def settle(account: Account, at: datetime) -> tuple[Events, Account]:
    """The hold expiries and lot expiries due by `at` (a lot is spendable while at < expires_at), oldest first.

    Returns them with the account after them. They are recorded at `at` and effective at their own moment.
    """
    events: list[Event] = []
    while (due := account.due_at) is not None and due <= at:
        event = _next_expiry(account, due, at)
        events.append(event)
        account = evolve(account, event)
    return tuple(events), account


def _next_expiry(account: Account, due: datetime, at: datetime) -> Event:
    if account.holds_expire_at == due:  # before the lots of the same moment, so that they lapse as one
        hold = next(hold for hold in account.holds.values() if hold.expires_at == due)
        return _expire_hold(account, hold, at)
    lot = account.lots[0]
    balance = account.balance_after(without(account.lots, lot.grant_id), subscription=-lot.remaining)
    return CreditsExpired(at, balance, lot.grant_id, lot.kind, lot.remaining, due)


def _expire_hold(account: Account, hold: Hold, at: datetime) -> HoldExpired:
    returns = give_back(hold.draws, hold.expires_at, hold.closed_grants)
    balance = account.balance_after(
        put_back(account.lots, returns),
        subscription=-gone(returns, "subscription"),
        permanent=-gone(returns, "permanent"),
        held=-hold.amount,
    )
    return HoldExpired(at, balance, hold.hold_id, hold.expires_at, returns)
