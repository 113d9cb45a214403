"""Decisions about disputes of payments: what an open dispute holds, and what becomes of it when it is won or lost.

A dispute is open, then won or lost. Its end may come first; what comes after it is refused and changes nothing, so the
order and the number of a provider's reports do not matter. See docs/adr/0074-disputes.md.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce

from ledger.domain.account import Account, evolve
from ledger.domain.amounts import Balance
from ledger.domain.coming import find as find_coming
from ledger.domain.commands import RecordDispute
from ledger.domain.decisions.clawing import bought_by, is_of_subscription, more, payment_of, void_all
from ledger.domain.errors import (
    AmountExceedsPayment,
    DisputeAlreadyDecided,
    DisputeAlreadyRecorded,
    DisputesLimitExceeded,
    PaymentNotPaid,
)
from ledger.domain.events import (
    AccountFrozen,
    CreditsGranted,
    DisputeRecorded,
    Event,
    Events,
    GrantStarted,
    PaymentRecorded,
)
from ledger.domain.holds import Awaited, Disputed, Return, Returns, give_back, lost, put_back
from ledger.domain.lots import Draw, Draws, burn_order, remaining_of, take
from ledger.domain.related_events import RelatedEvents

MAX_DISPUTES = 100
"""The largest number of disputes of one payment, open or ended, because each word about one reads all of them."""


def record_dispute(command: RecordDispute, account: Account, at: datetime, related: RelatedEvents) -> Events:
    """Decide a word about a dispute: that it was opened, won or lost.

    Raises PaymentNotFound, PaymentAmbiguous, PaymentNotPaid, DisputeAlreadyDecided, DisputeAlreadyRecorded,
    DisputesLimitExceeded and AmountExceedsPayment.
    """
    payment = payment_of(command.payment_id, command.provider, related)
    if payment.status != "paid" or not payment.amount_minor:
        raise PaymentNotPaid(payment.payment_id, payment.status)
    disputes = related.disputes(payment)
    earlier = disputes.get(command.dispute_id)
    if earlier is not None and earlier.state != "open" and command.state not in ("open", earlier.state):
        raise DisputeAlreadyDecided(command.dispute_id, earlier.state, command.state)
    if earlier is not None and (earlier.state != "open" or command.state == "open"):
        raise DisputeAlreadyRecorded(command.dispute_id, earlier.state)
    if earlier is None and len(disputes) >= MAX_DISPUTES:
        raise DisputesLimitExceeded(MAX_DISPUTES)
    gone = related.refunded_minor(payment) + related.lost_minor(payment)
    left = payment.amount_minor - gone
    said = command.amount_minor if command.amount_minor is not None else earlier.amount_minor if earlier else left
    if said > payment.amount_minor:
        raise AmountExceedsPayment(said, left, "dispute")
    amount = min(said, left)  # refunds and lost disputes together never exceed the payment

    if command.state == "open":
        return _open(command, payment, gone, amount, account, at, related)
    held = account.disputed.get(earlier.hold_id) if earlier is not None else None
    if command.state == "won":
        returns = give_back(held.draws, at, held.closed_grants) if held is not None else ()
        events: Events = (_ended(command, payment, amount, held, returns, account, at),)
    else:
        events = _lost(command, payment, gone, amount, held, account, at, related)
        gone += amount
    others = [one for one in disputes.values() if one.state == "open" and one.dispute_id != command.dispute_id]
    if not others:
        return events
    reason, after = f"dispute {command.dispute_id}", reduce(evolve, events, account)
    return *events, *_held_by_others(others, payment, gone, reason, after, at, related)


def _open(
    command: RecordDispute,
    payment: PaymentRecorded,
    gone: int,
    amount: int,
    account: Account,
    at: datetime,
    related: RelatedEvents,
) -> Events:
    """What a dispute holds: in proportion to its money, what is left of the lots and coming grants of the payment."""
    draws: Draws = ()
    awaits: tuple[Awaited, ...] = ()
    holds = command.effect != "record" and bool(payment.bought or is_of_subscription(payment, account))
    if holds:
        others = sum([one.amount_minor for one in related.disputes(payment).values() if one.state == "open"])
        draws, awaits = _share(payment, gone + others, amount, None, account, related)
    opened = DisputeRecorded(
        at,
        _balance(account, draws, ()),
        payment.payment_id,
        command.dispute_id,
        "open",
        amount,
        payment.provider,
        draws,
        (),
        account.next_id("hld") if holds else None,
        awaits or None,
        command.reason,
    )
    if command.effect == "freeze" and account.standing == "active":
        return opened, AccountFrozen(at, opened.balance, f"dispute {command.dispute_id}")
    return (opened,)


def _share(
    payment: PaymentRecorded, before: int, amount: int, held: Disputed | None, account: Account, related: RelatedEvents
) -> tuple[Draws, tuple[Awaited, ...]]:
    """What `amount` of the money, after `before` of it, holds beyond what is `held`, and what it awaits."""
    first = min(before, payment.amount_minor)
    grants = bought_by(payment, account, related)
    shares = more(grants, first, min(first + amount, payment.amount_minor), payment.amount_minor)
    draws: list[Draw] = []
    awaits: list[Awaited] = []
    for granted, share in zip(grants, shares, strict=True):
        if find_coming(account.coming, granted.grant_id) is not None:
            awaits += [Awaited(granted.grant_id, share)] if share else []
            continue
        missing = share - (held.held_of(granted.grant_id) if held is not None else 0)
        part = min(missing, remaining_of(account.lots, granted))
        draws += [Draw(granted.grant_id, granted.kind, part, granted.expires_at)] if part > 0 else []
    return tuple(sorted(draws, key=burn_order)), tuple(awaits)


def _held_by_others(
    others: Sequence[DisputeRecorded],
    payment: PaymentRecorded,
    gone: int,
    reason: str,
    account: Account,
    at: datetime,
    related: RelatedEvents,
) -> Events:
    """What the disputes that are still open hold in addition, because another one has ended."""
    events: list[Event] = []
    for one in others:
        held = account.disputed.get(one.hold_id)
        if held is not None:
            draws, awaits = _share(payment, gone, one.amount_minor, held, account, related)
            if draws or awaits != held.awaits:
                events.append(_changed(held, draws, (), awaits, reason, account, at))
                account = evolve(account, events[-1])
        gone += one.amount_minor
    return tuple(events)


def _lost(
    command: RecordDispute,
    payment: PaymentRecorded,
    gone: int,
    amount: int,
    held: Disputed | None,
    account: Account,
    at: datetime,
    related: RelatedEvents,
) -> Events:
    """What is held is cancelled; what more the money bought is taken from the lots, then from other open disputes."""
    if is_of_subscription(payment, account):  # what is too much then is taken back of its allowances
        returns_all = give_back(held.draws, at, held.closed_grants) if held is not None else ()
        return (_ended(command, payment, amount, held, returns_all, account, at),)
    grants = bought_by(payment, account, related)
    asked = more(grants, gone, gone + amount, payment.amount_minor)
    wanted = {granted.grant_id: share for granted, share in zip(grants, asked, strict=True)}
    closing = gone + amount == payment.amount_minor
    cancelled: dict[str, int] = {}
    returns: list[Return] = []
    if held is not None:
        for part in held.draws:
            taken = part.amount if closing else min(part.amount, wanted.get(part.grant_id, 0))
            cancelled[part.grant_id] = taken
            returns += [Return(part.grant_id, part.kind, taken, part.expires_at, "cancelled")] if taken else []
            rest = part._replace(amount=part.amount - taken)
            returns += give_back((rest,), at, held.closed_grants) if rest.amount else ()
    ended = _ended(command, payment, amount, held, tuple(returns), account, at)
    left = [max(wanted[granted.grant_id] - cancelled.get(granted.grant_id, 0), 0) for granted in grants]
    reason = f"dispute {command.dispute_id}"
    return ended, *taken_back(payment, left, reason, evolve(account, ended), at, related, closing=closing)


def taken_back(
    payment: PaymentRecorded,
    asked: Sequence[int],
    reason: str,
    account: Account,
    at: datetime,
    related: RelatedEvents,
    *,
    closing: bool,
) -> Events:
    """The voids of what a payment bought. Where its lots have less, open disputes of it give back what they hold."""
    grants = bought_by(payment, account, related)
    events: list[Event] = []
    disputed = account.disputed.of_payment(payment.provider, payment.payment_id)
    missing = {
        granted.grant_id: amount - remaining_of(account.lots, granted)
        for granted, amount in zip(grants, asked, strict=True)
    }
    for one in disputed:
        parts = []
        for part in one.draws:
            size = part.amount if closing else min(part.amount, max(missing.get(part.grant_id, 0), 0))
            missing[part.grant_id] = missing.get(part.grant_id, 0) - size
            parts += [part._replace(amount=size)] if size else []
        if parts:
            changed = _changed(one, (), give_back(tuple(parts), at, one.closed_grants), one.awaits, reason, account, at)
            events.append(changed)
            account = evolve(account, changed)
    return *events, *void_all(grants, asked, reason, account, at, related, closing=closing)


def started(account: Account, event: GrantStarted, at: datetime) -> Events:
    """What open disputes hold of a grant that has just started; `account` is the one after its start."""
    events: list[Event] = []
    for one in account.disputed:
        wanted = next((awaited.amount for awaited in one.awaits if awaited.grant_id == event.grant_id), None)
        if wanted is None:
            continue
        amount = min(wanted, remaining_of(account.lots, event))
        draws = (Draw(event.grant_id, event.kind, amount, event.expires_at),) if amount else ()
        awaits = tuple([awaited for awaited in one.awaits if awaited.grant_id != event.grant_id])
        changed = _changed(one, draws, (), awaits, event.grant_id, account, at)
        events.append(changed)
        account = evolve(account, changed)
    return tuple(events)


def held_of_allowance(account: Account, granted: CreditsGranted, provider: str, paid: int, at: datetime) -> Events:
    """What open disputes of the payment of `paid` money hold of an allowance that it has just bought."""
    events: list[Event] = []
    for one in account.disputed.of_payment(provider, granted.payment_id or ""):
        amount = min(granted.amount * one.amount_minor // paid, remaining_of(account.lots, granted))
        if amount:
            draws = (Draw(granted.grant_id, granted.kind, amount, granted.expires_at),)
            changed = _changed(one, draws, (), one.awaits, granted.grant_id, account, at)
            events.append(changed)
            account = evolve(account, changed)
    return tuple(events)


def _changed(
    held: Disputed,
    draws: Draws,
    returns: Returns,
    awaits: tuple[Awaited, ...],
    changed_by: str,
    account: Account,
    at: datetime,
) -> DisputeRecorded:
    """The event of an open dispute that holds more or less than before."""
    return DisputeRecorded(
        at,
        _balance(account, draws, returns),
        held.payment_id,
        held.dispute_id,
        "open",
        held.amount_minor,
        held.provider,
        draws,
        returns,
        held.hold_id,
        awaits or None,
        None,
        changed_by,
    )


def _ended(
    command: RecordDispute,
    payment: PaymentRecorded,
    amount: int,
    held: Disputed | None,
    returns: Returns,
    account: Account,
    at: datetime,
) -> DisputeRecorded:
    return DisputeRecorded(
        at,
        _balance(account, (), returns),
        payment.payment_id,
        command.dispute_id,
        command.state,
        amount,
        payment.provider,
        (),
        returns,
        held.hold_id if held is not None else None,
        None,
        command.reason,
    )


def _balance(account: Account, draws: Draws, returns: Returns) -> Balance:
    return account.balance_after(
        put_back(take(account.lots, draws), returns),
        subscription=-lost(returns, "subscription"),
        permanent=-lost(returns, "permanent"),
        held=sum(part.amount for part in draws) - sum(part.amount for part in returns),
    )
