"""Refusals about holds."""

from datetime import datetime

from ledger.domain.errors.refusal import AlreadyDone, NotFound, Refusal, TooMany, TooMuch, shown


class HoldNotFound(NotFound):
    code = "hold_not_found"
    noun = "hold"


class HoldAlreadyCaptured(AlreadyDone):
    code = "hold_already_captured"

    def __init__(self, hold_id: str) -> None:
        super().__init__(f"Hold {shown(hold_id)!r} has been captured; nothing is left of it.", hold_id=hold_id)


class HoldAlreadyReleased(AlreadyDone):
    code = "hold_already_released"

    def __init__(self, hold_id: str) -> None:
        super().__init__(f"Hold {shown(hold_id)!r} has been released; its credits went back.", hold_id=hold_id)


class HoldHasExpired(AlreadyDone):
    code = "hold_expired"

    def __init__(self, hold_id: str) -> None:
        super().__init__(f"Hold {shown(hold_id)!r} has expired; its credits went back.", hold_id=hold_id)


class HoldDisputed(Refusal):
    """An open dispute of a payment holds the credits, or held them until it ended."""

    code = "hold_disputed"

    def __init__(self, hold_id: str, payment_id: str, dispute_id: str) -> None:
        super().__init__(
            f"Hold {shown(hold_id)!r} is that of dispute {shown(dispute_id)!r}: only the end of the dispute ends it; "
            f"record the dispute of payment {shown(payment_id)!r} as won or lost.",
            hold_id=hold_id,
            payment_id=payment_id,
            dispute_id=dispute_id,
        )


class HoldLifeExceeded(Refusal):
    """An extension would let the hold last too long, from when it was placed."""

    code = "hold_life_exceeded"

    def __init__(self, hold_id: str, latest: datetime) -> None:
        super().__init__(
            f"Hold {shown(hold_id)!r} may last until {latest.isoformat()} at most, counted from when it was placed.",
            hold_id=hold_id,
            expires_at_most=latest,
        )


class AmountExceedsHold(TooMuch):
    code = "amount_exceeds_hold"

    def __init__(self, amount: int, held: int) -> None:
        super().__init__(
            f"The capture asks for {amount} credits and the hold has {held}; "
            "capture less, or set on_excess=draw to take the rest from the available credits.",
            amount=amount,
            held=held,
            excess=amount - held,
        )


class OpenHoldsLimitExceeded(TooMany):
    code = "open_holds_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The account has {limit} open holds, which is the limit; capture or release some first.", limit
        )
