"""The operations: for each command its path, its body, its own key, and how the two become a command.

This table is the contract of the write side. The routes, the batch, the OpenAPI document and the fingerprints are all
made from it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)

from ledger.amounts import MAX_AMOUNT, Kind
from ledger.commands import (
    MAX_ID,
    MAX_METADATA_BYTES,
    MAX_TEXT,
    CaptureHold,
    CloseAccount,
    Command,
    DeductCredits,
    ExtendHold,
    FreezeAccount,
    GrantCredits,
    OnExcess,
    OpenAccount,
    PlaceHold,
    RecordPayment,
    RefundPayment,
    ReleaseHold,
    ReverseDeduction,
    UnfreezeAccount,
    VoidGrant,
)
from ledger.events import PaymentStatus, Source
from ledger.holds import DEFAULT_HOLD, LONGEST_HOLD, SHORTEST_HOLD
from ledger.receipts import BODY_FIELDS
from ledger.store.codec import to_json

# No control characters (C0, C1); surrogates cannot reach us: the JSON reader refuses them.
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
SEGMENT = r"^[^\x00-\x1f\x7f-\x9f/]*$"
"""One line that can be one segment of a path."""
_LINES = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"
_DAY = re.compile(r"\d{4}-\d\d-\d\d[Tt ]", re.ASCII)


def _whole_metadata(value: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(to_json(value))
    except (TypeError, ValueError) as error:
        raise ValueError("must be JSON that is nested less than 250 levels deep") from error
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes of JSON and is {size}")
    if _has_null_character(value):
        raise ValueError("must not contain the character U+0000")
    return value


def _has_null_character(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any("\0" in name or _has_null_character(part) for name, part in value.items())
        case list():
            return any(map(_has_null_character, value))
        case _:
            return False


def _written_out(value: object) -> object:
    if not isinstance(value, str) or not _DAY.match(value):  # and not the number of seconds since 1970
        raise ValueError("must be a time with its offset, such as 2026-01-31T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be a time that UTC can express") from error


Amount = Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
AmountOrNone = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=ONE_LINE)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=_LINES)]
Metadata = Annotated[dict[str, Any], AfterValidator(_whole_metadata)]
HoldSeconds = Annotated[int, Field(ge=int(SHORTEST_HOLD.total_seconds()), le=int(LONGEST_HOLD.total_seconds()))]
# In a strict model a time would have to be a datetime already; JSON only has strings.
Time = Annotated[AwareDatetime, Strict(False), BeforeValidator(_written_out), AfterValidator(_in_utc)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Body(BaseModel):
    """Bodies are strict: no conversions, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class UsageBody(Body):
    """What a deduction was for. It is what the rollups group by."""

    provider: Id | None = None
    model: Id | None = None
    project: Id | None = None
    member: Id | None = None
    metric: Id | None = None
    input_tokens: AmountOrNone | None = None
    output_tokens: AmountOrNone | None = None

    def given(self) -> dict[str, str | int] | None:
        """What was said, without the rest; None when nothing was."""
        return {name: value for name, value in self if value is not None} or None


class OpenBody(Body):
    """Open an account."""

    account_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=SEGMENT)]
    signup_credits: AmountOrNone | None = Field(None, description="permanent credits to begin with")
    metadata: Metadata | None = None


class GrantBody(Body):
    """Give credits."""

    kind: Kind
    amount: Amount
    expires_at: Time | None = Field(None, description="subscription credits only; the default is a setting, 30 days")
    source: Source | None = None
    transaction_id: Id | None = Field(None, description="the idempotency key, when there is no header")
    description: Text | None = None
    metadata: Metadata | None = None


class DeductBody(Body):
    """Take credits: all of the amount or nothing."""

    amount: Amount
    task_id: Id | None = Field(None, description="the idempotency key, when there is no header")
    description: Text | None = None
    usage: UsageBody | None = None
    metadata: Metadata | None = None


class ReverseBody(Body):
    """Undo a deduction."""

    amount: Amount | None = Field(None, description="default: all that is not yet reversed")
    reason: Text | None = None


