"""Limits, their counters and their counts as JSON, in events and snapshots, and back. Names are sorted."""

from collections.abc import Iterable
from typing import Any, cast

from ledger.domain.limits import Count, CountedLimit, Counter, Counts, Limit, Limits, Value
from ledger.domain.periods import CalendarPeriod, Every, Period, TimedPeriod
from ledger.domain.usage import Dimension
from ledger.slices import Steps
from ledger.store.records.stored_values import number, reader_of, text, time

_STEP = 500
"""The counters of a snapshot that are encoded in one step."""
_every = reader_of(Every)
_dimension = reader_of(Dimension)


def counts_to_json(counts: Counts) -> list[dict[str, Any]]:
    """The counts of an event."""
    found = []
    for limit_id, value, used, amount, until in counts:
        if until is None:
            count: dict[str, Any] = {"amount": amount, "limit_id": limit_id, "used": used}
        else:
            count = {"amount": amount, "limit_id": limit_id, "until": until, "used": used}
        if value is not None:
            count["value"] = value
        found.append(count)
    return found


def counts_from_json(data: list[dict[str, Any]]) -> Counts:
    """The counts of an event. Raises TypeError, ValueError and KeyError for what the ledger does not write."""
    return tuple([_count(one) for one in data])


def _count(data: dict[str, Any]) -> Count:
    value, until = data.get("value"), data.get("until")
    return Count(
        text(data["limit_id"]),
        None if value is None else text(value),
        number(data["used"]),
        number(data["amount"]),
        None if until is None else time(until),
    )


def limits_to_json(limits: Iterable[Limit]) -> list[dict[str, Any]]:
    """Limits without their counters."""
    return [limit_to_json(limit) for limit in limits]


def limit_to_json(limit: Limit) -> dict[str, Any]:
    """A limit without its counters."""
    said: dict[str, Any] = {
        "allowances": dict(sorted(limit.allowances.items())),
        "amount": limit.amount,
        "each": list(limit.each),
        "hard": limit.hard,
        "limit_id": limit.limit_id,
        "near": list(limit.near),
        "only": dict(sorted(limit.only)),
    }
    if limit.period is not None:
        said["period"] = _period_to_json(limit.period)
    return said | {"source": limit.source, "unit": limit.unit}


def _period_to_json(period: Period) -> dict[str, Any]:
    if isinstance(period, TimedPeriod):
        return {"seconds": period.seconds}
    return {"every": period.every, "starts": period.starts, "zone": period.zone}


def limits_from_json(data: list[dict[str, Any]]) -> tuple[Limit, ...]:
    """Limits without their counters. Raises TypeError, ValueError and KeyError for what the ledger does not write."""
    return tuple([_limit(one) for one in data])


def _limit(data: dict[str, Any]) -> Limit:
    period, hard = data.get("period"), data["hard"]
    if type(hard) is not bool:
        raise TypeError(f"{hard!r:.64} is not true or false")
    return Limit(
        text(data["limit_id"]),
        text(data["source"]),
        number(data["amount"]),
        tuple([cast("Dimension", _dimension(name)) for name in data["each"]]),
        tuple([(cast("Dimension", _dimension(name)), text(value)) for name, value in data["only"].items()]),
        text(data["unit"]),
        None if period is None else _period(period),
        hard,
        tuple([number(percent) for percent in data["near"]]),
        {value: number(amount) for value, amount in data["allowances"].items()},
    )


def _period(data: dict[str, Any]) -> Period:
    if "seconds" in data:
        return TimedPeriod(number(data["seconds"]))
    return CalendarPeriod(_every(data["every"]), text(data["zone"]), number(data["starts"]))


def names_from_json(data: list[Any]) -> tuple[str, ...]:
    """Some ids."""
    return tuple([text(name) for name in data])


# In snapshots ---------------------------------------------------------------------------------------------------------


def counted_limits_to_json(limits: Limits) -> Steps[list[dict[str, Any]]]:
    """The steps to limits with their counters."""
    found = []
    for one in limits.all:
        counters = []
        for place, (value, (used, until)) in enumerate(one.counters(), 1):
            counter: dict[str, Any] = {"used": used} if until is None else {"until": until, "used": used}
            if value is not None:
                counter["value"] = value
            counters.append(counter)
            if not place % _STEP:
                yield
        found.append({"counters": counters, "limit": limit_to_json(one.limit), "since": one.since})
    return found


def counted_limits_from_json(data: list[dict[str, Any]]) -> Limits | None:
    """Limits with their counters."""
    return Limits.of([_counted(one) for one in data])


def _counted(data: dict[str, Any]) -> CountedLimit:
    return CountedLimit.of(_limit(data["limit"]), number(data["since"]), map(_counter, data["counters"]))


def _counter(data: dict[str, Any]) -> tuple[Value, Counter]:
    until = data.get("until")
    return data.get("value"), Counter(number(data["used"]), None if until is None else time(until))
