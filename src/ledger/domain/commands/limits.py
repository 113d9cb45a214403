"""Commands about limits: set them, set an allowance, and meter usage that costs nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.domain.amounts import check_amount
from ledger.domain.commands.command import BACK_DATING, check_id, check_instant
from ledger.domain.errors import InvalidField
from ledger.domain.limits import CREDITS, MAX_ALLOWANCES, MAX_LIMITS, MAX_NEAR
from ledger.domain.periods import (
    LAST_START,
    LONGEST_TIMED,
    SHORTEST_TIMED,
    Period,
    TimedPeriod,
    UnknownZone,
    zone,
)
from ledger.domain.usage import DIMENSIONS, Dimension, Usage


@dataclass(frozen=True, slots=True)
class NewLimit:
    """A limit as its source wants it.

    Without `allowances`, those of a limit that goes on stay. `used` is where counters begin that do not go on: a
    number, or with `each` a number for each value.
    """

    limit_id: str
    amount: int
    each: tuple[Dimension, ...] = ()
    only: tuple[tuple[Dimension, str], ...] = ()
    unit: str = CREDITS
    period: Period | None = None
    hard: bool = True
    near: tuple[int, ...] = (80,)
    allowances: Mapping[str, int] | None = None
    used: int | Mapping[str, int] | None = None

    def check(self, name: str) -> None:
        """Raise InvalidField for what no limit can be; `name` is that of the limit in the command."""
        check_id(f"{name}.limit_id", self.limit_id)
        if "/" in self.limit_id or self.limit_id in {".", ".."}:
            raise InvalidField(f"{name}.limit_id", "must not contain a slash or be a dot segment")
        check_amount(self.amount, f"{name}.amount", least=0)
        check_id(f"{name}.unit", self.unit)
        self._check_dimensions(name)
        _check_period(f"{name}.period", self.period)
        if len(self.near) > MAX_NEAR or not all(type(part) is int and 1 <= part <= 100 for part in self.near):
            raise InvalidField(f"{name}.near", f"must be at most {MAX_NEAR} integers from 1 to 100")
        _check_amounts(f"{name}.allowances", self.allowances or {})
        self._check_used(f"{name}.used")
        if self.allowances and not self.each:
            raise InvalidField(f"{name}.allowances", "must be absent: the limit does not count for each value")

    def _check_dimensions(self, name: str) -> None:
        if len(self.each) > 1 or not set(self.each) <= set(DIMENSIONS):
            raise InvalidField(f"{name}.each", f"must be at most one of {', '.join(DIMENSIONS)}")
        for dimension, value in self.only:
            if dimension not in DIMENSIONS:
                raise InvalidField(f"{name}.only", f"must name {', '.join(DIMENSIONS)}")
            check_id(f"{name}.only.{dimension}", value)
        if len(dict(self.only)) < len(self.only):
            raise InvalidField(f"{name}.only", "must name each dimension once")
        if set(self.each) & set(dict(self.only)):
            raise InvalidField(f"{name}.only.{self.each[0]}", "must be absent: the limit counts for each value of it")

    def _check_used(self, name: str) -> None:
        if self.used is None:
            return
        if isinstance(self.used, Mapping) != bool(self.each):
            wanted = "an object with a number for each value" if self.each else "an integer"
            raise InvalidField(name, f"must be absent or {wanted}")
        if isinstance(self.used, Mapping):
            _check_amounts(name, self.used)
        else:
            check_amount(self.used, name, least=0)


def _check_amounts(name: str, amounts: Mapping[str, int]) -> None:
    if len(amounts) > MAX_ALLOWANCES:
        raise InvalidField(name, f"must have at most {MAX_ALLOWANCES} values")
    for value, amount in amounts.items():
        check_id(name, value)
        check_amount(amount, name, least=0)


def _check_period(name: str, period: Period | None) -> None:
    if period is None:
        return
    if isinstance(period, TimedPeriod):
        if type(period.seconds) is not int or not SHORTEST_TIMED <= period.seconds <= LONGEST_TIMED:
            raise InvalidField(f"{name}.seconds", f"must be from {SHORTEST_TIMED} to {LONGEST_TIMED}", period.seconds)
        return
    last = LAST_START[period.every]
    if type(period.starts) is not int or not 1 <= period.starts <= last:
        rule = (
            f"must be absent or from 1 to {last}" if last > 1 else f"must be absent: every {period.every} starts alike"
        )
        raise InvalidField(f"{name}.starts", rule, period.starts)
    try:
        zone(period.zone)
    except UnknownZone as error:
        rule = "must be a time zone of the IANA database, such as Europe/Berlin"
        raise InvalidField(f"{name}.zone", rule, period.zone) from error


@dataclass(frozen=True, slots=True)
class SetLimits:
    """Replace all limits of one source by these.

    A limit that counts as one with its id did before keeps its counters; the others begin.
    """

    account_id: str
    source: str
    limits: tuple[NewLimit, ...]

    def __post_init__(self) -> None:
        check_id("source", self.source)
        if len(self.limits) > MAX_LIMITS:
            raise InvalidField("limits", f"must be at most {MAX_LIMITS}")
        for place, limit in enumerate(self.limits):
            limit.check(f"limits.{place}")
        if len({limit.limit_id for limit in self.limits}) < len(self.limits):
            raise InvalidField("limits", "must have an id of its own each")


@dataclass(frozen=True, slots=True)
class SetAllowance:
    """Set the amount of one value of a limit that counts for each; None removes it."""

    account_id: str
    limit_id: str
    value: str
    amount: int | None = None

    def __post_init__(self) -> None:
        check_id("value", self.value)
        if self.amount is not None:
            check_amount(self.amount, least=0)


@dataclass(frozen=True, slots=True)
class Meter:
    """Count `quantity` units of a metric that cost no credits. `usage` names the metric.

    `occurred_at` says when the usage occurred, at most `back_dating` before the moment of decision.
    """

    account_id: str
    quantity: int
    usage: Usage
    task_id: str | None = None
    occurred_at: datetime | None = None
    back_dating: timedelta = BACK_DATING

    def __post_init__(self) -> None:
        check_amount(self.quantity, "quantity")
        check_id("task_id", self.task_id)
        if self.occurred_at is not None:
            check_instant("occurred_at", self.occurred_at)
        if "metric" not in self.usage:
            raise InvalidField("usage.metric", "is required: it says what is counted")
        if self.usage["metric"] == CREDITS:
            raise InvalidField("usage.metric", "must not be credits: a deduction takes credits, a meter costs none")
        if "quantity" in self.usage:
            raise InvalidField("usage.quantity", "must be absent: the quantity of a metered use is beside its usage")
