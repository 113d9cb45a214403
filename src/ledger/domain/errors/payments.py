"""Refusals about payments."""

from ledger.domain.errors.refusal import AlreadyDone, NotFound, TooMuch, shown


class PaymentNotFound(NotFound):
    code = "payment_not_found"
    noun = "payment"


class PaymentAlreadyRecorded(AlreadyDone):
    code = "payment_already_recorded"

    def __init__(self, payment_id: str) -> None:
        super().__init__(
            f"Payment {shown(payment_id)!r} was recorded before under another idempotency key.",
            payment_id=payment_id,
        )


class RefundAlreadyRecorded(AlreadyDone):
    code = "refund_already_recorded"

    def __init__(self, payment_id: str, refund_id: str) -> None:
        super().__init__(
            f"Refund {shown(refund_id)!r} of payment {shown(payment_id)!r} was recorded before "
            "under another idempotency key.",
            payment_id=payment_id,
            refund_id=refund_id,
        )


class AmountExceedsPayment(TooMuch):
    code = "amount_exceeds_payment"

    def __init__(self, amount_minor: int, refundable_minor: int) -> None:
        asked = f"The refund asks for {amount_minor}, and only {refundable_minor} of the payment can still be refunded."
        super().__init__(
            asked if refundable_minor else "Nothing of the payment can be refunded: it was refunded or never paid.",
            amount_minor=amount_minor,
            refundable_minor=refundable_minor,
        )