class HoldBody(Body):
    """Reserve credits."""

    amount: Amount
    expires_in_seconds: HoldSeconds | None = Field(None, description=f"default: {int(DEFAULT_HOLD.total_seconds())}")
    task_id: Id | None = None
    description: Text | None = None


class CaptureBody(Body):
    """Turn a hold, or a part of it, into a deduction."""

    amount: Amount | None = Field(None, description="default: all that is held")
    final: bool | None = Field(None, description="whether the rest is released; default true")
    on_excess: OnExcess | None = Field(None, description="when the amount is larger than the hold; default reject")
    usage: UsageBody | None = None


class ExtendBody(Body):
    """Let a hold last longer, counted from now."""

    expires_in_seconds: HoldSeconds


class EmptyBody(Body):
    """Nothing to say."""


class VoidBody(Body):
    """Cancel what remains of a grant."""

    amount: Amount | None = Field(None, description="default: all that remains, and the grant is closed")
    reason: Text | None = None


class PaymentGrant(Body):
    """The credits that a payment buys."""

    kind: Kind
    amount: Amount
    expires_at: Time | None = None
    source: Source | None = None
    description: Text | None = None
    metadata: Metadata | None = None


class PaymentBody(Body):
    """Record what a payment provider has seen."""

    payment_id: Id = Field(description="the provider's id; the idempotency key, when there is no header")
    provider: Id
    status: PaymentStatus
    amount_minor: AmountOrNone = Field(description="in minor units of the currency, such as cents")
    currency: Currency = Field(description="ISO 4217")
    plan: Id | None = None
    grant: PaymentGrant | None = Field(None, description="only with status paid")


class PaymentRefundBody(Body):
    """Refund a payment, and void in proportion the grant that it bought."""

    refund_id: Id = Field(description="the provider's id; the idempotency key, when there is no header")
    amount_minor: Amount | None = Field(None, description="default: all that is not yet refunded")


class ReasonBody(Body):
    """Why."""

    reason: Text | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What settings say where a body says nothing."""

    signup_credits: int = 100
    subscription_lifetime: timedelta = timedelta(days=30)


Build = Callable[[str, Mapping[str, str], Any, Defaults], Command]


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to change an account."""

    name: str
    path: str
    body: type[Body]
    build: Build
    summary: str
    own_key: str | None = None
    """The field that is the idempotency key when there is no header."""

    @property
    def path_ids(self) -> tuple[str, ...]:
        """The ids in the path beside the account's."""
        return tuple(name for name in _PATH_IDS if f"{{{name}}}" in self.path)

    def values(self, ids: Mapping[str, str], body: Body) -> list[object]:
        """What was said, in the order of the fingerprint."""
        said = body.__dict__
        values = [ids[name] if name in ids else said[name] for name in BODY_FIELDS[self.name]]
        return [value.model_dump(exclude_none=True) if isinstance(value, Body) else value for value in values]


_PATH_IDS = ("deduction_id", "hold_id", "grant_id", "payment_id")


def _grant(account_id: str, body: GrantBody | PaymentGrant, defaults: Defaults) -> GrantCredits:
    return GrantCredits(
        account_id,
        body.kind,
        body.amount,
        body.source,
        body.expires_at,
        defaults.subscription_lifetime,
        getattr(body, "transaction_id", None),
        body.description,
        body.metadata,
    )


def _payment(account_id: str, body: PaymentBody, defaults: Defaults) -> RecordPayment:
    return RecordPayment(
        account_id,
        body.payment_id,
        body.provider,
        body.status,
        body.amount_minor,
        body.currency,
        body.plan,
        _grant(account_id, body.grant, defaults) if body.grant else None,
    )


def _open(account_id: str, body: OpenBody, defaults: Defaults) -> OpenAccount:
    credits = defaults.signup_credits if body.signup_credits is None else body.signup_credits
    return OpenAccount(account_id, credits, body.metadata)


