"""The shapes of answers from projections, for the OpenAPI document. Tests compare them with what is served."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from api.contract.schemas import Balance, Shape
from ledger.domain.amounts import Kind
from ledger.domain.changes import EntryType
from ledger.domain.events import PaymentStatus, Source


class AsOf(Shape):
    """From projections: everything up to a position of the log, and nothing after it."""

    as_of_position: int = Field(description="the last position that is in this answer")
    as_of: datetime | None = Field(description="when the event there was recorded; null before the first")


class Page(AsOf):
    """One page of a list; `next_cursor` asks for the next, and is null on the last."""

    next_cursor: str | None


class Entry(Shape):
    """One signed line of the history, with the balance before and after it."""

    sequence: int = Field(description="ascending and unique within the account; gaps mean nothing")
    version: int = Field(description="the event that made it")
    recorded_at: datetime
    type: EntryType
    credits: int = Field(description="signed; the two kinds together")
    subscription_credits: int
    permanent_credits: int
    balance_before: int
    balance_after: int
    description: str | None
    task_id: str | None
    transaction_id: str | None
    payment_id: str | None
    source: Source | None
    grant_id: str | None
    deduction_id: str | None
    hold_id: str | None
    usage: dict[str, Any] | None


class HistoryAnswer(Page):
    """Entries in order."""

    entries: list[Entry]


class Grant(Shape):
    """A grant, and where its credits are: amount = remaining + held + spent + lapsed + voided."""

    grant_id: str
    kind: Kind
    source: Source
    status: Literal["open", "spent", "expired", "voided"]
    amount: int
    remaining: int
    held: int
    spent: int
    lapsed: int
    voided: int
    granted_at: datetime
    expires_at: datetime | None
    transaction_id: str | None
    payment_id: str | None
    description: str | None


class GrantsAnswer(Page):
    """Grants, newest first."""

    grants: list[Grant]


class Hold(Shape):
    """A hold: what was reserved, what still is, and what was captured."""

    hold_id: str
    status: Literal["open", "captured", "released", "expired"]
    amount: int
    held: int
    captured: int
    placed_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    task_id: str | None
    description: str | None


class HoldsAnswer(Page):
    """Holds, newest first."""

    holds: list[Hold]


class Bought(Shape):
    """A grant that a payment paid for."""

    grant_id: str
    kind: Kind
    amount: int
    remaining: int
    held: int
    voided: int
    expires_at: datetime | None


class Payment(Shape):
    """A payment, in minor units of its currency."""

    payment_id: str
    provider: str
    status: PaymentStatus
    amount_minor: int
    refunded_minor: int
    currency: str
    plan: str | None
    recorded_at: datetime
    refunded_at: datetime | None
    version: int
    grants: list[Bought]


class PaymentsAnswer(Page):
    """Payments, newest first."""

    payments: list[Payment]


class ListedAccount(Balance):
    """An account as of its last event."""

    account_id: str
    standing: Literal["active", "frozen", "closed"]
    opened_at: datetime
    last_activity_at: datetime
    version: int


class AccountsAnswer(Page):
    """Accounts in the order that was asked for."""

    accounts: list[ListedAccount]


class Totals(Shape):
    """What happened in a span of time, and the balance at its ends."""

    granted: int
    deducted: int
    reversed: int
    expired: int
    voided: int
    grants: int
    deductions: int
    reversals: int
    expiries: int
    voids: int
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


class UsageSums(Shape):
    """What was used."""

    credits: int
    input_tokens: int
    output_tokens: int
    count: int


class UsageGroup(UsageSums):
    """What one group used; null where nothing was said. `other` is all groups beyond the limit."""

    other: Literal[True] | None = None
    provider: str | None = None
    model: str | None = None
    project: str | None = None
    member: str | None = None
    metric: str | None = None


class UsageBucket(Shape):
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


class Outstanding(Shape):
    """What all accounts hold at the end of a span of time."""

    total: int
    subscription_credits: int
    permanent_credits: int


class OperatorTotals(Shape):
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
    refusals: dict[str, int] = Field(description="refused commands by code")


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


class Expiring(Shape):
    """Credits that lapse together."""

    expires_at: datetime
    credits: int


class SummaryBalance(Balance):
    """The balance from the truth, and what lapses when."""

    as_of: datetime
    version: int
    position: int
    expiries: list[Expiring]


class Use(Shape):
    """What was spent in a span of time."""

    deducted: int
    reversed: int
    deductions: int


class UsePeriods(Shape):
    """Local periods, up to now."""

    today: Use
    this_week: Use
    this_month: Use


class Average(Shape):
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
    standing: Literal["active", "frozen", "closed"]
    balance: SummaryBalance
    last_deduction: Entry | None
    usage: UsePeriods
    average_cost_per_task: Average
    last_seven_days: list[DayOfUse]
    last_entries: list[Entry]
