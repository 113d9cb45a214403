"""The routes of totals: the local days of an account, its usage by group, and the statistics for operators."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Literal, assert_never
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.contract.answers.totals import (
    DailyAnswer,
    GroupName,
    LocalDay,
    MeasuredGroup,
    MeasuredModel,
    MeasuredSums,
    MeasuredTotals,
    Measures,
    OperatorDay,
    OperatorPeriod,
    OperatorTotals,
    StatisticsAnswer,
    UsageAnswer,
    UsageBucket,
    WorkMeasures,
)
from api.contract.problems import invalid
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.periods import Days, DaysBy, Period
from api.http.queries.query import (
    PROBLEMS,
    PROBLEMS_OF_ALL,
    AccountId,
    as_of,
    known_account,
)
from api.http.queries.reads import Reads, reads_of
from ledger.domain.periods import QUARTER
from ledger.domain.usage import DIMENSIONS, Dimension
from measures.refusals import refusals_per_span
from projections.models.days import HOUR, By, hour_starts, quarter_starts
from projections.models.measured import WITHIN, Measured
from projections.models.rollups.projection import ROLLUPS
from projections.models.rollups.queries import Closing, Total, closings, totals
from projections.models.statistics.projection import STATISTICS
from projections.models.statistics.queries import MeasuredWork, measured_work, outstanding, per_span
from projections.models.usage.projection import USAGE, Group
from projections.models.usage.queries import Used, measured_per_span, used

router = APIRouter(route_class=AnswerRoute, tags=["queries"])

MAX_BUCKETS = 3_000
"""The largest number of buckets in one answer: a month in quarters of an hour."""

MOST_MODELS = 20
"""The largest number of providers and models in the statistics; all further ones are one group."""

Granularity = Literal["15m", "1h", "1d", "total"]
_LONGEST: dict[Granularity, timedelta] = {"15m": MAX_BUCKETS * QUARTER, "1h": MAX_BUCKETS * HOUR}
_DIMENSION = rf"({'|'.join(DIMENSIONS)})"


class _Usage(DaysBy):
    granularity: Granularity = Field("1d", description="the length of a bucket, in local time")
    group_by: str | None = Field(
        None,
        pattern=f"^{_DIMENSION}(,{_DIMENSION})*$",
        description=f"any of {', '.join(DIMENSIONS)}, separated by commas",
    )
    limit: int = Field(20, ge=1, le=1_000, description="the number of groups; all further ones are one group, `other`")

    @property
    def dimensions(self) -> list[Dimension]:
        """The dimensions, without duplicates, in the given order."""
        names = self.group_by.split(",") if self.group_by else []
        return sorted((one for one in DIMENSIONS if one in names), key=names.index)


def _buckets(period: Period, granularity: Granularity) -> list[datetime]:
    """The start of each bucket, and the end of the last one. Raises Problem."""
    days = period.starts()
    if days[-1] - days[0] > _LONGEST.get(granularity, timedelta.max):
        raise invalid("to", f"the period must have at most {MAX_BUCKETS} buckets of {granularity}")
    return _cut(days, granularity, period.tz)


def _cut(days: list[datetime], granularity: Granularity, tz: ZoneInfo) -> list[datetime]:
    match granularity:
        case "15m":
            return quarter_starts(days)
        case "1h":
            return hour_starts(days, tz)
        case "1d":
            return days
        case "total":
            return [days[0], days[-1]]
    assert_never(granularity)


@router.get(
    "/v1/accounts/{account_id}/rollups/daily",
    responses=PROBLEMS,
    summary="Totals of an account by local day",
)
async def daily(request: Request, account_id: AccountId, query: Annotated[DaysBy, Query()]) -> JsonAnswer[DailyAnswer]:
    """One row for each day, with days without events. The days add up to `totals`.

    By occurrence, deductions count on the day on which their usage occurred. Balances are always those of that time.
    """
    return JsonAnswer(await daily_of(reads_of(request), account_id, query.period, query.min_position, query.by))


async def daily_of(
    reads: Reads, account_id: str, period: Period, min_position: int = 0, by: By = "recorded"
) -> DailyAnswer:
    """Query the totals. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    starts = period.starts()
    spans = list(pairwise(starts))
    async with reads.views.snapshot(ROLLUPS, USAGE, at_least=min_position) as moment:
        found = await totals(moment, account_id, spans, by)
        parts = await measured_per_span(moment, account_id, starts, by)
        balances = await closings(moment, account_id, starts)
    if not any(map(any, found)) and not any(part.slots for part in parts):
        await known_account(reads.ledger, account_id)
    days: list[LocalDay] = [
        {"date": day, "start": start, "end": end, **_totals(total, part, opening, closing)}
        for day, (start, end), total, part, (opening, closing) in zip(
            period.dates(), spans, found, parts, pairwise(balances), strict=True
        )
    ]
    return {
        **as_of(moment),
        "account_id": account_id,
        "tz": period.tz.key,
        "by": by,
        "within": WITHIN,
        "days": days,
        "totals": _totals(sum(found, Total()), Measured().plus(parts), balances[0], balances[-1]),
    }


