"""The answers about the usage of a person, in the shapes that front ends of such products expect.

Nothing in them is made up: what nobody told the ledger is null.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from api.contract.answers.limits import LimitNow

METRICS: Mapping[str, str] = {
    "rag_queries": "rag_query",
    "agent_executions": "agent_execution",
    "files_indexed": "file_indexed",
    "deployments": "deployment",
}
"""How the shapes call what usage has as its `metric`."""
PeriodName = Literal["today", "week", "month", "all"]


class UsageCounts(TypedDict):
    """How much was used, by the metrics of usage."""

    rag_queries: int
    agent_executions: int
    files_indexed: int
    deployments: int


def usage_counts(quantities: Mapping[str, int]) -> UsageCounts:
    """The counts of some metrics, by the names that usage has for them."""
    return {
        "rag_queries": quantities.get(METRICS["rag_queries"], 0),
        "agent_executions": quantities.get(METRICS["agent_executions"], 0),
        "files_indexed": quantities.get(METRICS["files_indexed"], 0),
        "deployments": quantities.get(METRICS["deployments"], 0),
    }


class DayCounts(UsageCounts):
    """The same of one local day, with the credits that all usage of it took."""

    date: date
    credits: int


class CountLimits(TypedDict):
    """The limit of each count: a number, or `unlimited`."""

    rag_queries: int | Literal["unlimited"]
    agent_executions: int | Literal["unlimited"]
    files_indexed: int | Literal["unlimited"]
    deployments: int | Literal["unlimited"]


class CurrentUsageAnswer(Answer):
    """The usage of a period that goes on."""

    period: PeriodName
    period_start: datetime
    period_end: Annotated[datetime, Field(description="its last second")]
    tz: str
    tier: str
    limits: Annotated[CountLimits, Field(description="the tightest hard limit of the metric that applies to all usage")]
    limits_detail: Annotated[list[LimitNow], Field(description="all limits of the account")]
    usage: UsageCounts
    credits: int
    daily_breakdown: list[DayCounts]


class UsageHistoryAnswer(Answer):
    """The usage of some days."""

    start_date: date
    end_date: date
    tz: str
    data: list[DayCounts]
    daily_breakdown: Annotated[list[DayCounts], Field(description="`data` once more, named as in the current usage")]
    totals: UsageCounts
    credits: int


class Productivity(TypedDict):
    """What was done, as the product told it in usage of these metrics; null where it told nothing."""

    features_shipped: int | None
    bugs_fixed: int | None
    time_saved_hours: Annotated[float | None, Field(description="of the metric `time_saved_minutes`")]
    deployments: int | None
    code_reviews: int | None


class Performance(TypedDict):
    """How work went, as usage tells it; null where it tells nothing."""

    avg_response_time_ms: int | None
    p50_ms: float | None
    p95_ms: float | None
    success_rate: Annotated[float | None, Field(description="percent of uses that did not tell a failure")]
    uptime_percentage: Annotated[float | None, Field(description="percent of uses of the metric `uptime_check`")]


class Roi(TypedDict):
    """What it cost and brought. The ledger knows neither the value of work nor a price of it: all is null."""

    cost_per_month: float | None
    estimated_value: float | None
    roi_multiplier: float | None


class UsageAnalyticsAnswer(Answer):
    """What the usage of a period says about work."""

    period: PeriodName
    tz: str
    within: Annotated[float, Field(description="the largest relative error of a percentile")]
    productivity: Productivity
    performance: Performance
    roi: Roi
