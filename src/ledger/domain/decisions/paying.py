"""Decisions about money: payments with the credits that they buy, and refunds with the credits that they void."""

from collections.abc import Sequence
from datetime import datetime

from ledger.domain.account import Account, evolve
from ledger.domain.commands import RecordPayment, RefundPayment
from ledger.domain.decisions.granting import claw_back, grant
from ledger.domain.errors import (
    AmountExceedsPayment,
    PaymentAlreadyRecorded,
    PaymentAmbiguous,
    PaymentNotFound,
    PaymentOfAnotherAccount,
    RefundAlreadyRecorded,
)
from ledger.domain.events import Event, Events, Granted, PaymentRecorded, PaymentRefunded
from ledger.domain.related_events import RelatedEvents


def record(command: RecordPayment, account: Account, at: datetime, related: RelatedEvents) -> Events:
    """Decide a payment and the grants that it buys. A payment that failed may be recorded once more, as paid.

    Raises PaymentAlreadyRecorded, PaymentOfAnotherAccount, and what `grant` raises.
    """
    earlier = related.payment(command.provider, command.payment_id)
    if earlier is not None and (earlier.status != "failed" or command.status != "paid"):
        raise PaymentAlreadyRecorded(command.provider, command.payment_id, earlier.status)
    if earlier is None and related.claimed_by is not None:
        raise PaymentOfAnotherAccount(command.provider, command.payment_id, related.claimed_by)
    bought = tuple(account.next_id("grt", ahead=number) for number in range(2, len(command.grants) + 2))
    recorded = PaymentRecorded(
        at,
        account.balance,
        command.payment_id,
        command.provider,
        command.status,
        command.amount_minor,
        command.currency,
        command.plan,
        bought[0] if len(bought) == 1 else None,
        bought if len(bought) > 1 else None,
    )
    events: list[Event] = [recorded]
    for part in command.grants:
        account = evolve(account, events[-1])
        events.append(grant(part, account, at, payment_id=command.payment_id))
    return tuple(events)


def refund(command: RefundPayment, account: Account, at: datetime, related: RelatedEvents) -> Events:
    """Decide a refund and the voids of the grants that the payment bought.

    The voids are proportional to the money, over all refunds and all grants together (see `shares`), so that several
    partial refunds void as much as a single one. The refund that completes the payment closes the grants. Raises
    PaymentNotFound, PaymentAmbiguous, RefundAlreadyRecorded and AmountExceedsPayment.
    """
    payment = _payment_of(command, related)
    refunds = related.refunds(payment)
    if any(earlier.refund_id == command.refund_id for earlier in refunds):
        raise RefundAlreadyRecorded(command.payment_id, command.refund_id)
    before = sum(earlier.amount_minor for earlier in refunds)
    refundable = payment.amount_minor - before if payment.status == "paid" else 0
    amount = refundable if command.amount_minor is None else command.amount_minor
    if amount > refundable or not refundable:
        raise AmountExceedsPayment(amount, refundable)

    total, reason = before + amount, f"refund {command.refund_id}"
    refunded = PaymentRefunded(
        at, account.balance, payment.payment_id, command.refund_id, amount, total, payment.provider
    )
    return refunded, *_clawed_back(payment, before, total, reason, evolve(account, refunded), at, related)


def _payment_of(command: RefundPayment, related: RelatedEvents) -> PaymentRecorded:
    found = [
        payment
        for payment in related.payments(command.payment_id)
        if command.provider is None or payment.provider == command.provider
    ]
    if not found:
        raise PaymentNotFound(command.payment_id)
    if len(found) > 1:
        raise PaymentAmbiguous(command.payment_id, [payment.provider for payment in found])
    return found[0]


def _clawed_back(
    payment: PaymentRecorded,
    before: int,
    total: int,
    reason: str,
    account: Account,
    at: datetime,
    related: RelatedEvents,
) -> Events:
    """The voids of what a payment bought when `total` of its money, after `before`, is given back."""
    grants = [granted for name in payment.bought if (granted := related.grant(name)) is not None]
    closing = total == payment.amount_minor
    events: list[Event] = []
    for granted, asked in zip(grants, _more(grants, before, total, payment.amount_minor), strict=True):
        if asked or closing:
            void = claw_back(granted.grant_id, asked, reason, account, at, related, closing=closing)
            account = evolve(account, void)
            events.append(void)
    return tuple(events)


def _more(grants: Sequence[Granted], before: int, total: int, paid: int) -> list[int]:
    amounts = [granted.amount for granted in grants]
    earlier, now = shares(amounts, before, paid), shares(amounts, total, paid)
    return [share - already for share, already in zip(now, earlier, strict=True)]


def shares(amounts: Sequence[int], part: int, whole: int) -> list[int]:
    """What of each of some grants goes back when `part` of the `whole` money does. It never falls as `part` grows.

    The sum is the proportion of all of them together, rounded down. Each has at least its own proportion, rounded down;
    what the sum has more goes, credit by credit, to the one whose next credit is due first, the earlier of equals.
    """
    found = [amount * part // whole for amount in amounts]
    for _ in range(sum(amounts) * part // whole - sum(found)):
        first = 0
        for index in range(1, len(amounts)):
            if (found[index] + 1) * amounts[first] < (found[first] + 1) * amounts[index]:
                first = index
        found[first] += 1
    return found
