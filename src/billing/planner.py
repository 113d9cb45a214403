"""The planner: what is known about a payment becomes commands of the ledger, or a reason to wait. It is pure.

Only a payment grants. The commands follow from all that is known, never from the delivery that came last, and each has
a key that follows from what it records. So whoever carries them out again, in whatever order, changes nothing.
"""

from collections.abc import Iterable

from billing.facts import DisputeSeen, PaymentSeen, RefundSeen
from billing.known import Known, SoldProduct
from billing.plans import Package
from billing.steps import AFTER_PAYMENT, Plan, Step, Waits, all_wait
from billing.subscription_planner import payment_for
from ledger.domain.commands import GrantCredits, OnDispute, OpenAccount, RecordDispute, RecordPayment, RefundPayment
from ledger.domain.plans.subscribed import SubscriptionPayment

Bought = tuple[tuple[SoldProduct, int], ...]
"""Packages with their quantities."""
WAITING_FOR_PAYMENT = Waits("waiting_for_payment")
WAITING_FOR_SUBSCRIPTION = Waits("waiting_for_subscription")
_NO_PRODUCT = Waits("unknown_product", "it names no product")


def plan_payment(payment_id: str, provider: str, known: Known, on_dispute: OnDispute) -> Plan:
    """What follows from all that is known about a payment, by its own name. Raises Refusal."""
    payment = known.payment(payment_id)
    if payment is None:
        return Plan(waits=dict.fromkeys(AFTER_PAYMENT, WAITING_FOR_PAYMENT))
    account = known.account_of_payment(payment)
    bought = _bought(payment, known) if payment.subscription_id is None else payment_for(payment, known)
    if isinstance(bought, Waits):
        return Plan(account, waits=all_wait(payment_id, bought))
    if account is None:
        return Plan(waits=all_wait(payment_id, Waits("unknown_account")))
    steps = [_payment_step(payment, provider, account, bought)]
    if payment.status != "paid":
        return Plan(account, tuple(steps), dict.fromkeys(AFTER_PAYMENT, WAITING_FOR_PAYMENT))
    refund = known.refund(payment_id)
    if refund is not None and refund.refunded_minor and payment.amount_minor:
        steps.append(_refund_step(payment, provider, account, refund))
    if payment.amount_minor:
        steps += [_dispute_step(payment, provider, account, one, on_dispute) for one in known.disputes(payment_id)]
    failed = () if refund is None else refund.failed
    return Plan(account, tuple(steps), {RefundSeen: Waits("refund_failed", _names(failed))} if failed else {})


def _names(refunds: Iterable[tuple[str, int]]) -> str:
    return ", ".join(name for name, _ in refunds)


def opening(step: Step, credits: int) -> Step | None:
    """The step that opens the account of a payment first, with some credits; None unless the step is about money that
    was paid. Whoever could open accounts without paying would get the credits for nothing. Raises Refusal."""
    paid = step.command
    if not isinstance(paid, RecordPayment) or paid.status != "paid" or not paid.amount_minor:
        return None
    return Step(PaymentSeen, "open", f"open:{paid.account_id}", OpenAccount(paid.account_id, credits))


def _bought(payment: PaymentSeen, known: Known) -> Bought | Waits:
    """The packages that a payment paid for, with their quantities."""
    if payment.status != "paid":
        return ()
    if not payment.items:
        return WAITING_FOR_SUBSCRIPTION if known.pays_subscription(payment) else _NO_PRODUCT
    found = [(item, known.product(payment.payment_id, item, payment.at)) for item in payment.items]
    for item, product in found:
        if product is None:
            return Waits("unknown_product", item.product)
    packages = tuple([(one, item.quantity) for item, one in found if one and isinstance(one.sold, Package)])
    return packages or Waits("paid_by_subscription", final=True)


def _payment_step(payment: PaymentSeen, provider: str, account: str, bought: Bought | SubscriptionPayment) -> Step:
    of_subscription = bought if isinstance(bought, SubscriptionPayment) else None
    packages: Bought = () if isinstance(bought, SubscriptionPayment) else bought
    grants = [
        GrantCredits(account, "permanent", product.sold.credits * quantity, "topup", transaction_id=payment.payment_id)
        for product, quantity in packages
    ]
    command = RecordPayment(
        account,
        payment.payment_id,
        provider,
        payment.status,
        payment.amount_minor,
        payment.currency,
        _name_of(bought),
        tuple(grants),
        of_subscription,
    )
    return Step(PaymentSeen, "payment", f"payment:{payment.payment_id}:{payment.status}", command)


def _name_of(bought: Bought | SubscriptionPayment) -> str | None:
    """The plan or the package that was paid for; None when the payment does not say it."""
    if isinstance(bought, SubscriptionPayment):
        return bought.terms.plan if bought.terms is not None else None
    return bought[0][0].entry_id if bought else None


def _refund_step(payment: PaymentSeen, provider: str, account: str, refund: RefundSeen) -> Step:
    total = min(refund.refunded_minor, payment.amount_minor)
    command = RefundPayment(account, payment.payment_id, f"total-{total}", None, provider, total)
    return Step(RefundSeen, "payment_refund", f"payment_refund:{payment.payment_id}:{total}", command)


def _dispute_step(
    payment: PaymentSeen, provider: str, account: str, dispute: DisputeSeen, on_dispute: OnDispute
) -> Step:
    amount = None if dispute.amount_minor is None else min(dispute.amount_minor, payment.amount_minor) or None
    command = RecordDispute(
        account, payment.payment_id, dispute.dispute_id, dispute.state, amount, provider, effect=on_dispute
    )
    return Step(DisputeSeen, "payment_dispute", f"dispute:{dispute.dispute_id}:{dispute.state}", command)
