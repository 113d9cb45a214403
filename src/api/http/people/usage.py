"""Routes of the usage of a person: now, over some days, what it says about work, and the limits that it reaches."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal, NamedTuple, assert_never
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.contract.answers.limits import LimitNow, LimitsAnswer
from api.contract.answers.totals import MeasuredGroup, UsageAnswer
from api.contract.people.usage import (
    METRICS,
    CountLimits,
    CurrentUsageAnswer,
    DayCounts,
    PeriodName,
    UsageAnalyticsAnswer,
    UsageCounts,
    UsageHistoryAnswer,
    usage_counts,
)
from api.http.json_answer import JsonAnswer
from api.http.people.analytics import performance_of, productivity_of
from api.http.people.person_route import PersonRoute, own_account, people_of, user_of
from api.http.people.tiers import tier_of
from api.http.queries.limits import limits_answer
from api.http.queries.periods import MAX_DAYS, Period
from api.http.queries.query import PROBLEMS, Day, Parameters, Zone, now_of, problems
from api.http.queries.reads import reads_of
from api.http.queries.totals import usage_of
from ledger.domain.errors import AccountNotFound
from projections.models.days import FIRST_DATE

router = APIRouter(route_class=PersonRoute, tags=["people"])
_ASKING = problems(401, 403, 404, 422, 429, 500, 503)
_MOST_METRICS = 1_000
_DAYS = 30
_SECOND = timedelta(seconds=1)


class _Zoned(Parameters):
    tz: Zone | None = Field(None, description="default: that of the profile, else UTC")


class _Current(_Zoned):
    period: PeriodName = "month"


class _History(_Zoned):
    days: int = Field(_DAYS, ge=1, le=MAX_DAYS, description="how many days, where `start_date` is absent")
    start_date: Day | None = None
    end_date: Day | None = Field(None, description="default: today")
    metric_type: str | None = Field(
        None, pattern=f"^({'|'.join([*METRICS, *METRICS.values()])})$", description="only this count; the others are 0"
    )


class _Asked(NamedTuple):
    """Whose usage of which days."""

    account_id: str
    days: Period
    usage: UsageAnswer


@router.get("/api/usage/current", responses=PROBLEMS, summary="The usage of this day, week or month, or of all")
async def current_usage(request: Request, query: Annotated[_Current, Query()]) -> JsonAnswer[CurrentUsageAnswer]:
    """By local days. Weeks begin on Monday. `all` goes back three years at most."""
    asked = await _of_period(request, query.period, query.tz)
    limits, days = (await _limits(request, asked.account_id))["limits"], _days(asked, None)
    begin, end = asked.days.span()
    answer: CurrentUsageAnswer = {
        "period": query.period,
        "period_start": begin,
        "period_end": end - _SECOND,
        "tz": asked.days.tz.key,
        "tier": await tier_of(request, asked.account_id),
        "limits": _count_limits(limits),
        "limits_detail": limits,
        "usage": _sum(days),
        "credits": asked.usage["totals"]["credits"],
        "daily_breakdown": days,
    }
    return JsonAnswer(answer)


@router.get("/api/usage/history", responses=PROBLEMS, summary="The usage of some days")
async def usage_history(request: Request, query: Annotated[_History, Query()]) -> JsonAnswer[UsageHistoryAnswer]:
    """A row for each local day, with those on which nothing was used."""
    zone = await _zone(request, query.tz)
    end = query.end_date or now_of(request).astimezone(zone).date()
    start = query.start_date or max(end - timedelta(days=query.days - 1), FIRST_DATE)
    asked = await _used(request, Period(start, end, zone))
    days = _days(asked, query.metric_type)
    answer: UsageHistoryAnswer = {
        "start_date": start,
        "end_date": end,
        "tz": zone.key,
        "data": days,
        "daily_breakdown": days,
        "totals": _sum(days),
        "credits": asked.usage["totals"]["credits"],
    }
    return JsonAnswer(answer)


@router.get("/api/usage/analytics", responses=PROBLEMS, summary="What usage says about work")
async def usage_analytics(request: Request, query: Annotated[_Current, Query()]) -> JsonAnswer[UsageAnalyticsAnswer]:
    """What nobody told the ledger is null."""
    asked = await _of_period(request, query.period, query.tz)
    groups = [group for bucket in asked.usage["buckets"] for group in bucket["groups"]]
    answer: UsageAnalyticsAnswer = {
        "period": query.period,
        "tz": asked.days.tz.key,
        "within": asked.usage["within"],
        "productivity": productivity_of(groups),
        "performance": performance_of(asked.usage["totals"], groups),
        "roi": {"cost_per_month": None, "estimated_value": None, "roi_multiplier": None},
    }
    return JsonAnswer(answer)


@router.get("/api/limits", responses=_ASKING, summary="The limits of a person's own account now")
async def own_limits(request: Request) -> JsonAnswer[LimitsAnswer]:
    """With what each leaves. Those of a team are at `/api/teams/{team_id}/limits`."""
    return JsonAnswer(await _limits(request, own_account(request)))


async def _of_period(request: Request, name: PeriodName, tz: str | None) -> _Asked:
    zone = await _zone(request, tz)
    today = now_of(request).astimezone(zone).date()
    since = user_of(request).created_at.astimezone(zone).date()
    return await _used(request, Period(*_span(name, today, since), zone))


def _span(name: PeriodName, today: date, since: date) -> tuple[date, date]:
    """The first and the last day of a period that goes on."""
    match name:
        case "today":
            return today, today
        case "week":
            monday = today - timedelta(days=today.weekday())
            return monday, monday + timedelta(days=6)
        case "month":
            first = today.replace(day=1)
            return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        case "all":
            return min(today, max(since, today - timedelta(days=MAX_DAYS - 1))), today
    assert_never(name)


async def _zone(request: Request, tz: str | None) -> ZoneInfo:
    """The time zone of the answer."""
    profile = await people_of(request).profiles.of(user_of(request).user_id)
    return ZoneInfo(tz or profile.zone or "UTC")


async def _used(request: Request, days: Period) -> _Asked:
    account_id = own_account(request)
    usage = await usage_of(reads_of(request), account_id, days, "1d", ("metric",), _MOST_METRICS)
    return _Asked(account_id, days, usage)


def _days(asked: _Asked, only: str | None) -> list[DayCounts]:
    """A row for each day; with `only` one of the counts."""
    buckets = zip(asked.days.dates(), asked.usage["buckets"], strict=True)
    return [
        {"date": day, "credits": sum(group["credits"] for group in bucket["groups"]), **_counts(bucket["groups"], only)}
        for day, bucket in buckets
    ]


def _counts(groups: Sequence[MeasuredGroup], only: str | None) -> UsageCounts:
    wanted = METRICS.get(only, only) if only is not None else None
    named = {metric: group["quantity"] for group in groups if (metric := group.get("metric")) is not None}
    return usage_counts({metric: count for metric, count in named.items() if wanted in {None, metric}})


def _sum(days: Sequence[DayCounts]) -> UsageCounts:
    return {
        "rag_queries": sum(day["rag_queries"] for day in days),
        "agent_executions": sum(day["agent_executions"] for day in days),
        "files_indexed": sum(day["files_indexed"] for day in days),
        "deployments": sum(day["deployments"] for day in days),
    }


async def _limits(request: Request, account_id: str) -> LimitsAnswer:
    found = await reads_of(request).ledger.account_at(account_id)
    if found is None:
        raise AccountNotFound(account_id)
    return limits_answer(found, {})


def _count_limits(limits: Sequence[LimitNow]) -> CountLimits:
    def of(name: str) -> int | Literal["unlimited"]:
        amounts = [one["amount"] for one in limits if _binds_all(one, METRICS[name])]
        return min(amounts) if amounts else "unlimited"

    return {
        "rag_queries": of("rag_queries"),
        "agent_executions": of("agent_executions"),
        "files_indexed": of("files_indexed"),
        "deployments": of("deployments"),
    }


def _binds_all(limit: LimitNow, metric: str) -> bool:
    return limit["hard"] and limit["unit"] == metric and not limit["each"] and not limit["only"]
