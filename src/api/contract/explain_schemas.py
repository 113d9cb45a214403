"""The shape of an explanation, for the OpenAPI document. Tests compare it with what is served."""

from datetime import datetime

from pydantic import Field

from api.contract.schemas import Balance, Shape
from ledger.domain.amounts import Kind
from ledger.domain.holds import Fate
from ledger.explain.explanation import Reason, Rule


class ExplainedLot(Shape):
    """The lot that a grant, a void or an expiry is about: its credits before and after."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    before: int
    after: int


class ExplainedDraw(ExplainedLot):
    """What was taken from one lot, or from what a hold had drawn of it: before - amount = after."""

    amount: int
    hold_id: str | None = Field(description="the hold that had drawn it before; null: drawn from the lot")
    rule: Rule | None = Field(description="what gave it its place; null: there is no such open lot")
    why: str


class ExplainedReturn(ExplainedLot):
    """Credits that came back, and what became of them; only `returned` ones are in the lot after."""

    amount: int
    fate: Fate
    why: str


class PassedOverLot(Shape):
    """A lot, or the held part of one, that was not drawn."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    amount: int
    reason: Reason = Field(description="`skipped`: for no reason; such an event is not sound")
    hold_id: str | None
    why: str


class ExplainedHold(Shape):
    """The hold that the event is about: the credits in it before and after."""

    hold_id: str
    expires_at: datetime
    before: int
    after: int


class Explained(Shape):
    """One event, explained. `sound` says whether it is what the rules make of the account before it."""

    account_id: str
    position: int
    version: int
    type: str
    recorded_at: datetime
    effective_at: datetime | None = Field(description="of an expiry: when it took effect, recorded or not")
    sentence: str = Field(description="what happened")
    why: list[str]
    draws: list[ExplainedDraw] = Field(description="in the order in which they were made")
    passed_over: list[PassedOverLot] = Field(description="of a draw: the first lots that it did not touch")
    passed_over_count: int = Field(description="all of them")
    returns: list[ExplainedReturn] = Field(description="in the order in which they came back")
    lot: ExplainedLot | None
    hold: ExplainedHold | None
    balance_before: Balance
    balance_after: Balance
    sound: bool
    violations: list[str] = Field(description="where it breaks a rule; empty when it is sound")
