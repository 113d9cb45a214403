"""The route of the summary: everything that a screen about one account needs, in one request."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request

from api.contract.answers.summary import Average, Expiring, SummaryAnswer, SummaryBalance, Use
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import PROBLEMS, AccountId, Visible, Zone, as_of
from api.http.queries.reads import Reads, reads_of
from ledger.domain.errors import AccountNotFound
from ledger.domain.lots import Lots
from ledger.explain.balance_answer import balance_fields
from ledger.readable_texts import with_descriptions
from ledger.service import AccountAt
from projections.models.days import DAY, dates, day_start
from projections.models.history.entry_answer import Entry, entry
from projections.models.history.projection import HISTORY
from projections.models.history.queries import USED, Wanted, page_in, page_question
from projections.models.rollups.projection import ROLLUPS
from projections.models.rollups.queries import Total, totals_in, totals_question

router = APIRouter(route_class=AnswerRoute, tags=["queries"])

LAST_ENTRIES = 10
SERIES_DAYS = 7
MAX_EXPIRIES = 100


class _Summary(Visible):
    tz: Zone = "UTC"


@router.get(
    "/v1/accounts/{account_id}/summary",
    responses=PROBLEMS,
    summary="Balance, usage and latest entries of an account in one request",
)
async def summary(
    request: Request, account_id: AccountId, query: Annotated[_Summary, Query()]
) -> JsonAnswer[SummaryAnswer]:
    """The balance is computed from the events, never stale; the rest is as of `as_of_position`."""
    return JsonAnswer(await summary_of(reads_of(request), account_id, ZoneInfo(query.tz), query.min_position))


async def summary_of(reads: Reads, account_id: str, tz: ZoneInfo, min_position: int = 0) -> SummaryAnswer:
    """Query the summary. Raises AccountNotFound, NotYetVisible and NotBuilt."""
    ledger = reads.ledger
    day = ledger.clock().astimezone(tz).date()
    spans = _spans(day, tz)
    moment = await reads.views.ask(
        (HISTORY, ROLLUPS),
        totals_question(account_id, spans),
        page_question(Wanted(account_id, types=USED), "newest first", 1),
        page_question(Wanted(account_id), "newest first", LAST_ENTRIES),
        at_least=min_position,
    )
    found = await ledger.account_at(account_id)
    if found is None:
        raise AccountNotFound(account_id)
    sums, used, newest = moment.rows
    deductions, entries = [
        await with_descriptions(ledger.log, account_id, [_entry(row) for row in page_in(rows, limit).rows])
        for rows, limit in ((used, 1), (newest, LAST_ENTRIES))
    ]
    today, this_week, this_month, *series = totals_in(sums, len(spans))
    return {
        **as_of(moment),
        "account_id": account_id,
        "tz": tz.key,
        "standing": found.account.standing,
        "balance": _balance(found),
        "last_deduction": deductions[0] if deductions else None,
        "usage": {"today": _use(today), "this_week": _use(this_week), "this_month": _use(this_month)},
        "average_cost_per_task": _average(this_month),
        "last_seven_days": [{"date": one, **_use(total)} for one, total in zip(_series(day), series, strict=True)],
        "last_entries": entries,
    }


def _entry(row: dict[str, Any]) -> Entry:
    """The answer for a row that came as JSON."""
    return entry(row | {"recorded_at": datetime.fromisoformat(row["recorded_at"])})


def _series(day: date) -> list[date]:
    return dates(day - (SERIES_DAYS - 1) * DAY, day)


def _spans(day: date, tz: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """The spans of today, this week from Monday, this month, and each of the last seven days."""
    end = day_start(day + DAY, tz)
    begins = (day, day - timedelta(days=day.weekday()), day.replace(day=1))
    periods = [(day_start(first, tz), end) for first in begins]
    return periods + [(day_start(one, tz), day_start(one + DAY, tz)) for one in _series(day)]


def _balance(found: AccountAt) -> SummaryBalance:
    return {
        **balance_fields(found.account.balance),
        "as_of": found.as_of,
        "version": found.newest.version,
        "position": found.newest.position,
        "expiries": _expiries(found.account.lots),
    }


def _expiries(lots: Lots) -> list[Expiring]:
    """The next expiries of credits, if they are not spent before. Lots that expire at the same time are one."""
    sums: defaultdict[datetime, int] = defaultdict(int)
    for lot in lots:
        if lot.expires_at is not None:
            sums[lot.expires_at] += lot.remaining
    return [{"expires_at": at, "credits": sums[at]} for at in sorted(sums)[:MAX_EXPIRIES]]


def _use(total: Total) -> Use:
    return {"deducted": total.deducted, "reversed": total.reversed, "deductions": total.deductions}


def _average(total: Total) -> Average:
    """The average cost of a task this month: the exact parts, and the average as a text with two decimal places."""
    hundredths = (200 * total.deducted + total.deductions) // (2 * total.deductions) if total.deductions else None
    average = None if hundredths is None else f"{hundredths // 100}.{hundredths % 100:02}"
    return {"credits": total.deducted, "tasks": total.deductions, "average": average}
