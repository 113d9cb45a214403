"""What usage says about work. Pure: what it does not say is None, and never a guess."""

from collections.abc import Sequence

from api.contract.answers.totals import MeasuredGroup, MeasuredSums
from api.contract.people.usage import Performance, Productivity

UPTIME = "uptime_check"
SAVED = "time_saved_minutes"


def productivity_of(groups: Sequence[MeasuredGroup]) -> Productivity:
    """What was done, by the metrics with which a product tells it."""
    minutes = _quantity(groups, SAVED)
    return {
        "features_shipped": _quantity(groups, "feature_shipped"),
        "bugs_fixed": _quantity(groups, "bug_fixed"),
        "time_saved_hours": None if minutes is None else round(minutes / 60, 2),
        "deployments": _quantity(groups, "deployment"),
        "code_reviews": _quantity(groups, "code_review"),
    }


def performance_of(totals: MeasuredSums, groups: Sequence[MeasuredGroup]) -> Performance:
    """How work went: durations and failures of all uses, and the checks of uptime."""
    checks = [group for group in groups if group.get("metric") == UPTIME]
    return {
        "avg_response_time_ms": round(totals["duration_ms"] / totals["timed"]) if totals["timed"] else None,
        "p50_ms": totals["p50_ms"],
        "p95_ms": totals["p95_ms"],
        "success_rate": _without_failure([totals]),
        "uptime_percentage": _without_failure(checks),
    }


def _quantity(groups: Sequence[MeasuredGroup], metric: str) -> int | None:
    """How much of a metric was used; None where it was never told."""
    told = [group["quantity"] for group in groups if group.get("metric") == metric]
    return sum(told) if told else None


def _without_failure(sums: Sequence[MeasuredSums]) -> float | None:
    """The percentage of uses that told no failure; None without uses."""
    uses = sum(one["count"] + one["metered"] for one in sums)
    return round(100 * (1 - sum(one["failures"] for one in sums) / uses), 2) if uses else None
