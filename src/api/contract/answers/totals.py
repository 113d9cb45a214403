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


class LocalDay(Totals):
    """One local day: from `start` on, before `end`."""

    date: date
    start: datetime
    end: datetime


class DailyAnswer(AsOf):
    """One row per local day."""

    account_id: str
    tz: str
    days: list[LocalDay]
    totals: Totals


class UsageSums(TypedDict):
    """What was used."""

    credits: int
    input_tokens: int
    output_tokens: int
    count: int


class GroupName(TypedDict, total=False):
    """What a group has in common; null where nothing was said. `other` is all groups beyond the limit."""

    other: Literal[True]
    provider: str | None
    model: str | None
    project: str | None
    member: str | None
    metric: str | None


class UsageGroup(GroupName, UsageSums):
    """What one group used; null where nothing was said. `other` is all groups beyond the limit."""


class UsageBucket(TypedDict):
    """One span of time."""

    start: datetime
    end: datetime
    groups: list[UsageGroup]


class UsageAnswer(AsOf):
    """Buckets of groups, the largest groups first."""

    account_id: str
    tz: str
    granularity: str
    group_by: list[str]
    buckets: list[UsageBucket]
    totals: UsageSums
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
    deductions: int
    accounts_opened: int
    outstanding: Outstanding
    refusals: Annotated[dict[str, int], Field(description="refused commands by code")]


class OperatorDay(OperatorTotals):
    """One local day."""

    date: date
    start: datetime
    end: datetime


class StatisticsAnswer(AsOf):
    """One row per local day."""

    tz: str
    days: list[OperatorDay]
    totals: OperatorTotals
