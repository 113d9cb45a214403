"""The bodies and answers of API keys: of people at /api, of their product's service at /v1."""

from datetime import datetime, timedelta
from itertools import combinations
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer, ProblemDocument
from api.contract.bodies import MAX_KEY, ONE_LINE, AccountIdText, Body, DeductBody, HoldBody, Named
from api.contract.limit_bodies import MeterBody
from people.api_keys import OWN_SCOPES, ApiKey, Scope, State
from people.keys.issuing import LONGEST_GRACE, LONGEST_NAME, MOST_PER_MINUTE
from people.rate_limits import Allowance

KeyName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=ONE_LINE)]
Rate = Annotated[int, Field(ge=1, le=MOST_PER_MINUTE, description="requests per minute; default 100")]
Days = Annotated[int, Field(ge=1, le=3_650, description="default: it does not expire")]
KeyText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_DAY = 86_400


class NewKeyBody(Body):
    """Make a key."""

    name: KeyName
    scopes: list[Scope] = Field(
        ["read", "write"],
        min_length=1,
        max_length=len(OWN_SCOPES),
        description="`read` shows the account; `write` spends too; `admin` does what its maker's role may do",
    )
    expires_in_days: Days | None = None
    rate_limit: Rate | None = None


class AccountKeyBody(NewKeyBody):
    """Make a key of an account."""

    account_id: AccountIdText
    member: Named | None = Field(None, description="whose use it is: `usage.member` of all that it spends")


class KeyChangesBody(Body):
    """Change a key. What is absent or null stays."""

    name: KeyName | None = None
    is_active: bool | None = Field(None, description="false: the key is refused until it is true again")
    rate_limit: Rate | None = None
    expires_in_days: Days | None = None


class RotationBody(Body):
    """Give a key another secret."""

    grace_seconds: int = Field(
        _DAY,
        ge=0,
        le=int(LONGEST_GRACE.total_seconds()),
        description="how long the present secret still works; default: a day",
    )


class RevocationBody(Body):
    """Revoke the key that is sent."""

    key: KeyText


_COMMANDS = ("deduct", "hold", "meter")
_TWO: JsonDict = {
    "anyOf": [
        {"required": list(two), "properties": {name: {"type": "object"} for name in two}}
        for two in combinations(_COMMANDS, 2)
    ]
}


class KeyVerificationBody(Body):
    """Verify a key, and carry out at most one command on its account."""

    model_config = ConfigDict(json_schema_extra={"not": _TWO})

    key: KeyText
    scope: Scope | None = Field(
        None, description="what the key must allow; default: `write` with a command, else `read`"
    )
    deduct: DeductBody | None = None
    hold: HoldBody | None = None
    meter: MeterBody | None = None
    idempotency_key: Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEY, pattern="^[ -~]+$")] | None = (
        Field(None, description="of the command, where its body has none")
    )

    @model_validator(mode="after")
    def _has_one_command(self) -> "KeyVerificationBody":
        if sum(getattr(self, name) is not None for name in _COMMANDS) > 1:
            raise ValueError("may have one of deduct, hold and meter")
        return self


class KeyFields(TypedDict):
    """A key, without its secret."""

    id: Annotated[str, Field(description="the same through all rotations")]
    name: str
    key_prefix: Annotated[str, Field(description="the beginning of its present secret")]
    scopes: list[str]
    is_active: bool
    state: State
    rate_limit: Annotated[int | None, Field(description="requests per minute")]
    last_used_at: Annotated[datetime | None, Field(description="within half a minute of its last use")]
    created_at: datetime | None
    expires_at: datetime | None
    account_id: str | None
    member: str | None
    made_by: str | None


class KeysAnswer(Answer):
    """The keys of an account, those that are not revoked first, the newest first."""

    keys: list[KeyFields]
    next_cursor: str | None


class KeyAnswer(Answer, KeyFields):
    """A key."""


class NewKeyAnswer(KeyAnswer):
    """A key with its secret."""

    key: Annotated[str, Field(description="shown this once")]


class KeyRateFields(TypedDict):
    """What a key may still do by its own rate."""

    limit: Annotated[int, Field(description="requests per minute")]
    remaining: int
    resets_at: Annotated[datetime, Field(description="when all of it is there again")]


VerificationCode = Literal[
    "valid", "not_found", "expired", "revoked", "disabled", "missing_scope", "rate_limited", "refused"
]


class KeyVerificationAnswer(Answer):
    """What a key is, and what became of the command."""

    valid: Annotated[bool, Field(description="whether the key may do it, and the command was carried out")]
    code: VerificationCode
    key_id: NotRequired[str]
    account_id: NotRequired[str]
    member: NotRequired[str | None]
    role: NotRequired[Annotated[str | None, Field(description="of whoever made the key, in the account, now")]]
    scopes: NotRequired[list[str]]
    expires_at: NotRequired[datetime | None]
    rate_limit: NotRequired[KeyRateFields | None]
    command: NotRequired[Annotated[dict[str, Any], Field(description="what the command answers")]]
    problem: NotRequired[Annotated[ProblemDocument, Field(description="why the command is refused")]]


KEY_BODIES = (NewKeyBody, AccountKeyBody, KeyChangesBody, RotationBody, RevocationBody, KeyVerificationBody)


def key_fields(key: ApiKey, now: datetime, brand: str) -> KeyFields:
    """A key as JSON."""
    state = key.state(now)
    return {
        "id": key.key_id,
        "name": key.name,
        "key_prefix": f"{brand}_{key.prefix}",
        "scopes": [*key.own_scopes],
        "is_active": state == "active",
        "state": state,
        "rate_limit": key.rate_per_minute,
        "last_used_at": key.last_used_at,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "account_id": key.account_id,
        "member": key.member,
        "made_by": key.made_by,
    }


def rate_fields(allowance: Allowance, now: datetime) -> KeyRateFields:
    """What a key may still do, as JSON."""
    resets_at = now + timedelta(seconds=allowance.reset)
    return {"limit": allowance.limit, "remaining": allowance.remaining, "resets_at": resets_at}
