"""Explains counts: which counters of limits an event moved, from where to where, and whether it moved the right ones.

What should have counted follows from the event and the account before it. A window that is open has its end in the
account, so only the length of a new window is checked: the database of time zones has no say.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger.domain.account import Account
from ledger.domain.decisions.limiting import Applied, applied_to, returned_to, reversed_parts
from ledger.domain.events import (
    AllowanceSet,
    CreditsDeducted,
    CreditsHeld,
    DeductionReversed,
    Event,
    HoldCaptured,
    HoldExpired,
    HoldReleased,
    LimitsSet,
    UsageMetered,
)
from ledger.domain.holds import Hold
from ledger.domain.limits import CREDITS, MAX_USED, Count, Counts, Limit, Limits, named
from ledger.domain.lots import total
from ledger.domain.periods import LONGEST, CalendarPeriod, TimedPeriod
from ledger.domain.related_events import CountedPart, RelatedEvents
from ledger.domain.usage import NO_USAGE, Usage, quantity_of
from ledger.explain.explanation import ExplainedCount
from ledger.explain.sentences import instant

CountingEvent = (
    CreditsDeducted | CreditsHeld | HoldCaptured | HoldReleased | HoldExpired | DeductionReversed | UsageMetered
)


def explain_counts(before: Account, event: Event) -> tuple[ExplainedCount, ...]:
    """Explain the counts that an event carries."""
    if isinstance(event, LimitsSet):
        limits = {limit.limit_id: limit for limit in event.limits}
        return tuple(_explained(limits.get(one.limit_id), 0, one) for one in named(event.counts))
    if not isinstance(event, CountingEvent):
        return ()
    return tuple(_explained(*_before(before.limits, one, event.recorded_at), one) for one in named(event.counts))


def _before(limits: Limits | None, count: Count, at: datetime) -> tuple[Limit | None, int]:
    found = limits.get(count.limit_id) if limits is not None else None
    if found is None:
        return None, 0
    counter = found.counter(count.value)
    return found.limit, counter.used if counter is not None and counter.is_open(at) else 0


def _explained(limit: Limit | None, used: int, count: Count) -> ExplainedCount:
    change = count.used - used
    name = f"limit {count.limit_id}" + (f", {count.value}" if count.value is not None else "")
    sum_ = f"{used:,} {'-' if change < 0 else '+'} {abs(change):,} = {count.used:,} of {count.amount:,}"
    end = f" until {_local(limit, count.until)}" if count.until is not None else ""
    unit = limit.unit if limit is not None else CREDITS
    why = f"{name}: {sum_}{end}"
    return ExplainedCount(count.limit_id, count.value, unit, used, change, count.used, count.amount, count.until, why)


def _local(limit: Limit | None, at: datetime) -> str:
    """A moment in the time zone of a limit, for people."""
    if limit is None or not isinstance(limit.period, CalendarPeriod) or limit.period.zone == "UTC":
        return instant(at)
    try:
        local = at.astimezone(ZoneInfo(limit.period.zone))
    except ZoneInfoNotFoundError:
        return instant(at)
    return f"{local:%Y-%m-%d %H:%M} {limit.period.zone}"


# Checks ---------------------------------------------------------------------------------------------------------------


def wrong_counts(before: Account, event: Event, related: RelatedEvents) -> Iterator[str]:
    """Violations where an event moves other counters than it should, or moves them wrongly."""
    if isinstance(event, LimitsSet):
        yield from _wrong_limits(before, event)
    elif isinstance(event, AllowanceSet):
        found = before.limits.get(event.limit_id) if before.limits is not None else None
        if found is None:
            yield f"there is no limit {event.limit_id}"
        elif not found.limit.each:
            yield f"limit {event.limit_id} does not count for each value, so it has no allowances"
    elif isinstance(event, CountingEvent) and (before.limits is not None or event.counts is not None):
        expected = _expected(before, before.limits, event, related) if before.limits is not None else []
        yield from _differences(expected, event.counts or (), event.recorded_at)


def _differences(expected: Sequence[Applied], counts: Counts, at: datetime) -> Iterator[str]:
    moved = {(one.limit_id, one.value): one for one in named(counts)}
    if len(moved) < len(counts):
        yield "the event moves one counter twice"
    for one in expected:
        count = moved.pop((one.limit.limit_id, one.value), None)
        if count is None:
            yield f"limit {one.limit.limit_id} counts this, but the event does not say so"
            continue
        yield from _wrong_count(one, count, at)
    for limit_id, _ in moved:
        yield f"the event moves a counter of limit {limit_id}, which does not count this"


def _wrong_count(one: Applied, count: Count, at: datetime) -> Iterator[str]:
    name = one.limit.limit_id
    used = min(max(one.used + one.change, 0), MAX_USED)
    if count.used != used:
        yield f"limit {name} counts {one.used:,} and {one.change:,}, but the event records {count.used:,}"
    if count.amount != one.amount:
        yield f"limit {name} allows {one.amount:,}, but the event records {count.amount:,}"
    if one.change > 0 and one.refuses:
        yield f"limit {name} allows {one.headroom:,} more, but {one.change:,} were used"
    if one.is_open:
        if count.until != one.until:
            yield f"the window of limit {name} was open until {_end(one.until)}, but the event records another end"
    else:
        yield from _wrong_window(one.limit, count, at)


def _wrong_window(limit: Limit, count: Count, at: datetime) -> Iterator[str]:
    """Violations where the end of a new window cannot be right."""
    if limit.period is None or count.until is None:
        if limit.period is not None or count.until is not None:
            yield f"the event records another kind of window than limit {limit.limit_id} has"
        return
    length = count.until - at
    if isinstance(limit.period, TimedPeriod):
        fits = length == timedelta(seconds=limit.period.seconds)
    else:
        on_the_clock = count.until.minute % 15 == count.until.second == count.until.microsecond == 0
        fits = on_the_clock and timedelta(0) < length <= LONGEST[limit.period.every]
    if not fits:
        yield f"no window of limit {limit.limit_id} that begins now ends at {instant(count.until)}"


def _end(until: datetime | None) -> str:
    return "ever" if until is None else instant(until)


def _wrong_limits(before: Account, event: LimitsSet) -> Iterator[str]:
    known = {one.limit.limit_id: one.limit for one in (before.limits.all if before.limits is not None else ())}
    new = {limit.limit_id: limit for limit in event.limits}
    if len(new) < len(event.limits) or len(set(event.kept)) < len(event.kept):
        yield "two limits have the same id"
    for name in event.kept:
        if name not in new:
            yield f"the counters of limit {name} go on, but it is not set"
    for limit in event.limits:
        found = known.get(limit.limit_id)
        if limit.source != event.source or (found is not None and found.source != event.source):
            yield f"limit {limit.limit_id} is of another source"
        if (found is not None and limit.counts_like(found)) != (limit.limit_id in event.kept):
            yield f"the counters of limit {limit.limit_id} go on exactly when it counts as it did before"
    for count in named(event.counts):
        begun = new.get(count.limit_id)
        if begun is None or count.limit_id in event.kept:
            yield f"the event sets a counter of limit {count.limit_id}, which does not begin with it"
        else:
            if count.amount != begun.amount_of(count.value):
                yield f"limit {begun.limit_id} allows {begun.amount_of(count.value):,}, but the event says otherwise"
            yield from _wrong_window(begun, count, event.recorded_at)


# What should have counted ---------------------------------------------------------------------------------------------


def _expected(before: Account, limits: Limits, event: CountingEvent, related: RelatedEvents) -> list[Applied]:
    at = event.recorded_at
    match event:
        case CreditsDeducted() | CreditsHeld():
            return applied_to(limits, event.usage, event.amount, _quantity(event.usage), at)[0]
        case UsageMetered():
            return applied_to(limits, event.usage, 0, event.quantity, at)[0]
        case DeductionReversed():
            deduction = related.deduction(event.deduction_id)
            parts = related.counted(event.deduction_id)
            if deduction is None:
                return []
            done, asked = deduction.reversed + deduction.waived, event.amount + (event.waived or 0)
            return returned_to(limits, reversed_parts(parts, done, asked), at)
        case HoldReleased() | HoldExpired():
            hold = before.holds.get(event.hold_id)
            return returned_to(limits, [_part(hold, hold.amount, hold.quantity)], at) if hold is not None else []
        case HoldCaptured():
            return _captured(before, limits, event)


def _captured(before: Account, limits: Limits, event: HoldCaptured) -> list[Applied]:
    hold = before.holds.get(event.hold_id)
    if hold is None:
        return []
    at, quantity, excess = event.recorded_at, _quantity(event.usage), total(event.from_lots)
    beyond = max(quantity - hold.quantity, 0)
    found = applied_to(limits, event.usage, excess, beyond, at)[0]
    if event.final:
        left = max(hold.amount - event.amount, 0), max(hold.quantity - quantity, 0)
        found += returned_to(limits, [_part(hold, *left)], at)
    return found


def _part(hold: Hold, credits: int, quantity: int) -> CountedPart:
    return CountedPart(hold.version, hold.counts, credits, quantity)


def _quantity(usage: Usage | None) -> int:
    return quantity_of(usage or NO_USAGE)