def measures(part: Measured, deductions: int) -> Measures:
    """What was measured of so many deductions."""
    return {"quantity": part.quantity(deductions), "metered": part.metered, **_work(part)}


def _work(part: Measured) -> WorkMeasures:
    return {
        "failures": part.failures,
        "timed": part.timed,
        "duration_ms": part.duration_ms,
        "p50_ms": part.percentile(50),
        "p95_ms": part.percentile(95),
    }


def _totals(total: Total, part: Measured, opening: Closing, closing: Closing) -> MeasuredTotals:
    return {
        **measures(part, total.deductions),
        "granted": total.granted,
        "deducted": total.deducted,
        "reversed": total.reversed,
        "expired": total.expired,
        "voided": total.voided,
        "transferred": total.transferred,
        "grants": total.grants,
        "deductions": total.deductions,
        "reversals": total.reversals,
        "expiries": total.expiries,
        "voids": total.voids,
        "transfers": total.transfers,
        "opening_balance": sum(opening),
        "closing_balance": sum(closing),
        "closing_subscription_credits": closing.subscription,
        "closing_permanent_credits": closing.permanent,
    }


@router.get(
    "/v1/accounts/{account_id}/usage",
    responses=PROBLEMS,
    summary="Usage of an account by time and group",
)
async def usage(request: Request, account_id: AccountId, query: Annotated[_Usage, Query()]) -> JsonAnswer[UsageAnswer]:
    """Credits, tokens, counts and what was measured by bucket and group, the largest groups first.

    Captures count as deductions. Later reversals are not subtracted.
    """
    groups = query.dimensions, query.limit
    return JsonAnswer(
        await usage_of(
            reads_of(request), account_id, query.period, query.granularity, *groups, query.min_position, query.by
        )
    )


