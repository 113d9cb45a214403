"""The bodies of commands, strict: no conversions, no unknown fields, every limit said where a caller can read it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic.config import JsonDict

from ledger.domain.amounts import MAX_AMOUNT, Kind
from ledger.domain.commands import MAX_ID, MAX_METADATA_BYTES, OnExcess, OnShortfall
from ledger.domain.events import Source
from ledger.domain.holds import DEFAULT_HOLD, LONGEST_HOLD, SHORTEST_HOLD
from ledger.domain.profile import LABEL_NAME, MAX_CHANGES, MAX_LABEL_VALUE, MAX_LABELS
from ledger.domain.texts import MAX_TEXT
from ledger.store import to_json

# No control characters (C0, C1); surrogates cannot reach us: the JSON reader refuses them.
MAX_BATCH = 10_000
"""Commands of one batch."""
MAX_KEY = 255
"""Characters of an idempotency key."""

ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
_SPACES = r"\x20\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
NOT_BLANK = rf"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x1f\x7f-\x9f{_SPACES}][^\x00-\x1f\x7f-\x9f]*$"
"""One line with something else than spaces."""
SEGMENT = r"^[^\x00-\x1f\x7f-\x9f/]*$"
"""One line without a slash."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What no line has."""
ACCOUNT_ID = "in a path, a slash within it is percent-encoded: `org%2Fproject` is the id `org/project`"
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


