"""Decisions about money: payments with the credits that they buy, and refunds with the credits that they void."""

from datetime import datetime

from ledger.domain.account import Account, evolve
from ledger.domain.commands import RecordPayment, RefundPayment
from ledger.domain.decisions.granting import claw_back, grant
from ledger.domain.errors import AmountExceedsPayment, PaymentAlreadyRecorded, PaymentNotFound, RefundAlreadyRecorded
from ledger.domain.events import Events, Granted, PaymentRecorded, PaymentRefunded
from ledger.domain.related_events import RelatedEvents


def record(command: RecordPayment, account: Account, at: datetime, related: RelatedEvents) -> Events:
    """Decide a payment and the grant that it buys. Raises PaymentAlreadyRecorded, and what `grant` raises."""
    if related.payment(command.payment_id) is not None:
        raise PaymentAlreadyRecorded(command.payment_id)
    recorded = PaymentRecorded(
        at,
        account.balance,
        command.payment_id,
        command.provider,
        command.status,
        command.amount_minor,
        command.currency,
        command.plan,
        account.next_id("grt", ahead=2) if command.grant else None,
    )
    if command.grant is None:
        return (recorded,)
    return recorded, grant(command.grant, evolve(account, recorded), at, payment_id=command.payment_id)


def refund(command: RefundPayment, account: Account, at: datetime, related: RelatedEvents) -> Events:
    """Decide a refund and the void of the grant that the payment bought.

    The void is proportional to the money, rounded down over all refunds together, so that several partial refunds
    void as much as a single one. The refund that completes the payment closes the grant. Raises PaymentNotFound,
    RefundAlreadyRecorded and AmountExceedsPayment.
    """
    payment = related.payment(command.payment_id)
    if payment is None:
        raise PaymentNotFound(command.payment_id)
    refunds = related.refunds(command.payment_id)
    if any(earlier.refund_id == command.refund_id for earlier in refunds):
        raise RefundAlreadyRecorded(command.payment_id, command.refund_id)
    before = sum(earlier.amount_minor for earlier in refunds)
    refundable = payment.amount_minor - before if payment.status == "paid" else 0
    amount = refundable if command.amount_minor is None else command.amount_minor
    if amount > refundable or not refundable:
        raise AmountExceedsPayment(amount, refundable)

    refunded = PaymentRefunded(at, account.balance, command.payment_id, command.refund_id, amount, before + amount)
    bought = related.grant(payment.grant_id) if payment.grant_id else None
    if bought is None:
        return (refunded,)
    asked = _share(bought, payment, before + amount) - _share(bought, payment, before)
    closing = before + amount == payment.amount_minor
    if not asked and not closing:
        return (refunded,)
    reason = f"refund {command.refund_id}"
    return refunded, claw_back(bought.grant_id, asked, reason, evolve(account, refunded), at, related, closing=closing)


def _share(bought: Granted, payment: PaymentRecorded, refunded_minor: int) -> int:
    return bought.amount * refunded_minor // payment.amount_minor