def _hold(account_id: str, body: HoldBody) -> PlaceHold:
    seconds = body.expires_in_seconds
    length = DEFAULT_HOLD if seconds is None else timedelta(seconds=seconds)
    return PlaceHold(account_id, body.amount, length, body.task_id, body.description)


def _capture(account_id: str, hold_id: str, body: CaptureBody) -> CaptureHold:
    return CaptureHold(
        account_id,
        hold_id,
        body.amount,
        body.final is not False,
        body.on_excess or "reject",
        body.usage.given() if body.usage else None,
    )


def _deduct(account_id: str, body: DeductBody) -> DeductCredits:
    usage = body.usage.given() if body.usage else None
    return DeductCredits(account_id, body.amount, body.task_id, body.description, usage, body.metadata)


_ACCOUNT = "/v1/accounts/{account_id}"
_HOLD = _ACCOUNT + "/holds/{hold_id}"

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation(
            "open",
            "/v1/accounts",
            OpenBody,
            lambda a, i, b, d: _open(a, b, d),
            "Open an account",
            "account_id",
        ),
        Operation(
            "grant",
            _ACCOUNT + "/grants",
            GrantBody,
            lambda a, i, b, d: _grant(a, b, d),
            "Give credits",
            "transaction_id",
        ),
        Operation(
            "deduct",
            _ACCOUNT + "/deductions",
            DeductBody,
            lambda a, i, b, d: _deduct(a, b),
            "Take credits",
            "task_id",
        ),
        Operation(
            "reverse",
            _ACCOUNT + "/deductions/{deduction_id}/reversals",
            ReverseBody,
            lambda a, i, b, d: ReverseDeduction(a, i["deduction_id"], b.amount, b.reason),
            "Undo a deduction",
        ),
        Operation("hold", _ACCOUNT + "/holds", HoldBody, lambda a, i, b, d: _hold(a, b), "Reserve credits"),
        Operation(
            "capture",
            _HOLD + "/captures",
            CaptureBody,
            lambda a, i, b, d: _capture(a, i["hold_id"], b),
            "Turn a hold into a deduction",
        ),
        Operation(
            "extend",
            _HOLD + "/extensions",
            ExtendBody,
            lambda a, i, b, d: ExtendHold(a, i["hold_id"], timedelta(seconds=b.expires_in_seconds)),
            "Let a hold last longer",
        ),
        Operation(
            "release",
            _HOLD + "/release",
            EmptyBody,
            lambda a, i, b, d: ReleaseHold(a, i["hold_id"]),
            "Give a hold back",
        ),
        Operation(
            "void",
            _ACCOUNT + "/grants/{grant_id}/void",
            VoidBody,
            lambda a, i, b, d: VoidGrant(a, i["grant_id"], b.amount, b.reason),
            "Cancel what remains of a grant",
        ),
        Operation(
            "payment",
            _ACCOUNT + "/payments",
            PaymentBody,
            lambda a, i, b, d: _payment(a, b, d),
            "Record a payment and grant what it buys",
            "payment_id",
        ),
        Operation(
            "payment_refund",
            _ACCOUNT + "/payments/{payment_id}/refunds",
            PaymentRefundBody,
            lambda a, i, b, d: RefundPayment(a, i["payment_id"], b.refund_id, b.amount_minor),
            "Refund a payment and void what it bought",
            "refund_id",
        ),
        Operation(
            "freeze",
            _ACCOUNT + "/freeze",
            ReasonBody,
            lambda a, i, b, d: FreezeAccount(a, b.reason),
            "Refuse deductions and holds until unfrozen",
        ),
        Operation(
            "unfreeze",
            _ACCOUNT + "/unfreeze",
            ReasonBody,
            lambda a, i, b, d: UnfreezeAccount(a, b.reason),
            "Take back a freeze",
        ),
        Operation(
            "close",
            _ACCOUNT + "/close",
            ReasonBody,
            lambda a, i, b, d: CloseAccount(a, b.reason),
            "Refuse everything but reversals and releases",
        ),
    )
}

BatchOp = Literal[tuple(OPERATIONS)]  # type: ignore[valid-type]
