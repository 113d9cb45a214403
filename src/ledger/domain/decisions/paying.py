"""Decisions about money: payments with the credits that they buy, and refunds with the credits that they void."""

from datetime import datetime

from ledger.domain.account import Account, evolve
from ledger.domain.commands import RecordPayment, RefundPayment
from ledger.domain.decisions.clawing import bought_by, is_of_subscription, more, payment_of
from ledger.domain.decisions.disputing import taken_back
from ledger.domain.decisions.granting import grant
from ledger.domain.errors import (
    AmountExceedsPayment,
    PaymentAlreadyRecorded,
    PaymentOfAnotherAccount,
    RefundAlreadyRecorded,
)
from ledger.domain.events import Event, Events, PaymentRecorded, PaymentRefunded
from ledger.domain.related_events import RelatedEvents


def record(command: RecordPayment, account: Account, at: datetime, related: RelatedEvents) -> Events:
    """Decide a payment and the grants that it buys. A payment that failed may be recorded once more, as paid.

    The allowances that a payment for a subscription buys follow it (subscribing.py).

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
        command.subscription,
    )
    events: list[Event] = [recorded]
    for part in command.grants:
        account = evolve(account, events[-1])
        events.append(grant(part, account, at, payment_id=command.payment_id))
    return tuple(events)


def refund(command: RefundPayment, account: Account, at: datetime, related: RelatedEvents) -> Events:
    """Decide a refund and the voids of the grants that the payment bought.

    The voids are proportional to the money, over all refunds, lost disputes and grants together (see `shares`), so that
    several partial refunds void as much as a single one. The refund that completes the payment closes the grants.
    Raises PaymentNotFound, PaymentAmbiguous, RefundAlreadyRecorded and AmountExceedsPayment.
    """
    payment = payment_of(command.payment_id, command.provider, related)
    refunds = related.refunds(payment)
    if any(earlier.refund_id == command.refund_id for earlier in refunds):
        raise RefundAlreadyRecorded(command.payment_id, command.refund_id)
    refunded = sum(earlier.amount_minor for earlier in refunds)
    gone = refunded + related.lost_minor(payment)
    refundable = payment.amount_minor - gone if payment.status == "paid" else 0
    amount = refundable if command.amount_minor is None else command.amount_minor
    if command.total_minor is not None:
        amount = min(command.total_minor - refunded, refundable)
        if amount <= 0:
            raise RefundAlreadyRecorded(command.payment_id, command.refund_id)
    if amount > refundable or not refundable:
        raise AmountExceedsPayment(amount, refundable)

    event = PaymentRefunded(
        at, account.balance, payment.payment_id, command.refund_id, amount, refunded + amount, payment.provider
    )
    if is_of_subscription(payment, account):
        return (event,)  # what is too much then is taken back of its allowances
    asked = more(bought_by(payment, account, related), gone, gone + amount, payment.amount_minor)
    reason, closing = f"refund {command.refund_id}", gone + amount == payment.amount_minor
    return event, *taken_back(payment, asked, reason, evolve(account, event), at, related, closing=closing)
