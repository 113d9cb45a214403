"""Refusals about payments."""

from collections.abc import Sequence

from ledger.domain.errors.refusal import AlreadyDone, NotFound, Refusal, TooMany, TooMuch, shown


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


class PaymentNotPaid(Refusal):
    """A payment that failed, or whose amount is 0, has no money that can be disputed."""

    code = "payment_not_paid"

    def __init__(self, payment_id: str, status: str) -> None:
        what = "its amount is 0" if status == "paid" else f"it is {status}"
        super().__init__(
            f"Payment {shown(payment_id)!r} has no money that can be disputed: {what}.",
            payment_id=payment_id,
            payment_status=status,
        )


class DisputeAlreadyRecorded(AlreadyDone):
    """The dispute is in the state that is recorded, or in a later one. The account is as it should be."""

    code = "dispute_already_recorded"

    def __init__(self, dispute_id: str, state: str) -> None:
        super().__init__(
            f"Dispute {shown(dispute_id)!r} was recorded before as {state}; nothing is left to do.",
            dispute_id=dispute_id,
            dispute_state=state,
        )


class DisputeAlreadyDecided(AlreadyDone):
    """A dispute that was won cannot be lost, nor one that was lost won."""

    code = "dispute_already_decided"

    def __init__(self, dispute_id: str, state: str, asked: str) -> None:
        super().__init__(
            f"Dispute {shown(dispute_id)!r} was recorded before as {state}, so it cannot be {asked}.",
            dispute_id=dispute_id,
            dispute_state=state,
        )


class DisputesLimitExceeded(TooMany):
    code = "disputes_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The payment has {limit} disputes, which is the limit.", limit)


class SubscriptionsLimitExceeded(TooMany):
    code = "subscriptions_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The account has {limit} subscriptions that have not ended, which is the limit.", limit)


class AmountExceedsPayment(TooMuch):
    """A refund of more than is left, or a dispute of more than was paid."""

    code = "amount_exceeds_payment"

    def __init__(self, amount_minor: int, refundable_minor: int, what: str = "refund") -> None:
        asked = f"The refund asks for {amount_minor}, and only {refundable_minor} of the payment can still be refunded."
        if what == "dispute":
            asked = f"The dispute is about {amount_minor}, which is more than was paid."
        elif not refundable_minor:
            asked = "Nothing of the payment can be refunded: it was refunded, lost in disputes, or never paid."
        super().__init__(
            asked,
            amount_minor=amount_minor,
            refundable_minor=refundable_minor,
        )
