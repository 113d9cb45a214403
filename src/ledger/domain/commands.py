"""Commands: what callers ask for. A command that is outside of its limits cannot be made: it raises InvalidField.

A command says what is wanted, not what follows from it. Its durations count from the moment of decision.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ledger.domain.amounts import Kind, check_amount
from ledger.domain.errors import InvalidField
from ledger.domain.events import PaymentStatus, Source, Usage
from ledger.domain.holds import DEFAULT_HOLD, LONGEST_HOLD, LONGEST_LIFE, SHORTEST_HOLD
from ledger.domain.texts import JsonObject, Sealed, check_text

MAX_ID = 128
MAX_METADATA_BYTES = 4_096
"""The largest metadata in bytes of JSON. It is checked where JSON is read, in api/contract/bodies.py."""
LONGEST_LIFETIME = timedelta(days=36_500)

OnExcess = Literal["reject", "draw"]
IfFrozen = Literal["accept", "refuse"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_id(field: str, value: str | None) -> None:
    """Raise InvalidField unless `value` is None or 1 to MAX_ID characters without control characters."""
    if value is None:
        return
    if not 0 < len(value) <= MAX_ID:
        raise InvalidField(field, f"must have 1 to {MAX_ID} characters")
    if _CONTROL.search(value):
        raise InvalidField(field, "must not contain control characters")


def check_account_id(value: str) -> None:
    """Raise InvalidField unless `value` is an id that is valid as one segment of a URL path."""
    check_id("account_id", value)
    if "/" in value or value in {".", ".."}:
        raise InvalidField("account_id", "must not contain a slash or be a dot segment")


def _check_hold_length(length: timedelta) -> None:
    if not SHORTEST_HOLD <= length <= LONGEST_HOLD:
        least, most = (int(limit.total_seconds()) for limit in (SHORTEST_HOLD, LONGEST_HOLD))
        raise InvalidField("expires_in_seconds", f"must be from {least} to {most}", int(length.total_seconds()))


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """Open an account and grant `signup_credits` permanent credits, unless that is 0."""

    account_id: str
    signup_credits: int = 0
    metadata: JsonObject | Sealed | None = None

    def __post_init__(self) -> None:
        check_account_id(self.account_id)
        check_amount(self.signup_credits, "signup_credits", least=0)


@dataclass(frozen=True, slots=True)
class GrantCredits:
    """Grant credits. A subscription grant without `expires_at` lapses `lifetime` after the moment of decision."""

    account_id: str
    kind: Kind
    amount: int
    source: Source | None = None
    expires_at: datetime | None = None
    lifetime: timedelta | None = None
    transaction_id: str | None = None
    description: str | None = None
    metadata: JsonObject | Sealed | None = None

    def __post_init__(self) -> None:
        check_amount(self.amount)
        check_id("transaction_id", self.transaction_id)
        check_text("description", self.description)
        if self.kind == "permanent" and self.expires_at is not None:
            raise InvalidField("expires_at", "must be absent: permanent credits never expire")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise InvalidField("expires_at", "must say its offset from UTC")
        if self.lifetime is not None and not timedelta(0) < self.lifetime <= LONGEST_LIFETIME:
            raise InvalidField("lifetime", f"must be positive and at most {LONGEST_LIFETIME.days} days")


@dataclass(frozen=True, slots=True)
class DeductCredits:
    """Take credits for good: the whole `amount` or nothing."""

    account_id: str
    amount: int
    task_id: str | None = None
    description: str | None = None
    usage: Usage | None = None
    metadata: JsonObject | Sealed | None = None

    def __post_init__(self) -> None:
        check_amount(self.amount)
        check_id("task_id", self.task_id)
        check_text("description", self.description)


@dataclass(frozen=True, slots=True)
class ReverseDeduction:
    """Reverse `amount` credits of a deduction; None reverses all that is not yet reversed."""

    account_id: str
    deduction_id: str
    amount: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)
        if self.amount is not None:
            check_amount(self.amount)


@dataclass(frozen=True, slots=True)
class PlaceHold:
    """Reserve credits for `expires_in` from the moment of decision."""

    account_id: str
    amount: int
    expires_in: timedelta = DEFAULT_HOLD
    task_id: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        check_amount(self.amount)
        check_id("task_id", self.task_id)
        check_text("description", self.description)
        _check_hold_length(self.expires_in)


@dataclass(frozen=True, slots=True)
class ExtendHold:
    """Extend a hold until `expires_in` after the moment of decision. An extension never shortens a hold."""

    account_id: str
    hold_id: str
    expires_in: timedelta
    longest_life: timedelta = LONGEST_LIFE
    """From when the hold was placed to its latest end."""

    def __post_init__(self) -> None:
        _check_hold_length(self.expires_in)


@dataclass(frozen=True, slots=True)
class CaptureHold:
    """Turn `amount` credits of a hold into a deduction; None captures the whole hold. `final` releases the rest.

    `if_frozen` says whether a frozen account accepts it: its holds are older than the freeze, and their work is done.
    """

    account_id: str
    hold_id: str
    amount: int | None = None
    final: bool = True
    on_excess: OnExcess = "reject"
    usage: Usage | None = None
    if_frozen: IfFrozen = "accept"

    def __post_init__(self) -> None:
        if self.amount is not None:
            check_amount(self.amount)


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    """Release a hold: its credits return to their lots."""

    account_id: str
    hold_id: str


@dataclass(frozen=True, slots=True)
class VoidGrant:
    """Cancel `amount` credits of what remains of a grant; None cancels all of it and closes the grant."""

    account_id: str
    grant_id: str
    amount: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)
        if self.amount is not None:
            check_amount(self.amount)


@dataclass(frozen=True, slots=True)
class RecordPayment:
    """Record a payment and, when it is paid, grant the credits that it buys: both or neither."""

    account_id: str
    payment_id: str
    provider: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    plan: str | None = None
    grant: GrantCredits | None = None

    def __post_init__(self) -> None:
        check_id("payment_id", self.payment_id)
        check_id("provider", self.provider)
        check_id("currency", self.currency)
        check_id("plan", self.plan)
        check_amount(self.amount_minor, "amount_minor", least=0)
        if self.grant is not None and self.grant.account_id != self.account_id:
            raise InvalidField("grant", "must be for the account of the payment")
        if self.grant is not None and self.status != "paid":
            raise InvalidField("grant", f"must be absent: a payment that is {self.status} buys nothing")


@dataclass(frozen=True, slots=True)
class RefundPayment:
    """Refund `amount_minor` of a payment; None refunds the rest. The grant that it bought is voided proportionally."""

    account_id: str
    payment_id: str
    refund_id: str
    amount_minor: int | None = None

    def __post_init__(self) -> None:
        check_id("refund_id", self.refund_id)
        if self.amount_minor is not None:
            check_amount(self.amount_minor, "amount_minor")


@dataclass(frozen=True, slots=True)
class FreezeAccount:
    """Refuse deductions, captures and holds until the account is unfrozen."""

    account_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class UnfreezeAccount:
    """End a freeze."""

    account_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class CloseAccount:
    """From now on, accept only reversals and releases."""

    account_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class EraseTexts:
    """Make all texts of the account unreadable for ever. Credits do not change."""

    account_id: str


@dataclass(frozen=True, slots=True)
class RecordExpiries:
    """Record the expiries that are due. The sweeper sends it; it is the only command that may yield no events."""

    account_id: str


Command = (
    OpenAccount
    | GrantCredits
    | DeductCredits
    | ReverseDeduction
    | PlaceHold
    | ExtendHold
    | CaptureHold
    | ReleaseHold
    | VoidGrant
    | RecordPayment
    | RefundPayment
    | FreezeAccount
    | UnfreezeAccount
    | CloseAccount
    | EraseTexts
    | RecordExpiries
)
