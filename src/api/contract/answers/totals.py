"""The answers of totals: an account's local days, its usage by group, and the operators' statistics."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import AsOf


class Totals(TypedDict):
    """What happened in a span of time, and the balance at its ends."""

    granted: int
    deducted: int
    reversed: int
    expired: int
    voided: int
    transferred: Annotated[int, Field(description="signed: received from other accounts less sent to them")]
    grants: int
    deductions: int
    reversals: int
    expiries: int
    voids: int
    transfers: int
    opening_balance: int
    closing_balance: int
    closing_subscription_credits: int
    closing_permanent_credits: int


class WorkMeasures(TypedDict):
    """How long work took, and how often it failed. Percentiles are within 5 % of the exact ones."""

    failures: Annotated[int, Field(description="uses whose work failed")]
    timed: Annotated[int, Field(description="uses that say a duration")]
    duration_ms: Annotated[int, Field(description="the sum of all durations")]
    p50_ms: Annotated[float | None, Field(description="null without durations")]
    p95_ms: float | None


class Measures(WorkMeasures):
    """What was measured of deductions and metered uses."""

    quantity: Annotated[int, Field(description="of the metric; 1 for each deduction that says no other")]
    metered: Annotated[int, Field(description="metered uses, which cost no credits and are not in `count`")]


By = Annotated[
    Literal["recorded", "occurred"],
    Field(description="the time that counts: of recording, or at which the usage occurred"),
]


class MeasuredTotals(Totals, Measures):
    """What happened in a span of time, the balance at its ends, and what was measured."""


class LocalDay(MeasuredTotals):
    """One local day: from `start` on, before `end`."""

    date: date
    start: datetime
    end: datetime


class DailyAnswer(AsOf):
    """One row per local day."""

    account_id: str
    tz: str
    by: By
    within: float
    days: list[LocalDay]
    totals: MeasuredTotals


class UsageSums(TypedDict):
    """What was used."""

    credits: int
    input_tokens: int
    output_tokens: int
    cached_tokens: Annotated[int, Field(description="read from a cache, and not among the input tokens")]
    uncollected: Annotated[int, Field(description="credits that were asked for and not available")]
    count: int


class GroupName(TypedDict, total=False):
    """What a group has in common; null where nothing was said. `other` is all groups beyond the limit."""

    other: Literal[True]
    provider: str | None
    model: str | None
    project: str | None
    member: str | None
    metric: str | None
    key: str | None
    agent: str | None


class UsageGroup(GroupName, UsageSums):
    """What one group used; null where nothing was said. `other` is all groups beyond the limit."""


class MeasuredSums(UsageSums, Measures):
    """What was used, and what was measured of it."""


class MeasuredGroup(GroupName, MeasuredSums):
    """What one group used; null where nothing was said. `other` is all groups beyond the limit."""


class UsageBucket(TypedDict):
    """One span of time."""

    start: datetime
    end: datetime
    groups: list[MeasuredGroup]


class UsageAnswer(AsOf):
    """Buckets of groups, the largest groups first."""

    account_id: str
    tz: str
    granularity: str
    group_by: list[str]
    by: By
    within: float
    buckets: list[UsageBucket]
    totals: MeasuredSums
    truncated: bool


class Outstanding(TypedDict):
    """What all accounts hold at the end of a span of time."""

    total: int
    subscription_credits: int
    permanent_credits: int


class OperatorTotals(TypedDict):
    """What happened over all accounts; spent = deducted - reversed."""

    granted: int
    deducted: int
    reversed: int
    spent: int
    lapsed: int
    voided: int
    uncollected: Annotated[int, Field(description="what deductions asked for and was not available")]
    waived: Annotated[int, Field(description="what reversals waived of such amounts, whenever they were asked for")]
    deductions: int
    accounts_opened: int
    outstanding: Outstanding
    refusals: Annotated[dict[str, int], Field(description="refused commands by code")]


class OperatorPeriod(OperatorTotals, Measures):
    """All days together, and what was measured of their usage."""


class MeasuredModel(GroupName, WorkMeasures):
    """The work of one provider and model; null where nothing was said. `other` is all groups beyond the limit."""


class OperatorDay(OperatorTotals):
    """One local day."""

    date: date
    start: datetime
    end: datetime


class StatisticsAnswer(AsOf):
    """One row per local day."""

    tz: str
    within: Annotated[float, Field(description="the largest relative error of percentiles")]
    days: list[OperatorDay]
    totals: OperatorPeriod
    groups: Annotated[
        list[MeasuredModel],
        Field(description="by provider and model, those with the most uses that say a duration or a failure first"),
    ]
