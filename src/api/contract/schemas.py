"""The shapes of answers, for the OpenAPI document. Nothing is serialised through them; tests compare the two."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ledger.domain.amounts import Kind
from ledger.domain.events import PaymentStatus


class Shape(BaseModel):
    """Answers may get more fields; they never lose one."""

    model_config = ConfigDict(extra="allow")


class Balance(Shape):
    """Credits at one moment. total = the two kinds together; available = total - held."""

    total: int
    held: int
    available: int
    subscription_credits: int
    permanent_credits: int
    subscription_expire_at: datetime | None = Field(description="the earliest expiry, or null")


class Draw(Shape):
    """The part of a deduction or hold that one lot pays."""

    grant_id: str
    kind: Kind
    amount: int


class Answer(Shape):
    """What every command answers."""

    account_id: str
    version: int = Field(description="the account's version after the command")
    position: int | None = Field(description="the place of its last event in the log; null in a dry run")
    recorded_at: datetime
    balance: Balance
    dry_run: bool | None = None


class Opened(Answer):
    """An opened account; the grant fields are there when it has signup credits."""

    standing: Literal["active"]
    grant_id: str | None = None
    granted: int | None = None
    kind: Kind | None = None
    expires_at: datetime | None = None


class Granted(Answer):
    """A grant."""

    grant_id: str
    granted: int
    kind: Kind
    expires_at: datetime | None


class Deducted(Answer):
    """A deduction."""

    deduction_id: str
    deducted: int
    from_subscription: int
    from_permanent: int
    draws: list[Draw]
    balance_after: int


class Reversed(Answer):
    """A reversal: `lapsed` and `cancelled` say what of it reached no lot."""

    deduction_id: str
    reversed: int
    lapsed: int
    cancelled: int


class Held(Answer):
    """A hold."""

    hold_id: str
    held: int
    expires_at: datetime
    draws: list[Draw]


class Captured(Deducted):
    """A capture: a deduction, and what was released."""

    hold_id: str
    captured: int
    final: bool
    released: int
    lapsed: int
    cancelled: int


class Extended(Answer):
    """An extended hold."""

    hold_id: str
    expires_at: datetime


class Released(Answer):
    """A released hold."""

    hold_id: str
    released: int
    lapsed: int
    cancelled: int


class Voided(Answer):
    """A void."""

    grant_id: str
    voided: int
    uncollected: int


class Paid(Answer):
    """A payment; the grant fields are there when it bought credits."""

    payment_id: str
    payment_status: PaymentStatus
    grant_id: str | None = None
    granted: int | None = None
    kind: Kind | None = None
    expires_at: datetime | None = None


class Refunded(Answer):
    """A refund; the void fields are there when the payment bought credits."""

    payment_id: str
    refund_id: str
    refunded_minor: int
    grant_id: str | None = None
    voided: int | None = None
    uncollected: int | None = None


class Standing(Answer):
    """A change of standing."""

    standing: Literal["active", "frozen", "closed"]


ANSWERS: dict[str, type[Answer]] = {
    "open": Opened,
    "grant": Granted,
    "deduct": Deducted,
    "reverse": Reversed,
    "hold": Held,
    "capture": Captured,
    "extend": Extended,
    "release": Released,
    "void": Voided,
    "payment": Paid,
    "payment_refund": Refunded,
    "freeze": Standing,
    "unfreeze": Standing,
    "close": Standing,
}


class BatchResults(Shape):
    """One result per command, in order: a status, and the answer or problem that it would be alone."""

    results: list[dict[str, Any]]


class Lot(Shape):
    """What remains of one grant."""

    grant_id: str
    kind: Kind
    remaining: int
    expires_at: datetime | None


class BalanceAnswer(Balance):
    """A balance from the truth; `grants` are the open lots in burn order."""

    account_id: str
    as_of: datetime = Field(description="the moment that it is the balance of")
    known_at: datetime = Field(description="only what was recorded by then counts")
    version: int
    position: int
    standing: Literal["active", "frozen", "closed"]
    grants: list[Lot]


class EventShape(Shape):
    """One event as stored."""

    position: int
    account_id: str
    version: int
    type: str
    recorded_at: datetime
    data: dict[str, Any]
    metadata: dict[str, Any]
    schema_: int = Field(alias="schema", description="the version of the event's shape")
    erased: list[str] | None = Field(None, description="texts of `data` that nobody can read any more")


class Feed(Shape):
    """One page of events; ask again with `after=next_after` (or `after_version`)."""

    events: list[EventShape]
    next_after: int


class ReceiptAnswer(Shape):
    """What became of a key."""

    account_id: str
    operation: str
    idempotency_key: str
    version: int
    position: int
    recorded_at: datetime
    answer: dict[str, Any] = Field(description="the original answer")


class ProblemShape(Shape):
    """RFC 9457, with a stable code."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class ProjectionState(Shape):
    """Where a projection stands."""

    within_bounds: bool
    position: int | None
    behind: int = Field(description="events that it has not seen")
    as_of: datetime | None = None
    stopped_at: int | None = Field(description="the position of an event that it cannot apply")
    problem: str | None = None
    rebuilding: bool
    rebuilt_to: int | None = None


class ClockState(Shape):
    """Whether the service goes by the machine's clock. One that was set is not followed."""

    machine_followed: bool
    machine_ahead_seconds: int = Field(description="0 while it is followed")


class CheckpointsState(Shape):
    """The log beside its newest signed checkpoint."""

    holds: bool | None = Field(description="whether the log begins with what it says; null when there is none")
    size: int | None = Field(description="how many events it has")
    position: int = Field(description="the end of the log")
    signed_at: datetime | None = Field(description="when a checkpoint was last signed, by any service")
    problem: str | None = Field(description="why none is signed, or what of the log is not as it says")


class Role(Shape):
    """Who is connected to the database, and what he could do more than append and read: a warning."""

    session_user: str
    current_user: str
    append_only: bool
    could: list[str]


class Health(Shape):
    """Whether it is well."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, bool] | None = None
    role: Role | None = None
    clock: ClockState | None = None
    projections: dict[str, ProjectionState] | None = None
    checkpoints: CheckpointsState | None = None
