"""Refusals: why the ledger does not carry out a command. They know nothing of HTTP.

    Refusal
    ├── InvalidField                 a value is outside of what the rules allow
    ├── NotFound
    │   ├── AccountNotFound  GrantNotFound  DeductionNotFound  HoldNotFound  PaymentNotFound
    ├── InsufficientCredits          fewer credits are available than the command takes
    ├── StandingRefusal
    │   ├── AccountFrozen  AccountClosed
    ├── AlreadyDone
    │   ├── AccountExists
    │   ├── HoldAlreadyCaptured  HoldAlreadyReleased  HoldHasExpired
    │   ├── PaymentAlreadyRecorded  RefundAlreadyRecorded
    ├── HoldLifeExceeded             an extension would let the hold last too long
    ├── TooMuch
    │   ├── AmountExceedsHold  AmountExceedsDeduction  AmountExceedsPayment  BalanceLimitExceeded
    ├── TooMany
    │   ├── OpenLotsLimitExceeded  OpenHoldsLimitExceeded  DrawsLimitExceeded  ReversalsLimitExceeded
    ├── KeyReused                    an idempotency key was used again with another body
    ├── VersionMismatch              the account is not at a version that the caller expects
    └── BatchRefused                 one command of an atomic batch was refused

A refusal records nothing. Its `code` is stable and documented in docs/errors.md; `facts` are the numbers and names that
explain it, ready for JSON; the message says what happened and what to do.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

MAX_SHOWN = 64
"""The longest text of a caller that a message or a fact repeats, in characters."""


def shown(text: str) -> str:
    """A text of a caller for a message, cut after MAX_SHOWN characters."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


class Refusal(Exception):
    """A command that the ledger does not carry out. The account does not change."""

    code: ClassVar[str]

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts: dict[str, Any] = {
            name: shown(fact) if isinstance(fact, str) else fact for name, fact in facts.items()
        }


class InvalidField(Refusal):
    """A value is outside of what the rules allow."""

    code = "validation_failed"

    def __init__(self, field: str, rule: str, value: object = None) -> None:
        error: dict[str, Any] = {"field": field, "message": rule}
        if isinstance(value, bool | int | str) and len(str(value)) <= MAX_SHOWN:
            error["value"] = value
        super().__init__(f"{field} {rule}.", errors=[error])


class NotFound(Refusal):
    """The thing that the command names does not exist in this account."""

    noun: ClassVar[str]

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no {self.noun} {shown(name)!r}.", **{f"{self.noun}_id": name})


class AccountNotFound(NotFound):
    code = "account_not_found"
    noun = "account"


class GrantNotFound(NotFound):
    code = "grant_not_found"
    noun = "grant"


class DeductionNotFound(NotFound):
    code = "deduction_not_found"
    noun = "deduction"


class HoldNotFound(NotFound):
    code = "hold_not_found"
    noun = "hold"


class PaymentNotFound(NotFound):
    code = "payment_not_found"
    noun = "payment"


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


class StandingRefusal(Refusal):
    """The account's standing does not allow the command."""


class AccountFrozen(StandingRefusal):
    code = "account_frozen"

    def __init__(self, account_id: str) -> None:
        super().__init__(
            f"Account {shown(account_id)!r} is frozen: "
            "it refuses deductions, holds, extensions, and captures of more than was held, until it is unfrozen.",
            account_id=account_id,
        )


class AccountClosed(StandingRefusal):
    code = "account_closed"

    def __init__(self, account_id: str) -> None:
        super().__init__(
            f"Account {shown(account_id)!r} is closed: it accepts only reversals and releases.",
            account_id=account_id,
        )


class AlreadyDone(Refusal):
    """The command names something that has already happened, and can happen only once."""


class AccountExists(AlreadyDone):
    code = "account_exists_with_different_body"

    def __init__(self, account_id: str, fields: Sequence[str]) -> None:
        super().__init__(
            f"Account {shown(account_id)!r} was opened before with a different body.",
            account_id=account_id,
            version=1,
            fields=list(fields),
        )


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


class HoldLifeExceeded(Refusal):
    """An extension would let the hold last too long, from when it was placed."""

    code = "hold_life_exceeded"

    def __init__(self, hold_id: str, latest: datetime) -> None:
        super().__init__(
            f"Hold {shown(hold_id)!r} may last until {latest.isoformat()} at most, counted from when it was placed.",
            hold_id=hold_id,
            expires_at_most=latest,
        )


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


class TooMuch(Refusal):
    """The amount is larger than what it is taken from, or than what can take it."""


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


class AmountExceedsDeduction(TooMuch):
    code = "amount_exceeds_deduction"

    def __init__(self, amount: int, reversible: int) -> None:
        asked = f"The reversal asks for {amount} credits, and only {reversible} of the deduction are not yet reversed."
        super().__init__(
            asked if reversible else "All of the deduction is reversed: there is nothing left to reverse.",
            amount=amount,
            reversible=reversible,
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


class BalanceLimitExceeded(TooMuch):
    code = "balance_limit_exceeded"

    def __init__(self, total: int, amount: int, limit: int) -> None:
        super().__init__(
            f"The balance of {total} credits and {amount} more would exceed the limit of {limit} credits.",
            total=total,
            amount=amount,
            limit=limit,
        )


class TooMany(Refusal):
    """The limit on a number of things is reached."""

    def __init__(self, message: str, limit: int, **facts: int) -> None:
        super().__init__(message, limit=limit, **facts)


class OpenLotsLimitExceeded(TooMany):
    code = "open_lots_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The account has {limit} open lots, which is the limit; spend or void some first.", limit)


class OpenHoldsLimitExceeded(TooMany):
    code = "open_holds_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The account has {limit} open holds, which is the limit; capture or release some first.", limit
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


class KeyReused(Refusal):
    """An idempotency key was used again with another body. The original command stands."""

    code = "idempotency_key_reused"

    def __init__(self, key: str, version: int, fields: Sequence[str]) -> None:
        super().__init__(
            f"The idempotency key {shown(key)!r} was used before, with a different body, "
            f"for the event of version {version}; send the original body or use another key.",
            idempotency_key=key,
            version=version,
            fields=list(fields),
        )


class VersionMismatch(Refusal):
    """The account is not at one of the `expected` versions (None: any version of an existing account).

    An account that does not exist is at version 0.
    """

    code = "version_mismatch"

    def __init__(self, expected: Sequence[int] | None, actual: int) -> None:
        where = f"the account is at version {actual}" if actual else "there is no such account"
        super().__init__(
            f"The command is for {_versions(expected)}, and {where}; read it again.",
            expected=expected[0] if expected and len(expected) == 1 else list(expected or ())[:_MOST_VERSIONS],
            actual=actual,
        )


_MOST_VERSIONS = 3
"""The number of expected versions that a refusal repeats."""


def _versions(expected: Sequence[int] | None) -> str:
    if expected is None:
        return "an account that exists"
    more = f" or one of {len(expected) - _MOST_VERSIONS} others" if len(expected) > _MOST_VERSIONS else ""
    return (
        f"version {' or '.join(map(str, expected[:_MOST_VERSIONS]))}{more}" if expected else "no version of an account"
    )


class BatchRefused(Refusal):
    """One command of an atomic batch was refused, so none of them was carried out."""

    code = "batch_refused"

    def __init__(self, index: int, cause: Refusal) -> None:
        super().__init__(
            f"The command with index {index} of the atomic batch was refused, so none was carried out: {cause.message}",
            index=index,
            cause={"code": cause.code, "detail": cause.message, **cause.facts},
        )
        self.index = index
        self.cause = cause
