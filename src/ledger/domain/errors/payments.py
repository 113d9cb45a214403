"""Refusals about payments."""

from collections.abc import Sequence

from ledger.domain.errors.refusal import AlreadyDone, NotFound, Refusal, TooMuch, shown


class PaymentNotFound(NotFound):
    code = "payment_not_found"
    noun = "payment"


class PaymentAlreadyRecorded(AlreadyDone):
    code = "payment_already_recorded"

    def __init__(self, provider: str, payment_id: str, status: str) -> None:
        super().__init__(
            f"Payment {shown(payment_id)!r} of {shown(provider)!r} was recorded before as {status}, "
            "under another idempotency key; only a payment that failed is recorded once more, as paid.",
            payment_id=payment_id,
            provider=provider,
            payment_status=status,
        )


class PaymentOfAnotherAccount(AlreadyDone):
    """Another account has recorded the payment. Its id is a fact, for those who may know it, and not in the message."""

    code = "payment_of_another_account"

    def __init__(self, provider: str, payment_id: str, other: str | None) -> None:
        facts = {} if other is None else {"other_account_id": other}
        super().__init__(
            f"Payment {shown(payment_id)!r} of {shown(provider)!r} was recorded for another account: "
            "a payment of a provider belongs to one account.",
            payment_id=payment_id,
            provider=provider,
            **facts,
        )

    def without_account(self) -> "PaymentOfAnotherAccount":
        """The same for a caller who may not know the other account."""
        return PaymentOfAnotherAccount(self.facts["provider"], self.facts["payment_id"], None)


class PaymentAmbiguous(Refusal):
    """Several providers have recorded a payment with the id, and the command does not say whose it means."""

    code = "payment_ambiguous"

    def __init__(self, payment_id: str, providers: Sequence[str]) -> None:
        names = [shown(provider) for provider in providers]
        super().__init__(
            f"Payment {shown(payment_id)!r} is one of {len(names)} providers; say which with `provider`.",
            payment_id=payment_id,
            providers=names,
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
