"""Refusals of deductions and reversals."""

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