async def usage_of(
    reads: Reads,
    account_id: str,
    period: Period,
    granularity: Granularity = "1d",
    group_by: Sequence[Dimension] = (),
    limit: int = 20,
    min_position: int = 0,
    by: By = "recorded",
) -> UsageAnswer:
    """Query the totals. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    starts = _buckets(period, granularity)
    async with reads.views.snapshot(USAGE, at_least=min_position) as moment:
        found = await used(moment, account_id, starts, group_by, limit, by)
    if not found:
        await known_account(reads.ledger, account_id)
    buckets: list[UsageBucket] = [{"start": start, "end": end, "groups": []} for start, end in pairwise(starts)]
    for row in found:
        buckets[row.place]["groups"].append(_group(row, group_by))
    return {
        **as_of(moment),
        "account_id": account_id,
        "tz": period.tz.key,
        "granularity": granularity,
        "group_by": list(group_by),
        "by": by,
        "within": WITHIN,
        "buckets": buckets,
        "totals": _sums(found),
        "truncated": any(row.key is None for row in found),
    }


def _group(row: Used, by: Sequence[Dimension]) -> MeasuredGroup:
    return {**_named(row.key, by), **_sums([row])}


def _named(key: Group | None, by: Sequence[Dimension]) -> GroupName:
    if key is None:
        return {"other": True}
    values = dict(zip(DIMENSIONS, key, strict=True))
    name: GroupName = {}
    for dimension in by:
        name[dimension] = values[dimension]
    return name


def _sums(rows: Sequence[Used]) -> MeasuredSums:
    deductions = sum(row.deductions for row in rows)
    return {
        **measures(Measured().plus([row.measured for row in rows]), deductions),
        "credits": sum(row.credits for row in rows),
        "input_tokens": sum(row.input_tokens for row in rows),
        "output_tokens": sum(row.output_tokens for row in rows),
        "cached_tokens": sum(row.cached_tokens for row in rows),
        "uncollected": sum(row.uncollected for row in rows),
        "count": deductions,
    }


_FLOWS = (*("granted", "deducted", "reversed", "expired", "voided", "uncollected", "waived", "deductions", "opened"),)


@router.get(
    "/v1/statistics",
    responses=PROBLEMS_OF_ALL,
    summary="Totals over all accounts by local day",
)
async def statistics(request: Request, query: Annotated[Days, Query()]) -> JsonAnswer[StatisticsAnswer]:
    """Outstanding credits at the end of each day, credits granted, spent and lapsed, and refusals by code.

    How long work took and how often it failed, in total and by provider and model. For operators.
    """
    return JsonAnswer(await statistics_of(reads_of(request), query.period, query.min_position))


async def statistics_of(reads: Reads, period: Period, min_position: int = 0) -> StatisticsAnswer:
    """Query the totals. Raises Problem, NotYetVisible and NotBuilt."""
    starts = period.starts()
    async with reads.views.snapshot(STATISTICS, at_least=min_position) as moment:
        found = await per_span(moment, starts)
        balances = await outstanding(moment, starts[0])
        work = await measured_work(moment, starts[0], starts[-1], MOST_MODELS)
    refused = await refusals_per_span(reads.ledger.log, starts)
    days: list[OperatorDay] = []
    for place, (day, (start, end)) in enumerate(zip(period.dates(), pairwise(starts), strict=True)):
        sums = found.get(place, {})
        balances = {kind: balances[kind] + sums.get(kind, 0) for kind in balances}
        days.append(
            {
                "date": day,
                "start": start,
                "end": end,
                **_operator_totals(sums, balances, refused.get(place, {})),
            }
        )
    flows = {name: sum(sums[name] for sums in found.values()) for name in _FLOWS if found}
    codes = {code for counts in refused.values() for code in counts}
    refusals = {code: sum(counts.get(code, 0) for counts in refused.values()) for code in sorted(codes)}
    return {
        **as_of(moment),
        "tz": period.tz.key,
        "within": WITHIN,
        "days": days,
        "totals": _operator_period(_operator_totals(flows, balances, refusals), work.whole),
        "groups": _models(work),
    }


def _operator_period(sums: OperatorTotals, whole: Measured) -> OperatorPeriod:
    return {**sums, **measures(whole, sums["deductions"])}


def _models(work: MeasuredWork) -> list[MeasuredModel]:
    models: list[MeasuredModel] = [
        {**GroupName(provider=one.provider, model=one.model), **_work(one.measured)} for one in work.models
    ]
    return [*models, {**GroupName(other=True), **_work(work.others)}] if work.others.slots else models


def _operator_totals(sums: dict[str, int], balances: dict[str, int], refusals: dict[str, int]) -> OperatorTotals:
    flows = {name: sums.get(name, 0) for name in _FLOWS}
    return {
        "granted": flows["granted"],
        "deducted": flows["deducted"],
        "reversed": flows["reversed"],
        "spent": flows["deducted"] - flows["reversed"],
        "lapsed": flows["expired"],
        "voided": flows["voided"],
        "uncollected": flows["uncollected"],
        "waived": flows["waived"],
        "deductions": flows["deductions"],
        "accounts_opened": flows["opened"],
        "outstanding": {
            "total": sum(balances.values()),
            "subscription_credits": balances["subscription"],
            "permanent_credits": balances["permanent"],
        },
        "refusals": refusals,
    }
