"""Refusals of deductions and reversals."""

from collections.abc import Sequence
from datetime import datetime

from ledger.domain.errors.refusal import NotFound, Refusal, TooMany, TooMuch


class InsufficientCredits(Refusal):
    """Fewer credits are available than the command takes. Nothing was taken."""

    code = "insufficient_credits"

    def __init__(self, required: int, available: int) -> None:
        super().__init__(
            f"{required} credits are required and {available} are available.",
            required=required,
            available=available,
            shortfall=required - available,
        )


class OccurredAtOutOfBounds(Refusal):
    """The usage occurred too long ago, or in the future."""

    code = "occurred_at_out_of_bounds"

    def __init__(self, occurred_at: datetime, earliest: datetime, latest: datetime) -> None:
        super().__init__(
            f"The usage is said to have occurred at {occurred_at.isoformat()}; what can be recorded now occurred "
            f"from {earliest.isoformat()} to {latest.isoformat()}. Leave occurred_at out to record it as of now.",
            occurred_at=occurred_at,
            earliest=earliest,
            latest=latest,
        )


class UsageHasNoPrice(Refusal):
    """The price book does not say what the usage costs. Nothing is free because it is unknown.

    `whose` are the words for the usage in the message.
    """

    code = "price_not_found"

    def __init__(self, why: str, book: int | None, fields: Sequence[str], whose: str) -> None:
        names = ", ".join(fields)
        reasons = {
            "no_book": "No price book was in force at the time of the usage. Publish one first.",
            "no_rate": f"No rate of the price book is for {whose}.",
            "not_charged": f"The rate for {whose} has no charge for {names}, and does not name it as free.",
            "nothing_said": f"The rate for {whose} counts {names}, and the usage says none of it.",
            "too_much": "The price of the usage is larger than any amount can be.",
        }
        super().__init__(reasons[why], price_of="usage", why=why, price_book=book, fields=list(fields))


class DeductionNotFound(NotFound):
    code = "deduction_not_found"
    noun = "deduction"


class AmountExceedsDeduction(TooMuch):
    code = "amount_exceeds_deduction"

    def __init__(self, amount: int, reversible: int) -> None:
        asked = f"The reversal asks for {amount} credits, and only {reversible} of the deduction are not yet reversed."
        super().__init__(
            asked if reversible else "All of the deduction is reversed: there is nothing left to reverse.",
            amount=amount,
            reversible=reversible,
        )


class DrawsLimitExceeded(TooMany):
    code = "draws_limit_exceeded"

    def __init__(self, limit: int, covered: int) -> None:
        super().__init__(
            f"The amount would need draws from more than {limit} lots, which is the limit for one event; "
            f"at most {covered} credits fit.",
            limit,
            covered=covered,
        )


class ReversalsLimitExceeded(TooMany):
    code = "reversals_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The deduction has {limit} reversals, which is the limit; reverse larger amounts.", limit)
