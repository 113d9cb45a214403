"""What answers say of limits: how much of each is left."""

from datetime import datetime
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from ledger.domain.decisions.limiting import period_fields
from ledger.domain.limits import Counts, Limit
from ledger.domain.periods import Every


class CounterNow(TypedDict):
    """What is left of a limit, of all of it or for one value."""

    value: Annotated[str | None, Field(description="whose counter it is, where the limit counts for each value")]
    amount: int
    used: int
    headroom: int
    over: Annotated[int, Field(description="how much more was used than the limit says")]
    resets_at: Annotated[
        datetime | None, Field(description="the end of the window; null: it never resets, or the first use opens it")
    ]


class LimitLeft(CounterNow):
    """What is left of a limit after a command."""

    limit_id: str


class LimitsIfAny(TypedDict):
    """The limits that a command counted against, if there were any."""

    limits: NotRequired[list[LimitLeft]]


class PeriodFields(TypedDict, total=False):
    """The windows of a limit."""

    every: Every
    zone: str
    starts: int
    seconds: int


class LimitFields(TypedDict):
    """A limit without its counters."""

    limit_id: str
    source: str
    each: list[str]
    only: dict[str, str]
    unit: str
    amount: int
    period: PeriodFields | None
    hard: bool
    near: list[int]
    allowances: dict[str, int]


class LimitNow(LimitFields):
    """A limit with its counters: one, or one for each value where it counts so and the question names none."""

    counters: list[CounterNow]
    more_counters: Annotated[int, Field(description="those that are not shown: ask for one by its value")]


class LimitsAnswer(Answer):
    """The limits of an account, and how much they leave of its credits."""

    account_id: str
    as_of: datetime
    version: int
    position: int
    available: Annotated[int, Field(description="the credits of the account that can be used")]
    spendable: Annotated[int, Field(description="of these, what the limits of credits leave to the usage named")]
    binding: Annotated[str | None, Field(description="the limit that leaves least; null: the balance does")]
    limits: list[LimitNow]


def limits_left(counts: Counts) -> list[LimitLeft]:
    """What is left of the limits whose counters moved."""
    return [
        {
            "limit_id": limit_id,
            "value": value,
            "amount": amount,
            "used": used,
            "headroom": amount - used if used < amount else 0,
            "over": used - amount if used > amount else 0,
            "resets_at": until,
        }
        for limit_id, value, used, amount, until in counts
    ]


def limit_fields(limit: Limit) -> LimitFields:
    """A limit without its counters."""
    period: Any = period_fields(limit.period)
    return {
        "limit_id": limit.limit_id,
        "source": limit.source,
        "each": list(limit.each),
        "only": dict(limit.only),
        "unit": limit.unit,
        "amount": limit.amount,
        "period": period,
        "hard": limit.hard,
        "near": list(limit.near),
        "allowances": dict(limit.allowances),
    }
