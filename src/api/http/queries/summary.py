"""The route of the summary: everything that a screen about one account needs, in one request."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request

from api.contract.answers.summary import AverageCost, Coming, Expiring, SummaryAnswer, SummaryBalance, Use
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import PROBLEMS, AccountId, Visible, Zone, as_of
from api.http.queries.reads import Reads, reads_of
from ledger.current_accounts import can_be_stored
from ledger.domain.coming import ComingGrants
from ledger.domain.errors import AccountNotFound
from ledger.domain.lots import Lots
from ledger.domain.periods import DAY, day_start
from ledger.explain.balance_answer import balance_fields
from ledger.readable_texts import with_descriptions
from ledger.service import AccountAt
from projections.models.days import dates, pieces
from projections.models.history.entry_answer import COLUMNS, entries_of
from projections.models.history.projection import HISTORY
from projections.models.history.queries import USED, summaries_question
from projections.models.rollups.projection import ROLLUPS
from projections.models.rollups.queries import Total
from projections.models.views import SharedQuestion

router = APIRouter(route_class=AnswerRoute, tags=["queries"])

LAST_ENTRIES = 10
SERIES_DAYS = 7
_PLACE, _TYPE, _SUMS = COLUMNS.index("sequence"), COLUMNS.index("type"), len(COLUMNS)
"""Where a row has the place of a sum, the type of an entry, and the sums."""
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
    if not can_be_stored(account_id):  # others share the statement
        raise AccountNotFound(account_id)
    day = ledger.clock().astimezone(tz).date()
    question, spans = _question(day, tz)
    moment = await reads.views.ask_together((HISTORY, ROLLUPS), question, account_id, at_least=min_position)
    found = await ledger.account_at(account_id)
    if found is None:
        raise AccountNotFound(account_id)
    rows = entries_of(row for row in moment.rows if row[_TYPE] is not None)
    entries = await with_descriptions(ledger.log, account_id, rows)
    last_deduction = next((one for one in entries if one["type"] in USED), None)
    today, this_week, this_month, *series = _totals(moment.rows, spans)
    return {
        **as_of(moment),
        "account_id": account_id,
        "tz": tz.key,
        "standing": found.account.standing,
        "successor": found.account.successor,
        "balance": _balance(found),
        "last_deduction": last_deduction,
        "usage": {"today": _use(today), "this_week": _use(this_week), "this_month": _use(this_month)},
        "average_cost_per_task": _average(this_month),
        "last_seven_days": [{"date": one, **_use(total)} for one, total in zip(_series(day), series, strict=True)],
        "last_entries": entries[:LAST_ENTRIES],
    }


@lru_cache(1_000)
def _question(day: date, tz: ZoneInfo) -> tuple[SharedQuestion, int]:
    """The question for summaries on a local day, and how many spans it asks about."""
    spans = _spans(day, tz)
    return summaries_question(pieces(spans), LAST_ENTRIES), len(spans)


def _totals(rows: Iterable[tuple[Any, ...]], spans: int) -> list[Total]:
    """The totals of the spans, from the rows that are no entries."""
    found = [Total()] * spans
    for row in rows:
        if row[_TYPE] is None:
            deducted, reversed_, deductions = map(int, row[_SUMS : _SUMS + 3])
            found[row[_PLACE]] += Total(deducted=deducted, reversed=reversed_, deductions=deductions)
    return found


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
        "coming": _coming(found.account.coming),
    }


def _expiries(lots: Lots) -> list[Expiring]:
    """The next expiries of credits, if they are not spent before. Lots that expire at the same time are one."""
    sums: defaultdict[datetime, int] = defaultdict(int)
    for lot in lots:
        if lot.expires_at is not None:
            sums[lot.expires_at] += lot.remaining
    return [{"expires_at": at, "credits": sums[at]} for at in sorted(sums)[:MAX_EXPIRIES]]


def _coming(coming: ComingGrants) -> list[Coming]:
    """What is no part of the balance yet. Grants that start at the same time are one."""
    sums: defaultdict[datetime, int] = defaultdict(int)
    for grant in coming:
        sums[grant.effective_at] += grant.amount
    return [{"effective_at": at, "credits": sums[at]} for at in sorted(sums)[:MAX_EXPIRIES]]


def _use(total: Total) -> Use:
    return {"deducted": total.deducted, "reversed": total.reversed, "deductions": total.deductions}


def _average(total: Total) -> AverageCost:
    """The average cost of a task this month: the exact parts, and the average as a text with two decimal places."""
    hundredths = (200 * total.deducted + total.deductions) // (2 * total.deductions) if total.deductions else None
    average = None if hundredths is None else f"{hundredths // 100}.{hundredths % 100:02}"
    return {"credits": total.deducted, "tasks": total.deductions, "average": average}
