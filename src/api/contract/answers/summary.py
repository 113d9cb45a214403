"""The answer of a summary: what one screen about one account needs."""

from datetime import date, datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import AsOf
from ledger.domain.account import Standing
from ledger.explain.balance_answer import BalanceFields
from projections.models.history.entry_answer import Entry


class Expiring(TypedDict):
    """Credits that lapse together."""

    expires_at: datetime
    credits: int


class Coming(TypedDict):
    """Credits that start together."""

    effective_at: datetime
    credits: int


class SummaryBalance(BalanceFields):
    """The balance from the truth, what lapses when, and what starts when."""

    as_of: datetime
    version: int
    position: int
    expiries: list[Expiring]
    coming: list[Coming]


class Use(TypedDict):
    """What was spent in a span of time."""

    deducted: int
    reversed: int
    deductions: int


class UsePeriods(TypedDict):
    """Local periods, up to now."""

    today: Use
    this_week: Use
    this_month: Use


class AverageCost(TypedDict):
    """Credits of a deduction on average, this month; `average` is rounded to two places."""

    credits: int
    tasks: int
    average: str | None


class DayOfUse(Use):
    """One local day."""

    date: date


class SummaryAnswer(AsOf):
    """What one screen needs."""

    account_id: str
    tz: str
    standing: Standing
    successor: Annotated[str | None, Field(description="of a closed account: the one into which it was merged")]
    balance: SummaryBalance
    last_deduction: Entry | None
    usage: UsePeriods
    average_cost_per_task: AverageCost
    last_seven_days: list[DayOfUse]
    last_entries: list[Entry]
