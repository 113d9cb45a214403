"""What of the credits that a payment bought goes back with a part of its money, and the voids that take it back."""

from collections.abc import Sequence
from datetime import datetime

from ledger.domain.account import Account, evolve
from ledger.domain.decisions.granting import claw_back
from ledger.domain.errors import PaymentAmbiguous, PaymentNotFound
from ledger.domain.events import Event, Events, Granted, PaymentRecorded
from ledger.domain.related_events import RelatedEvents


def payment_of(payment_id: str, provider: str | None, related: RelatedEvents) -> PaymentRecorded:
    """The payment that a command means. Raises PaymentNotFound and PaymentAmbiguous."""
    found = [payment for payment in related.payments(payment_id) if provider is None or payment.provider == provider]
    if not found:
        raise PaymentNotFound(payment_id)
    if len(found) > 1:
        raise PaymentAmbiguous(payment_id, [payment.provider for payment in found])
    return found[0]


def bought_by(payment: PaymentRecorded, account: Account, related: RelatedEvents) -> list[Granted]:
    """The grants that a payment bought; of one for a subscription, the allowances so far."""
    names = payment.bought or account.subscriptions.granted_by(payment.provider, payment.payment_id)
    return [granted for name in names if (granted := related.grant(name)) is not None]


def is_of_subscription(payment: PaymentRecorded, account: Account) -> bool:
    """Whether what goes back of a payment's money changes what a subscription entitles to."""
    return account.subscriptions.of_payment(payment.provider, payment.payment_id) is not None


def void_all(
    grants: Sequence[Granted],
    asked: Sequence[int],
    reason: str,
    account: Account,
    at: datetime,
    related: RelatedEvents,
    *,
    closing: bool,
) -> Events:
    """The voids that take from each grant what is asked of it, and close all of them or none."""
    events: list[Event] = []
    for granted, amount in zip(grants, asked, strict=True):
        if amount or closing:
            void = claw_back(granted.grant_id, amount, reason, account, at, related, closing=closing)
            account = evolve(account, void)
            events.append(void)
    return tuple(events)


def more(grants: Sequence[Granted], before: int, after: int, paid: int) -> list[int]:
    """What more of each grant goes back when `after` of its money does, and `before` did."""
    amounts = [granted.amount for granted in grants]
    earlier, now = shares(amounts, before, paid), shares(amounts, after, paid)
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
