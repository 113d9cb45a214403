"""Decisions that take credits for good, or return them: deductions and reversals."""

from datetime import datetime

from ledger.domain.account import Account
from ledger.domain.amounts import Balance
from ledger.domain.commands import DeductCredits, ReverseDeduction
from ledger.domain.decisions.back_dating import check_occurred
from ledger.domain.decisions.granting import check_balance
from ledger.domain.decisions.limiting import count, reversed_parts
from ledger.domain.decisions.limiting import give_back as count_back
from ledger.domain.decisions.pricing import checked
from ledger.domain.errors import (
    AmountExceedsDeduction,
    DeductionNotFound,
    InsufficientCredits,
    ReversalsLimitExceeded,
)
from ledger.domain.events import CreditsDeducted, DeductionReversed
from ledger.domain.holds import give_back, lost, put_back, with_fate
from ledger.domain.lots import draw, first_expiry_after, head, tail, total
from ledger.domain.related_events import RelatedEvents
from ledger.domain.usage import NO_USAGE, quantity_of

MAX_REVERSALS = 1_000
"""The largest number of reversals of one deduction, because each reversal reads all earlier ones."""


def deduct(command: DeductCredits, account: Account, at: datetime) -> CreditsDeducted:
    """Decide a deduction: the whole amount in burn order, or nothing; or, where it says so, what there is.

    Raises OccurredAtOutOfBounds, what `pricing.checked` raises, InsufficientCredits, DrawsLimitExceeded, and what
    `limiting.count` raises.
    """
    if command.occurred_at is not None:
        check_occurred(command.occurred_at, at, command.back_dating)
    price = None if command.price is None else checked(command.price, command.usage)
    subscription, permanent, held, _ = account.balance
    amount, uncollected = command.amount, None
    available = subscription + permanent - held
    counts = None
    if amount > available and command.on_shortfall == "available":
        amount, uncollected = available, amount - available
    if account.limits is not None:
        quantity = quantity_of(command.usage or NO_USAGE)
        counts = count(account.limits, command.usage, amount, quantity, at, available, amount)
    if amount > available:
        raise InsufficientCredits(amount, available)
    draws = draw(account.lots, amount) if amount else ()

    from_subscription = total(draws, "subscription")
    after = Balance(
        subscription - from_subscription,
        permanent - (amount - from_subscription),
        held,
        first_expiry_after(account.lots, draws) if uncollected is None else None,
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
        counts,
        command.occurred_at,
        uncollected,
        price,
    )


def reverse(command: ReverseDeduction, account: Account, at: datetime, related: RelatedEvents) -> DeductionReversed:
    """Decide a reversal: what was uncollected is waived, then credits return to their lots, the last draw first.

    Raises DeductionNotFound, ReversalsLimitExceeded, AmountExceedsDeduction and BalanceLimitExceeded.
    """
    deduction = related.deduction(command.deduction_id)
    if deduction is None:
        raise DeductionNotFound(command.deduction_id)
    if len(deduction.reversals) >= MAX_REVERSALS:
        raise ReversalsLimitExceeded(MAX_REVERSALS)
    reversible = total(deduction.draws) - deduction.reversed + deduction.owed
    asked = reversible if command.amount is None else command.amount
    if asked > reversible or not reversible:
        raise AmountExceedsDeduction(asked, reversible)

    waived = min(asked, deduction.owed)
    amount = asked - waived
    back = head(tail(deduction.draws[::-1], deduction.reversed), amount)
    returns = give_back(back, at, related.closed_grants())
    returned = with_fate(returns, "returned")
    check_balance(account, returned)
    subscription = total(back, "subscription") - lost(returns, "subscription")
    balance = account.balance_after(
        put_back(account.lots, returns), subscription=subscription, permanent=returned - subscription
    )
    counts = None
    if account.limits is not None:
        before = deduction.reversed + deduction.waived
        counts = count_back(account.limits, reversed_parts(related.counted(command.deduction_id), before, asked), at)
    return DeductionReversed(at, balance, command.deduction_id, amount, returns, command.reason, counts, waived or None)
