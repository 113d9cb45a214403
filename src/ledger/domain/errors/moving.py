"""Refusals of transfers and their reversals."""

from ledger.domain.errors.refusal import AlreadyDone, NotFound, TooMuch, shown


class TransferNotFound(NotFound):
    code = "transfer_not_found"
    noun = "transfer"


class TransferAlreadyReversed(AlreadyDone):
    code = "transfer_already_reversed"

    def __init__(self, transfer_id: str) -> None:
        super().__init__(
            f"Transfer {shown(transfer_id)!r} has been reversed; its credits went back.", transfer_id=transfer_id
        )


class TransferSpent(TooMuch):
    """The receiver no longer has all that a transfer brought, so that it cannot be reversed as a whole."""

    code = "transfer_spent"

    def __init__(self, transfer_id: str, account_id: str, amount: int, remaining: int) -> None:
        super().__init__(
            f"Transfer {shown(transfer_id)!r} brought {amount} credits, of which account {shown(account_id)!r} has "
            f"{remaining} left that are not on hold; a transfer is reversed as a whole or not at all.",
            transfer_id=transfer_id,
            account_id=account_id,
            amount=amount,
            remaining=remaining,
            missing=amount - remaining,
        )