def _few(value: object) -> object:
    """Each wrong name would become an error of its own, so their number is looked at first."""
    if isinstance(value, dict) and len(value) > MAX_CHANGES:
        raise ValueError(f"must have at most {MAX_CHANGES} names and has {len(value)}")
    return value


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
Named = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=NOT_BLANK)]
"""What a field of usage names. A blank one would pass for a member or a model that nobody finds."""
AccountIdText = Annotated[Id, Field(description=ACCOUNT_ID)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=_LINES)]
Metadata = Annotated[
    dict[str, Any],
    AfterValidator(_whole_metadata),
    Field(
        description=f"at most {MAX_METADATA_BYTES} bytes of JSON; integers from -2^63 to 2^64 - 1, "
        "other numbers as exact as a double: what would be rounded is refused"
    ),
]
LabelName = Annotated[str, StringConstraints(pattern=f"^{LABEL_NAME}$")]
LabelValue = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL_VALUE, pattern=ONE_LINE)]
_PLAIN_LABELS = "plain texts that lists of accounts can be filtered by; not erasable, so no personal data"
VARIANTS = "[number]", "[object]"
"""The tags of a field that is either a number or an object. Pydantic puts them behind the name of the field."""
NO_OTHER_NAMES: JsonDict = {"additionalProperties": False}
"""What the schema of a dictionary needs where the names have a pattern: without it, it allows all other names too."""
Labels = Annotated[
    dict[LabelName, LabelValue],
    Field(max_length=MAX_LABELS, description=_PLAIN_LABELS, json_schema_extra=NO_OTHER_NAMES),
    BeforeValidator(_few),
]
LabelChanges = Annotated[
    dict[LabelName, LabelValue | None],
    Field(
        max_length=MAX_CHANGES,
        description=f"new values of some labels, null removes one; the others stay; {_PLAIN_LABELS}",
        json_schema_extra=NO_OTHER_NAMES,
    ),
    BeforeValidator(_few),
]
FREE_FIELDS = ("metadata", "grant", "grants")
"""The fields in which a caller writes what they like, and those that hold such a field."""
HoldSeconds = Annotated[int, Field(ge=int(SHORTEST_HOLD.total_seconds()), le=int(LONGEST_HOLD.total_seconds()))]
# In a strict model a time would have to be a datetime already; JSON only has strings.
Time = Annotated[AwareDatetime, Strict(False), BeforeValidator(_written_out), AfterValidator(_in_utc)]
OccurredAt = Annotated[
    Time,
    Field(description="when the usage occurred, if it is recorded later; how much later is a setting, 35 days"),
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Body(BaseModel):
    """Bodies are strict: no conversions, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    ABOUT_ZERO: ClassVar[Mapping[str, str]] = {}
    """What a refusal adds, by the name of a field that must not be 0."""


class UsageBody(Body):
    """What a deduction was for. It is what the rollups group by."""

    provider: Named | None = None
    model: Named | None = None
    project: Named | None = None
    member: Named | None = None
    metric: Named | None = None
    input_tokens: AmountOrNone | None = None
    output_tokens: AmountOrNone | None = None
    cached_tokens: AmountOrNone | None = Field(
        None, description="input tokens that were read from a cache; they are not among `input_tokens`"
    )
    key: Named | None = Field(None, description="the API key or credential with which the work was asked for")
    agent: Named | None = None
    quantity: AmountOrNone | None = Field(None, description="how many units of the metric; default 1")
    duration_ms: AmountOrNone | None = Field(None, description="how long the work took, in milliseconds")
    success: bool | None = Field(None, description="false: the work failed")

    def given(self) -> dict[str, str | int | bool] | None:
        """What was said, without the rest; None when nothing was."""
        return {name: value for name, value in self if value is not None} or None


class OpenBody(Body):
    """Open an account."""

    account_id: AccountIdText
    signup_credits: AmountOrNone | None = Field(None, description="permanent credits to begin with")
    metadata: Metadata | None = None
    description: Text | None = None
    labels: Labels | None = None


class UpdateBody(Body):
    """Correct the description, the metadata or the labels of an account. What is absent or null stays."""

    description: Text | None = Field(None, description="replaces the earlier one; an empty text removes it")
    metadata: Metadata | None = Field(None, description="replaces the earlier one; an empty object removes it")
    labels: LabelChanges | None = None
    reason: Text | None = None


EffectiveAt = Annotated[
    Time | None, Field(description="when the credits start, if that is later: until then they are coming; default: now")
]


class GrantBody(Body):
    """Give credits."""

    kind: Kind
    amount: Amount
    expires_at: Time | None = Field(
        None, description="subscription credits only; the default is a setting, 30 days from the start"
    )
    source: Source | None = None
    transaction_id: Id | None = Field(None, description="the idempotency key, when there is no header")
    description: Text | None = None
    metadata: Metadata | None = None
    effective_at: EffectiveAt = None


Asked = Annotated[Amount | None, Field(description="the credits; absent where they are `priced`")]
IsPriced = Annotated[bool | None, Field(description="true: take what the usage costs by the price book")]
_NO: JsonDict = {"anyOf": [{"type": "boolean", "const": False}, {"type": "null"}]}
_PRICED: JsonDict = {
    "required": ["priced", "usage"],
    "properties": {
        "priced": {"type": "boolean", "const": True},
        "usage": {"type": "object"},
        "amount": {"type": "null"},
    },
}
_OF_AN_AMOUNT: JsonDict = {"required": ["amount"], "properties": {"priced": _NO, "amount": {"type": "integer"}}}
_IF_PRICED: JsonDict = {
    "if": {"required": ["priced"], "properties": {"priced": {"const": True}}},
    "then": {"required": ["usage"], "properties": {"usage": {"type": "object"}, "amount": {"type": "null"}}},
}


class Priceable(Body):
    """What takes an amount, or says what was used and takes the price of that."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_OF_AN_AMOUNT, _PRICED]})

    NEEDS_AMOUNT: ClassVar[bool] = True
    """Whether one of the two must be said."""

    priced: IsPriced = None
    usage: UsageBody | None = Field(None, validate_default=True)
    amount: Asked = Field(None, validate_default=True)

    @field_validator("usage")
    @classmethod
    def _is_said_to_be_priced(cls, usage: UsageBody | None, info: ValidationInfo) -> UsageBody | None:
        if usage is None and info.data.get("priced"):
            raise ValueError("is required where `priced` is true")
        return usage

    @field_validator("amount")
    @classmethod
    def _is_said_unless_priced(cls, amount: int | None, info: ValidationInfo) -> int | None:
        priced = info.data.get("priced")
        if amount is None and not priced and cls.NEEDS_AMOUNT:
            raise ValueError("is required, unless `priced` is true")
        if amount is not None and priced:
            raise ValueError("must be absent where `priced` is true")
        return amount


class DeductBody(Priceable):
    """Take credits: all of the amount or nothing."""

    ABOUT_ZERO = {"amount": "; usage that costs nothing is metered: POST /v1/accounts/{account_id}/usage"}

    task_id: Id | None = Field(None, description="the idempotency key, when there is no header")
    description: Text | None = None
    metadata: Metadata | None = None
    occurred_at: OccurredAt | None = None
    on_shortfall: OnShortfall | None = Field(
        None,
        description="when fewer credits are available: `reject` (default), or take what is `available` and record the "
        "rest as uncollected",
    )


class ReverseBody(Body):
    """Undo a deduction."""

    amount: Amount | None = Field(
        None, description="default: all that is not yet reversed; what is uncollected is waived first"
    )
    reason: Text | None = None


class HoldBody(Priceable):
    """Reserve credits."""

    expires_in_seconds: HoldSeconds | None = Field(None, description=f"default: {int(DEFAULT_HOLD.total_seconds())}")
    task_id: Id | None = None
    description: Text | None = None
    usage: UsageBody | None = Field(
        None, description="what it is for; limits count it when it is placed", validate_default=True
    )


class CaptureBody(Priceable):
    """Turn a hold, or a part of it, into a deduction. What is `priced` has `usage` and no `amount`."""

    # Not two forms: some generators make no sound code of them where the body may be left out.
    model_config = ConfigDict(json_schema_extra=_IF_PRICED)
    NEEDS_AMOUNT = False

    amount: Amount | None = Field(
        None, description="default: all that is held; absent where it is `priced`", validate_default=True
    )
    final: bool | None = Field(None, description="whether the rest is released; default true")
    on_excess: OnExcess | None = Field(
        None,
        description="when the amount is larger than the hold: `reject` (default), `draw` the rest from the available "
        "credits, or take what of it is `available` and record the rest as uncollected",
    )
    occurred_at: OccurredAt | None = None


class ExtendBody(Body):
    """Let a hold last longer, counted from now."""

    expires_in_seconds: HoldSeconds


class EmptyBody(Body):
    """Nothing to say."""


class VoidBody(Body):
    """Cancel what remains of a grant."""

    amount: Amount | None = Field(None, description="default: all that remains, and the grant is closed")
    reason: Text | None = None


class ExpiryBody(Body):
    """Change when the lot of a grant lapses."""

    expires_at: Time | None = Field(description="in the future; null for permanent credits, which never expire")
    reinstate: bool | None = Field(None, description="whether what has lapsed comes back to the lot; default false")
    reason: Text | None = None


class ReasonBody(Body):
    """Why."""

    reason: Text | None = None


class TransferBody(Body):
    """Move credits to another account. They keep their kind, expiry, source and grant date, and count as no usage."""

    from_account_id: AccountIdText
    to_account_id: AccountIdText
    amount: Amount | None = Field(None, description="default: all that is available")
    description: Text | None = None


class MergeBody(Body):
    """Move all credits that are not on hold to another account, and close this one with that account as successor."""

    successor: AccountIdText
    reason: Text | None = None


SHORTEST_SESSION, DEFAULT_SESSION, LONGEST_SESSION = 60, 3_600, 86_400
"""Seconds that a person's session of the dashboard lasts."""


WebAddress = Annotated[
    str, StringConstraints(max_length=2_000, pattern=r"^https?://[^\s/\x00-\x20\x7f][^\s\x00-\x20\x7f]*$")
]


PortalPage = Literal["overview", "usage", "limits", "billing", "plans"]
"""The pages of the holder of an account."""


CHECKOUT_ID = "chk_[0-9a-f]{32}"
CHECKOUT_PAGE = "checkout/"
"""Before the id of a checkout, where a link names its page."""
CheckoutIdText = Annotated[str, StringConstraints(pattern=f"^{CHECKOUT_ID}$")]
