"""Decisions about limits: what counts against which counter, what a limit refuses, and what goes back.

A command that is refused counts nothing. All limits that apply count, and the tightest one binds: a limit that is
exactly full is allowed, and a limit of 0 refuses everything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ledger.domain.account import Account
from ledger.domain.commands import Meter, NewLimit, SetAllowance, SetLimits
from ledger.domain.decisions.back_dating import check_occurred
from ledger.domain.errors import (
    AllowancesLimitExceeded,
    CountersLimitExceeded,
    InvalidField,
    LimitNotFound,
    LimitReached,
    LimitsLimitExceeded,
    UsageRequired,
    shown,
)
from ledger.domain.events import AllowanceSet, LimitsSet, UsageMetered
from ledger.domain.limits import (
    CREDITS,
    MAX_ALLOWANCES,
    MAX_COUNTERS,
    MAX_LIMITS,
    MAX_USED,
    Counted,
    CountedLimit,
    Counts,
    Limit,
    Limits,
    Value,
    excludes,
    missing_dimension,
    named,
    replaced,
    value_in,
)
from ledger.domain.periods import CalendarPeriod, Period, window_end
from ledger.domain.related_events import CountedPart
from ledger.domain.usage import NO_USAGE, Usage


class Applied(NamedTuple):
    """A counter that a use moves by `change`. `used` is before it; `until` is that of a window that is open."""

    limit: Limit
    value: Value
    used: int
    change: int
    is_open: bool
    until: datetime | None

    @property
    def amount(self) -> int:
        """The amount of the limit for this value."""
        return self.limit.amount_of(self.value)

    @property
    def headroom(self) -> int:
        """How much more the limit allows."""
        return max(self.amount - self.used, 0)

    @property
    def refuses(self) -> bool:
        """Whether a hard limit leaves less than the use needs."""
        return self.limit.hard and self.used + self.change > self.amount

    def counted(self, at: datetime) -> Counted:
        """The counter after the use. A use of a counter that is not open opens its window."""
        until = self.until if self.is_open else window_end(self.limit.period, at)
        used = min(max(self.used + self.change, 0), MAX_USED)
        return self.limit.limit_id, self.value, used, self.amount, until


def applied_to(
    limits: Limits, usage: Usage | None, credits: int, quantity: int, at: datetime
) -> tuple[list[Applied], UsageRequired | None]:
    """The counters that a use moves, in the order of the limits, and the refusal where a hard limit cannot tell.

    Limits of credits count `credits`; limits of the metric that usage names count `quantity`.
    """
    said, found = usage or NO_USAGE, list[Applied]()
    refusal: UsageRequired | None = None
    metric = said.get("metric")
    for counted in limits.all:
        limit = counted.limit
        change = credits if limit.unit == CREDITS else quantity if limit.unit == metric else 0
        if not change or (limit.only and excludes(limit, said)):
            continue
        missing = missing_dimension(limit, said)
        if missing is None:
            found.append(_moved(counted, value_in(limit, said), change, at))
        elif limit.hard:
            refusal = refusal or UsageRequired(missing, limit.limit_id)
    return found, refusal


def _moved(counted: CountedLimit, value: Value, change: int, at: datetime) -> Applied:
    counter = counted.counter(value)
    if counter is None or not counter.is_open(at):
        return Applied(counted.limit, value, 0, change, False, None)
    return Applied(counted.limit, value, counter.used, change, True, counter.until)


def count(
    limits: Limits, usage: Usage | None, credits: int, quantity: int, at: datetime, available: int, required: int = 0
) -> Counts | None:
    """The counters after a use of credits and of a metric's quantity; None when no limit applies.

    `available` are the credits of the account, and `required` those that the use needs of them: where these are too few
    and no limit leaves less, the caller refuses. Raises UsageRequired, LimitReached and CountersLimitExceeded.
    """
    counts = _counted_at_once(limits, usage or NO_USAGE, credits, quantity, at)
    if counts is not None:
        return counts or None
    applied, refusal = applied_to(limits, usage, credits, quantity, at)
    if refusal is not None:
        raise refusal
    refusing = [one for one in applied if one.refuses]
    if refusing:
        binding = min(refusing, key=lambda one: one.headroom)
        if required <= available or binding.headroom < available:
            raise _reached(binding, applied, at, available)
        return None
    counts = tuple([one.counted(at) for one in applied])
    _check_counters(limits, counts, at)
    return counts or None


def _counted_at_once(limits: Limits, said: Usage, credits: int, quantity: int, at: datetime) -> Counts | None:
    """The counters after a use, in the usual case: all windows are open, and no limit refuses. Else None.

    Nearly every use is one, and each is counted against several limits: this takes a third of the time.
    """
    counts: list[Counted] = []
    for (limit_id, dimension, amount, hard, limit), shards in zip(limits.rules, limits.shards, strict=True):
        change = credits if limit is None else _change(limit, said, credits, quantity)
        if not change:
            if change is None:
                return None
            continue
        value: Any = None
        if dimension is not None:
            value = said.get(dimension)
            if value is None:
                return None
        if not shards:
            return None
        counter = shards[hash(value) & (len(shards) - 1)].get(value)
        if counter is None:
            return None
        used, until = counter
        used += change
        allowed = amount if limit is None else limit.amount_of(value)
        if (hard and used > allowed) or used > MAX_USED or (until is not None and until <= at):
            return None
        counts.append((limit_id, value, used, allowed, until))
    return tuple(counts)


def _change(limit: Limit, said: Usage, credits: int, quantity: int) -> int | None:
    """By how much a use moves a counter of a limit, 0 where the limit does not apply; None where it cannot tell."""
    change = credits if limit.unit == CREDITS else quantity if limit.unit == said.get("metric") else 0
    if not change or not limit.only:
        return change
    if missing_dimension(limit, said) is not None:
        return None
    return 0 if excludes(limit, said) else change


def _check_counters(limits: Limits, counts: Counts, at: datetime) -> None:
    if limits.size + len(counts) <= MAX_COUNTERS:
        return
    new = 0
    for limit_id, value, *_ in counts:
        found = limits.get(limit_id)
        counter = found.counter(value) if found else None
        new += counter is None or not counter.is_open(at)
    if limits.open_counters(at) + new > MAX_COUNTERS:
        raise CountersLimitExceeded(MAX_COUNTERS)


# What a refusal says --------------------------------------------------------------------------------------------------


def _reached(binding: Applied, applied: Sequence[Applied], at: datetime, available: int) -> LimitReached:
    ordered = [binding, *(one for one in applied if one is not binding)]
    until = _resets_at(binding, at)
    end = f" until {_in_zone(until, binding.limit.period)}" if until is not None else ""
    who = f"{binding.limit.each[0].capitalize()} {shown(binding.value or '')}" if binding.limit.each else "The account"
    only = "".join(f" for {name} {shown(value)}" for name, value in binding.limit.only)
    unit = "credits" if binding.limit.unit == CREDITS else f"of {shown(binding.limit.unit)}"
    sentence = f"{who} may use {binding.headroom} more {unit}{only}{end}"
    facts = [limit_fields(one.limit, one.value, one.used, _resets_at(one, at)) for one in ordered]
    return LimitReached(sentence, binding.change, available, facts)


def _resets_at(one: Applied, at: datetime) -> datetime | None:
    """The end of the window; None where it never ends, and where the first use opens it: a refusal is none."""
    if one.is_open:
        return one.until
    return window_end(one.limit.period, at) if isinstance(one.limit.period, CalendarPeriod) else None


def _in_zone(at: datetime, period: Period | None) -> str:
    return (at.astimezone(ZoneInfo(period.zone)) if isinstance(period, CalendarPeriod) else at).isoformat()


def limit_fields(limit: Limit, value: Value, used: int, resets_at: datetime | None) -> dict[str, Any]:
    """A limit and one of its counters, ready for JSON."""
    amount = limit.amount_of(value)
    return {
        "limit_id": limit.limit_id,
        "source": limit.source,
        "each": {limit.each[0]: value} if limit.each else {},
        "only": dict(limit.only),
        "unit": limit.unit,
        "amount": amount,
        "used": used,
        "headroom": max(amount - used, 0),
        "over": max(used - amount, 0),
        "hard": limit.hard,
        "period": period_fields(limit.period),
        "resets_at": resets_at,
    }


def period_fields(period: Period | None) -> dict[str, Any] | None:
    """A period, ready for JSON; None for one that never ends."""
    if period is None:
        return None
    if isinstance(period, CalendarPeriod):
        return {"every": period.every, "zone": period.zone, "starts": period.starts}
    return {"seconds": period.seconds}


# What goes back -------------------------------------------------------------------------------------------------------


def returned_to(limits: Limits, parts: Iterable[CountedPart], at: datetime) -> list[Applied]:
    """The counters to which parts of earlier uses go back: those that count in the same window as when they counted.

    A limit that began to count later than a use has not counted it.
    """
    found: dict[tuple[str, Value], Applied] = {}
    for part in parts:
        for one in named(part.counts):
            counted = limits.get(one.limit_id)
            if counted is None or counted.since >= part.version:
                continue
            back = part.credits if counted.limit.unit == CREDITS else part.quantity
            counter = counted.counter(one.value)
            if not back or counter is None or counter.until != one.until or not counter.is_open(at):
                continue
            key = one.limit_id, one.value
            before = found.get(key) or _moved(counted, one.value, 0, at)
            found[key] = before._replace(change=before.change - back)
    return list(found.values())


def reversed_parts(parts: Sequence[CountedPart], before: int, amount: int) -> list[CountedPart]:
    """What a reversal of `amount` credits gives back of the parts of a deduction of which `before` were reversed.

    The first part goes back first. Of a metric's quantity it is the same share as of the credits, rounded down over all
    reversals together, so that several partial reversals give back as much as a single one.
    """
    credits, quantity = sum(part.credits for part in parts), sum(part.quantity for part in parts)
    after = before + amount
    shares = quantity * before // credits, quantity * after // credits
    found = []
    passed_credits = passed_quantity = 0
    for part in parts:
        back = _between(before, after, passed_credits, part.credits)
        units = _between(*shares, passed_quantity, part.quantity)
        found.append(part._replace(credits=back, quantity=units))
        passed_credits += part.credits
        passed_quantity += part.quantity
    return found


def _between(first: int, last: int, start: int, size: int) -> int:
    """How much of first..last is within the `size` units from `start` on."""
    return min(max(last - start, 0), size) - min(max(first - start, 0), size)


def give_back(limits: Limits | None, parts: Iterable[CountedPart], at: datetime) -> Counts | None:
    """The counters after parts of earlier uses went back; None when none changes."""
    if limits is None:
        return None
    return tuple([one.counted(at) for one in returned_to(limits, parts, at)]) or None


# The commands ---------------------------------------------------------------------------------------------------------


def set_limits(command: SetLimits, account: Account, at: datetime) -> LimitsSet:
    """Decide new limits of a source. Raises InvalidField, LimitsLimitExceeded and CountersLimitExceeded."""
    before = {one.limit.limit_id: one.limit for one in (account.limits.all if account.limits else ())}
    others = [limit for limit in before.values() if limit.source != command.source]
    for place, wanted in enumerate(command.limits):
        found = before.get(wanted.limit_id)
        if found is not None and found.source != command.source:
            raise InvalidField(f"limits.{place}.limit_id", f"is one of the source {shown(found.source)!r}")
    if len(others) + len(command.limits) > MAX_LIMITS:
        raise LimitsLimitExceeded(MAX_LIMITS)

    new = tuple([_limit(wanted, command.source, before.get(wanted.limit_id)) for wanted in command.limits])
    kept = tuple([one.limit_id for one in new if (old := before.get(one.limit_id)) and one.counts_like(old)])
    counts = tuple(_beginning(command.limits, new, kept, at))
    after = replaced(account.limits, command.source, new, kept, account.version + 1)
    if after is not None:
        _check_counters(after, counts, at)
    return LimitsSet(at, account.balance, command.source, new, kept, counts or None)


def _limit(wanted: NewLimit, source: str, before: Limit | None) -> Limit:
    allowances: Mapping[str, int] = wanted.allowances or {}
    if wanted.allowances is None and before is not None and wanted.each == before.each:
        allowances = before.allowances
    return Limit(
        wanted.limit_id,
        source,
        wanted.amount,
        wanted.each,
        tuple(sorted(wanted.only)),
        wanted.unit,
        wanted.period,
        wanted.hard,
        tuple(sorted(set(wanted.near))),
        allowances,
    )


def _beginning(
    wanted: Sequence[NewLimit], new: Sequence[Limit], kept: Sequence[str], at: datetime
) -> Iterator[Counted]:
    """The counters that do not begin at 0."""
    for asked, limit in zip(wanted, new, strict=True):
        if asked.used is None or limit.limit_id in kept:
            continue
        begun = sorted(asked.used.items()) if isinstance(asked.used, Mapping) else [(None, asked.used)]
        for value, used in begun:
            yield limit.limit_id, value, used, limit.amount_of(value), window_end(limit.period, at)


def set_allowance(command: SetAllowance, account: Account, at: datetime) -> AllowanceSet:
    """Decide an allowance. Raises LimitNotFound, InvalidField and AllowancesLimitExceeded."""
    found = account.limits.get(command.limit_id) if account.limits else None
    if found is None:
        raise LimitNotFound(command.limit_id)
    if not found.limit.each:
        raise InvalidField("value", "must be that of a limit that counts for each value, and this one does not")
    allowances = found.limit.allowances
    if command.amount is not None and command.value not in allowances and len(allowances) >= MAX_ALLOWANCES:
        raise AllowancesLimitExceeded(MAX_ALLOWANCES)
    return AllowanceSet(at, account.balance, command.limit_id, command.value, command.amount)


def meter(command: Meter, account: Account, at: datetime) -> UsageMetered:
    """Decide a use that costs nothing.

    Raises OccurredAtOutOfBounds, UsageRequired, LimitReached and CountersLimitExceeded.
    """
    if command.occurred_at is not None:
        check_occurred(command.occurred_at, at, command.back_dating)
    counts = None
    if account.limits is not None:
        counts = count(account.limits, command.usage, 0, command.quantity, at, account.balance.available)
    metric = str(command.usage["metric"])
    usage, task_id, occurred_at = command.usage, command.task_id, command.occurred_at
    return UsageMetered(at, account.balance, metric, command.quantity, usage, counts, task_id, occurred_at)
