"""The bodies of commands about limits: what a source wants, an allowance, and usage that costs nothing."""

from typing import Annotated

from pydantic import Discriminator, Field, StringConstraints, Tag

from api.contract.bodies import (
    NO_OTHER_NAMES,
    SEGMENT,
    VARIANTS,
    Amount,
    AmountOrNone,
    Body,
    Id,
    Named,
    OccurredAt,
    UsageBody,
)
from ledger.domain.commands import MAX_ID, NewLimit
from ledger.domain.limits import CREDITS, MAX_ALLOWANCES, MAX_LIMITS, MAX_NEAR
from ledger.domain.periods import LONGEST_TIMED, SHORTEST_TIMED, Every, Period, period_of
from ledger.domain.usage import DIMENSIONS, Dimension

Percent = Annotated[int, Field(ge=1, le=100)]
LimitId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=SEGMENT)]
Amounts = Annotated[dict[Id, AmountOrNone], Field(max_length=MAX_ALLOWANCES, json_schema_extra=NO_OTHER_NAMES)]
# With a discriminator, an error is about the one form that the value has, and not about both.
Used = Annotated[
    Annotated[AmountOrNone, Tag(VARIANTS[0])] | Annotated[Amounts, Tag(VARIANTS[1])],
    Discriminator(lambda value: VARIANTS[isinstance(value, dict)]),
]


class PeriodBody(Body):
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
        """The period. Raises ValueError; what no calendar can be is refused by the command."""
        return period_of(self.every, self.zone, self.starts, self.seconds)


class OnlyBody(Body):
    """The usage to which a limit applies: that which names all of these values."""

    provider: Id | None = None
    model: Id | None = None
    project: Id | None = None
    member: Id | None = None
    metric: Id | None = None
    key: Id | None = None
    agent: Id | None = None

    def pairs(self) -> tuple[tuple[Dimension, str], ...]:
        """What was said."""
        return tuple([(name, value) for name in DIMENSIONS if (value := getattr(self, name)) is not None])


class LimitBody(Body):
    """One limit."""

    limit_id: LimitId
    amount: AmountOrNone
    each: list[Dimension] | None = Field(
        None, max_length=1, description="count for each value of this dimension by itself"
    )
    only: OnlyBody | None = Field(None, description="apply to usage with these values; default: to all")
    unit: Id | None = Field(None, description=f"`{CREDITS}` (the default), or the metric whose quantity it counts")
    period: PeriodBody | None = Field(None, description="default: it never resets")
    hard: bool | None = Field(None, description="whether it refuses, or only counts; default true")
    near: list[Percent] | None = Field(None, max_length=MAX_NEAR, description="percents that alert; default [80]")
    allowances: Amounts | None = Field(
        None, description="the amounts of single values of `each`; default: those of before, if the limit goes on"
    )
    used: Used | None = Field(
        None, description="where a counter begins that does not go on: a number, or with `each` one for each value"
    )

    def limit(self) -> NewLimit:
        """The limit as the command has it."""
        return NewLimit(
            self.limit_id,
            self.amount,
            tuple(self.each or ()),
            self.only.pairs() if self.only else (),
            self.unit or CREDITS,
            self.period.period() if self.period else None,
            self.hard is not False,
            (80,) if self.near is None else tuple(self.near),
            self.allowances,
            self.used,
        )


class LimitsBody(Body):
    """Replace all limits of one source. A limit that counts as one with its id did before keeps its counters."""

    source: Id = Field(description="who may replace them, such as plan, team or operator")
    limits: list[LimitBody] = Field(max_length=MAX_LIMITS)


class AllowanceBody(Body):
    """Set the amount of one value of a limit that counts for each."""

    value: Id = Field(description="of the dimension for whose values the limit counts, such as the id of a member")
    amount: AmountOrNone | None = Field(None, description="null: the amount of the limit holds again")


class MeteredUsageBody(UsageBody):
    """What was used."""

    metric: Named


class MeterBody(Body):
    """Count usage that costs no credits against limits. `usage` names the metric."""

    quantity: Amount
    task_id: Id | None = Field(None, description="the idempotency key, when there is no header")
    usage: MeteredUsageBody
    occurred_at: OccurredAt | None = None


class TeamLimitsBody(Body):
    """Replace all limits that a team has set itself. One that counts as the one before it keeps its counters."""

    limits: list[LimitBody] = Field(max_length=MAX_LIMITS)


class TeamAllowanceBody(Body):
    """Set the amount of one member of a limit that a team has set for each member."""

    amount: AmountOrNone | None = Field(None, description="null: the amount of the limit holds again")


TEAM_LIMIT_BODIES = (TeamLimitsBody, TeamAllowanceBody)
