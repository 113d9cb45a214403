"""The routes about money over all accounts, for operators: disputes, subscriptions, and statistics of both."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.contract.answers.billing.money import (
    BillingMonth,
    DisputesAnswer,
    PlanCount,
    Recurring,
    RevenueAnswer,
    SubscriptionsAnswer,
    listed_dispute,
    listed_subscription,
    percent,
    revenue_fields,
)
from api.contract.bodies import ONE_LINE
from api.contract.cursors import MAX_CURSOR, List
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import FIRST_PAGE, MAX_PAGE, PROBLEMS_OF_ALL, Page, Visible, Zone, as_of
from api.http.queries.reads import Reads, reads_of
from ledger.domain.commands import MAX_ID
from ledger.domain.events import DisputeState
from ledger.domain.periods import day_start
from ledger.domain.plans.subscribed import SubscriptionStatus
from projections.models.payments.projection import PAYMENTS
from projections.models.payments.queries import DisputePlace, Revenue
from projections.models.payments.queries import disputes as disputes_page
from projections.models.payments.queries import revenue as revenue_by_month
from projections.models.subscriptions.projection import SUBSCRIPTIONS
from projections.models.subscriptions.queries import Group, Paying, groups, paying
from projections.models.subscriptions.queries import page as subscriptions_page

router = APIRouter(route_class=AnswerRoute, tags=["queries"])
MAX_MONTHS = 60
RUNNING: tuple[SubscriptionStatus, ...] = ("active", "trialing", "past_due", "paused", "incomplete")


class _Page(Visible):
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the previous page")

    @property
    def page(self) -> Page:
        """The page that the parameters ask for."""
        return Page(self.limit, self.cursor, self.min_position)


class _Disputes(_Page):
    state: DisputeState | None = Field(None, description="default: all")


class _Subscriptions(_Page):
    status: SubscriptionStatus | None = Field(None, description="default: all")
    plan: str | None = Field(None, min_length=1, max_length=MAX_ID, pattern=ONE_LINE, description="default: all")


class _Months(Visible):
    months: int = Field(12, ge=1, le=MAX_MONTHS, description="how many, up to this one")
    tz: Zone = "UTC"


@router.get("/v1/disputes", responses=PROBLEMS_OF_ALL, summary="Disputes of payments")
async def disputes(request: Request, query: Annotated[_Disputes, Query()]) -> JsonAnswer[DisputesAnswer]:
    """For operators. Those that changed last come first."""
    return JsonAnswer(await disputes_of(reads_of(request), query.state, query.page))


async def disputes_of(reads: Reads, state: DisputeState | None = None, page: Page = FIRST_PAGE) -> DisputesAnswer:
    """Query one page. Raises Problem, NotYetVisible and NotBuilt."""
    of: List = ("disputes", state)
    key = reads.cursors.read(page.cursor, of, (datetime, str, int))
    before = DisputePlace(*key) if key is not None else None
    async with reads.views.snapshot(PAYMENTS, at_least=page.min_position) as moment:
        rows = await disputes_page(moment, state=state, before=before, limit=page.limit + 1)
    last = rows[page.limit - 1] if len(rows) > page.limit else None
    cursor = reads.cursors.make(of, last["changed_at"], last["account_id"], last["version"]) if last else None
    return {**as_of(moment), "next_cursor": cursor, "disputes": [listed_dispute(row) for row in rows[: page.limit]]}


@router.get("/v1/subscriptions", responses=PROBLEMS_OF_ALL, summary="Subscriptions of all accounts")
async def subscriptions(request: Request, query: Annotated[_Subscriptions, Query()]) -> JsonAnswer[SubscriptionsAnswer]:
    """For operators. In the order of accounts and ids."""
    reads, of = reads_of(request), ("subscriptions", query.status, query.plan)
    account, name = reads.cursors.read(query.cursor, of, (str, str)) or ("", "")
    async with reads.views.snapshot(SUBSCRIPTIONS, at_least=query.min_position) as moment:
        rows = await subscriptions_page(
            moment,
            now=reads.clock(),
            after=(account, name),
            plan=query.plan,
            status=query.status,
            limit=query.limit + 1,
        )
    shown = [listed_subscription(row) for row in rows[: query.limit]]
    last = shown[-1] if len(rows) > query.limit else None
    cursor = reads.cursors.make(of, last["account_id"], last["subscription_id"]) if last else None
    return JsonAnswer({**as_of(moment), "next_cursor": cursor, "subscriptions": shown})


@router.get("/v1/revenue", responses=PROBLEMS_OF_ALL, summary="Active subscriptions, revenue and churn by month")
async def revenue(request: Request, query: Annotated[_Months, Query()]) -> JsonAnswer[RevenueAnswer]:
    """For operators. Subscriptions by plan and recurring revenue are those of now."""
    return JsonAnswer(await revenue_of(reads_of(request), query.months, ZoneInfo(query.tz), query.min_position))


async def revenue_of(reads: Reads, months: int, tz: ZoneInfo, min_position: int = 0) -> RevenueAnswer:
    """Query the statistics of the last local months, this one included. Raises NotYetVisible and NotBuilt."""
    now = reads.clock()
    names, starts = _months(now, months, tz)
    async with reads.views.snapshot(PAYMENTS, SUBSCRIPTIONS, at_least=min_position) as moment:
        found = await groups(moment, now=now)
        lives = await paying(moment, starts, now=now)
        money = await revenue_by_month(moment, starts)
    spans = zip(names, pairwise(starts), lives, money, strict=True)
    return {
        **as_of(moment),
        "tz": tz.key,
        "plans": _plans(found),
        "recurring": _recurring(found),
        "months": [_month(name, *span, life, of_month) for name, span, life, of_month in spans],
    }


def _months(now: datetime, count: int, tz: ZoneInfo) -> tuple[list[str], list[datetime]]:
    """The names of the last local months, and their starts with the end of the last one."""
    today = now.astimezone(tz).date()
    this = today.year * 12 + today.month - 1
    firsts = [today.replace(year=n // 12, month=n % 12 + 1, day=1) for n in range(this - count + 1, this + 2)]
    return [f"{first:%Y-%m}" for first in firsts[:-1]], [day_start(first, tz) for first in firsts]


def _month(name: str, start: datetime, end: datetime, life: Paying, money: Sequence[Revenue]) -> BillingMonth:
    return {
        "month": name,
        "start": start,
        "end": end,
        "revenue": [revenue_fields(one) for one in money],
        "paying": life.at_start,
        "began": life.began,
        "ended": life.ended,
        "lost": life.lost,
        "churn_percent": percent(life.lost, life.at_start),
    }


def _plans(found: Sequence[Group]) -> list[PlanCount]:
    """The plans that have subscriptions, those with the most active ones first."""
    plans = sorted({group.plan for group in found}, key=lambda plan: plan or "")
    counts = [_plan(plan, [group for group in found if group.plan == plan]) for plan in plans]
    return sorted(counts, key=lambda one: -one["active"])


def _plan(plan: str | None, of_plan: Sequence[Group]) -> PlanCount:
    count = {status: sum(group.size for group in of_plan if group.status == status) for status in RUNNING}
    return {
        "plan": plan,
        "active": count["active"],
        "trialing": count["trialing"],
        "past_due": count["past_due"],
        "paused": count["paused"],
        "incomplete": count["incomplete"],
        "ending": sum(group.size for group in of_plan if group.ending),
    }


def _recurring(found: Sequence[Group]) -> list[Recurring]:
    """What subscriptions that are active, or whose payment is due, pay for a month."""
    sums: dict[str, tuple[int, Fraction]] = {}
    for group in found:
        if group.currency is not None and group.monthly_minor and group.status in ("active", "past_due"):
            count, minor = sums.get(group.currency, (0, Fraction(0)))
            sums[group.currency] = count + group.size, minor + group.monthly_minor
    return [
        {"currency": currency, "subscriptions": count, "monthly_minor": int(minor)}
        for currency, (count, minor) in sorted(sums.items())
    ]
