"""Refusals about an account itself."""

from collections.abc import Sequence

from ledger.domain.errors.refusal import AlreadyDone, NotFound, Refusal, TooMany, TooMuch, shown


class AccountNotFound(NotFound):
    code = "account_not_found"
    noun = "account"


class StandingRefusal(Refusal):
    """The account's standing does not allow the command."""


class AccountFrozen(StandingRefusal):
    code = "account_frozen"

    def __init__(self, account_id: str) -> None:
        super().__init__(
            f"Account {shown(account_id)!r} is frozen: "
            "it refuses deductions, holds, extensions, transfers to others, and captures of more than was held, "
            "until it is unfrozen.",
            account_id=account_id,
        )


class AccountClosed(StandingRefusal):
    code = "account_closed"

    def __init__(self, account_id: str, successor: str | None = None) -> None:
        message = (
            f"Account {shown(account_id)!r} is closed: it accepts only what returns or cancels credits, and payments "
            "that grant nothing. To use it again, reopen it (operation reopen)."
        )
        if successor is None:
            super().__init__(message, account_id=account_id)
        else:
            message = f"{message} It was merged into {shown(successor)!r}: ask that account."
            super().__init__(message, account_id=account_id, successor=successor)


class AccountExists(AlreadyDone):
    code = "account_exists_with_different_body"

    def __init__(self, account_id: str, fields: Sequence[str]) -> None:
        super().__init__(
            f"Account {shown(account_id)!r} was opened before with a different body.",
            account_id=account_id,
            version=1,
            fields=list(fields),
        )


class BalanceLimitExceeded(TooMuch):
    code = "balance_limit_exceeded"

    def __init__(self, total: int, amount: int, limit: int, coming: int = 0) -> None:
        also = f", {coming} that are coming" if coming else ""
        facts = {"coming": coming} if coming else {}
        super().__init__(
            f"The balance of {total} credits{also} and {amount} more would exceed the limit of {limit} credits.",
            total=total,
            amount=amount,
            limit=limit,
            **facts,
        )


class LabelsLimitExceeded(TooMany):
    code = "labels_limit_exceeded"

    def __init__(self, limit: int, labels: int) -> None:
        super().__init__(
            f"The account would have {labels} labels, and the limit is {limit}; set some of them to null.",
            limit,
            labels=labels,
        )
