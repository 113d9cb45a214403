"""The limits that a plan sets for its subscribers: those of the ledger, without what only one account knows."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, model_serializer, model_validator

from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands import MAX_ID, NewLimit
from ledger.domain.errors import InvalidField
from ledger.domain.limits import CREDITS, MAX_NEAR
from ledger.domain.periods import LONGEST_TIMED, SHORTEST_TIMED, Every, Period, period_of
from ledger.domain.usage import DIMENSIONS, Dimension

ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""A text without control characters."""
_SEGMENT = r"^[^\x00-\x1f\x7f-\x9f/]*$"

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=ONE_LINE)]
CreditsOrNone = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]


class Strictly(BaseModel):
    """A value that is read strictly: no conversions, no unknown fields. It never changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LimitPeriod(Strictly):
    """The windows of a limit: a local hour, day, week, month or year, or some seconds from the first use."""

    every: Every | None = None
    zone: str | None = Field(None, max_length=MAX_ID, description="IANA time zone; default UTC")
    starts: int | None = Field(
        None, ge=1, le=31, description="the weekday (1 is Monday) or the day of the month; default 1"
    )
    seconds: int | None = Field(
        None, ge=SHORTEST_TIMED, le=LONGEST_TIMED, description="in place of the other fields: the first use opens it"
    )

    def period(self) -> Period:
        """The period as the ledger has it. Raises ValueError."""
        return period_of(self.every, self.zone, self.starts, self.seconds)

    @model_validator(mode="after")
    def _is_a_period(self) -> "LimitPeriod":
        self.period()
        return self

    @model_serializer
    def _as_given(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None}


class PlanLimit(Strictly):
    """One limit of a plan."""

    limit_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=_SEGMENT)]
    amount: CreditsOrNone
    each: Annotated[tuple[Dimension, ...], Strict(False)] = Field(
        (), max_length=1, description="count for each value of this dimension by itself"
    )
    only: dict[Dimension, Id] = Field({}, description="apply to usage with these values; default: to all")
    unit: Id = Field(CREDITS, description=f"`{CREDITS}`, or the metric whose quantity it counts")
    period: LimitPeriod | None = Field(None, description="null: it never resets")
    hard: bool = Field(True, description="whether it refuses, or only counts")
    near: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Strict(False)] = Field(
        (80,), max_length=MAX_NEAR, description="percents that alert"
    )

    def limit(self) -> NewLimit:
        """The limit as the command SetLimits has it."""
        return NewLimit(
            self.limit_id,
            self.amount,
            self.each,
            tuple([(name, self.only[name]) for name in DIMENSIONS if name in self.only]),
            self.unit,
            self.period.period() if self.period else None,
            self.hard,
            self.near,
        )

    @model_validator(mode="after")
    def _is_a_limit(self) -> "PlanLimit":
        try:
            self.limit().check("limit")
        except InvalidField as error:
            [found] = error.facts["errors"]
            raise ValueError(f"is no limit: {found['field'].removeprefix('limit.')} {found['message']}") from error
        return self
