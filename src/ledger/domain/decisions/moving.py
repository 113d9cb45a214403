"""Decisions that move credits between two accounts, a half at a time: send, receive, merge; and their reversal.

A move is decided as a pair: the sender's half first, then the receiver's on what the first half took. Each half knows
only its own account, so the two accounts may be anywhere. What is sent is neither used nor lost, and what is received
is not granted. See docs/adr/0071-moves.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from ledger.domain.account import Account, evolve
from ledger.domain.commands import (
    MergeAccount,
    MovedLot,
    ReceiveCredits,
    ReverseTransfer,
    SendBack,
    SendCredits,
)
from ledger.domain.decisions.granting import check_balance, check_room
from ledger.domain.errors import (
    InsufficientCredits,
    TransferAlreadyReversed,
    TransferNotFound,
    TransferSpent,
)
from ledger.domain.events import (
    AccountClosed,
    CreditsGranted,
    CreditsReceived,
    CreditsSent,
    CreditsSentBack,
    Event,
    Events,
    Granted,
    TransferReversed,
)
from ledger.domain.holds import give_back, lost, put_back, with_fate
from ledger.domain.lots import MAX_DRAWS, Draw, Draws, Lot, draw, put, remaining_of, take, total
from ledger.domain.related_events import RelatedEvents


def send(command: SendCredits, account: Account, at: datetime) -> CreditsSent:
    """Decide what is sent: draws in burn order. Raises InsufficientCredits and DrawsLimitExceeded."""
    available = account.balance.available
    amount = available if command.amount is None else command.amount
    if amount > available or not amount:
        raise InsufficientCredits(amount or 1, available)
    draws = draw(account.lots, amount)
    return CreditsSent(
        at,
        account.balance_after(take(account.lots, draws), **_taken(draws)),
        account.next_id("trf"),
        command.to_account_id,
        amount,
        draws,
        command.description,
    )


def merge(command: MergeAccount, account: Account, at: datetime) -> Events:
    """Decide a merge: all that is available is sent, and the account is closed. What is on hold stays.

    An event has a limited number of draws, so many lots are sent with several transfers. What comes back to a merged
    account follows with another merge into the same successor.
    """
    events: list[Event] = []
    while account.lots.first is not None:
        amount = sum([lot.remaining for lot in islice(account.lots, MAX_DRAWS)])
        sent = send(SendCredits(account.account_id, command.successor, amount), account, at)
        events.append(sent)
        account = evolve(account, sent)
    events.append(AccountClosed(at, account.balance, command.reason, command.successor))
    return tuple(events)


def received_by(command: ReceiveCredits, sent: Sequence[CreditsSent], grants: Mapping[str, Granted]) -> ReceiveCredits:
    """The second half, with what the first half sent: one transfer, or those of a merge.

    `grants` are the events of the sender's grants, by their ids.
    """
    first = sent[0].transfer_id
    lots = tuple(
        _moved(part, grants[part.grant_id], command, "" if one.transfer_id == first else one.transfer_id)
        for one in sent
        for part in one.draws
    )
    return replace(command, transfer_id=first, lots=lots)


def _moved(part: Draw, granted: Granted, command: ReceiveCredits, transfer_id: str) -> MovedLot:
    if isinstance(granted, CreditsGranted):
        origin = command.from_account_id, part.grant_id
        granted_at = granted.recorded_at
    else:
        origin = granted.origin_account_id, granted.origin_grant_id
        granted_at = granted.granted_at
    return MovedLot(*part, granted.source, granted_at, *origin, transfer_id)


def receive(command: ReceiveCredits, account: Account, at: datetime) -> Events:
    """Decide what is received: a new lot for each that was sent. Raises BalanceLimitExceeded, OpenLotsLimitExceeded."""
    check_room(account, sum(lot.amount for lot in command.lots), len(command.lots))
    events: list[Event] = []
    for lot in command.lots:
        new = Lot(account.next_id("grt"), lot.kind, lot.amount, lot.expires_at)
        credits = {lot.kind: lot.amount}
        received = CreditsReceived(
            at,
            account.balance_after(put(account.lots, new), **credits),
            new.grant_id,
            lot.kind,
            lot.amount,
            lot.source,
            lot.granted_at,
            lot.transfer_id or command.transfer_id,
            command.from_account_id,
            lot.grant_id,
            lot.origin_account_id,
            lot.origin_grant_id,
            lot.expires_at,
            command.description,
        )
        events.append(received)
        account = evolve(account, received)
    return tuple(events)


def reverse_transfer(
    command: ReverseTransfer, account: Account, at: datetime, related: RelatedEvents
) -> TransferReversed:
    """Decide the sender's half of a reversal: all credits return to their lots, the last draw first.

    Raises TransferNotFound, TransferAlreadyReversed and BalanceLimitExceeded.
    """
    sent = related.sent(command.transfer_id)
    if sent is None:
        raise TransferNotFound(command.transfer_id)
    if related.is_reversed(command.transfer_id):
        raise TransferAlreadyReversed(command.transfer_id)
    back = sent.draws[::-1]
    returns = give_back(back, at, related.closed_grants())
    returned = with_fate(returns, "returned")
    check_balance(account, returned)
    subscription = total(back, "subscription") - lost(returns, "subscription")
    balance = account.balance_after(
        put_back(account.lots, returns), subscription=subscription, permanent=returned - subscription
    )
    return TransferReversed(at, balance, sent.transfer_id, sent.to_account_id, sent.amount, returns, command.reason)


def send_back(command: SendBack, account: Account, at: datetime, related: RelatedEvents) -> CreditsSentBack:
    """Decide the receiver's half of a reversal: all lots that the transfer brought, whole.

    Raises TransferNotFound, and TransferSpent when any of it is used, lapsed, cancelled, sent on or on hold.
    """
    received = related.received(command.from_account_id, command.transfer_id)
    if not received:
        raise TransferNotFound(command.transfer_id)
    amount = sum(lot.amount for lot in received)
    remaining = sum(remaining_of(account.lots, lot) for lot in received)
    if remaining < amount:
        raise TransferSpent(command.transfer_id, account.account_id, amount, remaining)
    draws = tuple(Draw(lot.grant_id, lot.kind, lot.amount, lot.expires_at) for lot in received)
    return CreditsSentBack(
        at,
        account.balance_after(take(account.lots, draws), **_taken(draws)),
        command.transfer_id,
        command.from_account_id,
        amount,
        draws,
        command.reason,
    )


def _taken(draws: Draws) -> dict[str, int]:
    """By how much the credits of each kind become fewer."""
    return {"subscription": -total(draws, "subscription"), "permanent": -total(draws, "permanent")}
