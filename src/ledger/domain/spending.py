"""Decisions about credits that go for good, and come back: deductions and reversals."""

from datetime import datetime

from ledger.domain.account import Account
from ledger.domain.amounts import MAX_AMOUNT, Balance
from ledger.domain.commands import DeductCredits, ReverseDeduction
from ledger.domain.errors import (
    AmountExceedsDeduction,
    BalanceLimitExceeded,
    DeductionNotFound,
    InsufficientCredits,
    ReversalsLimitExceeded,
)
from ledger.domain.events import CreditsDeducted, DeductionReversed
from ledger.domain.holds import give_back, gone, put_back, with_fate
from ledger.domain.lots import draw, first_expiry_after, head, tail, total
from ledger.domain.related_events import RelatedEvents

MAX_REVERSALS = 1_000
"""Reversals of one deduction: each looks at all before it."""


def deduct(command: DeductCredits, account: Account, at: datetime) -> CreditsDeducted:
    """All or nothing, in burn order. Raises InsufficientCredits or DrawsLimitExceeded."""
    subscription, permanent, held, _ = account.balance
    amount = command.amount
    available = subscription + permanent - held
    if amount > available:
        raise InsufficientCredits(amount, available)
    draws = draw(account.lots, amount)

    from_subscription = total(draws, "subscription")
    after = Balance(
        subscription - from_subscription,
        permanent - (amount - from_subscription),
        held,
        first_expiry_after(account.lots, draws),
    )
    return CreditsDeducted(
        at,
        after,
        account.next_id("ded"),
        amount,
        draws,
        command.task_id,
        command.description,
        command.usage,
        command.metadata,
    )


def reverse(command: ReverseDeduction, account: Account, at: datetime, related: RelatedEvents) -> DeductionReversed:
    """Back to the lots, last draw first. Raises DeductionNotFound, AmountExceedsDeduction, a limit."""
    deduction = related.deduction(command.deduction_id)
    if deduction is None:
        raise DeductionNotFound(command.deduction_id)
    if len(deduction.reversals) >= MAX_REVERSALS:
        raise ReversalsLimitExceeded(MAX_REVERSALS)
    reversible = total(deduction.draws) - deduction.reversed
    amount = reversible if command.amount is None else command.amount
    if amount > reversible or not reversible:
        raise AmountExceedsDeduction(amount, reversible)

    back = head(tail(deduction.draws[::-1], deduction.reversed), amount)
    returns = give_back(back, at, related.closed_grants())
    returned = with_fate(returns, "returned")
    if account.balance.total + returned > MAX_AMOUNT:
        raise BalanceLimitExceeded(account.balance.total, returned, MAX_AMOUNT)
    subscription = total(back, "subscription") - gone(returns, "subscription")
    balance = account.balance_after(
        put_back(account.lots, returns), subscription=subscription, permanent=returned - subscription
    )
    return DeductionReversed(at, balance, command.deduction_id, amount, returns, command.reason)
