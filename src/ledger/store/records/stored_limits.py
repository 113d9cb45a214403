"""Limits, their counters and their counts as JSON, in events and snapshots, and back. Names are sorted."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import orjson

from ledger.domain.limits import Counted, CountedLimit, Counter, Counts, Limit, Limits, Value
from ledger.domain.periods import CalendarPeriod, Every, Period, TimedPeriod
from ledger.domain.usage import Dimension
from ledger.slices import Steps
from ledger.store.records.stored_values import number, reader_of, text, time

_STEP = 500
"""The counters of a snapshot that are encoded in one step."""
_ENDS = 4_096
"""Ends of windows whose texts are kept, and as many the other way round."""
_VALUES = {str, type(None)}
_every = reader_of(Every)
_dimension = reader_of(Dimension)


def counts_to_json(counts: Counts) -> list[list[Any]]:
    """The counts of an event, each as [limit, value, used, amount, end of the window]: most of what names would take is
    spared, in the log and by whoever reads it."""
    return [
        [limit_id, value, used, amount, until if until is None else text_of(until)]
        for limit_id, value, used, amount, until in counts
    ]


def counts_from_json(data: list[list[Any]]) -> Counts:
    """The counts of an event. Raises TypeError and ValueError for what the ledger does not write."""
    if type(data) is not list:
        raise TypeError(f"{data!r:.64} is no list of counts")
    counts: list[Counted] = []
    for limit_id, value, used, amount, until in data:
        if type(limit_id) is not str or type(value) not in _VALUES:
            raise TypeError(f"{limit_id!r:.64} and {value!r:.64} are not a limit and a value")
        end = until if until is None else _time_of(until)
        counts.append((limit_id, value, number(used), number(amount), end))
    return tuple(counts)


@lru_cache(_ENDS)
def text_of(until: datetime) -> str:
    """The end of a window as canonical JSON has it. Many counters share it, and many events tell it."""
    return cast("str", orjson.loads(orjson.dumps(until, option=orjson.OPT_UTC_Z)))


_time_of = lru_cache(_ENDS)(time)


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
    """The steps to limits with their counters, each as [value, used, end of the window]."""
    found = []
    for one in limits.all:
        counters: list[list[Any]] = []
        for value, (used, until) in one.counters():
            counters.append([value, used, until if until is None else text_of(until)])
            if not len(counters) % _STEP:
                yield
        found.append({"counters": counters, "limit": limit_to_json(one.limit), "since": one.since})
    return found


def counted_limits_from_json(data: list[dict[str, Any]]) -> Limits | None:
    """Limits with their counters."""
    return Limits.of([_counted(one) for one in data])


def _counted(data: dict[str, Any]) -> CountedLimit:
    return CountedLimit.of(_limit(data["limit"]), number(data["since"]), map(_counter, data["counters"]))


def _counter(data: list[Any]) -> tuple[Value, Counter]:
    value, used, until = data
    return value, Counter(number(used), None if until is None else _time_of(until))
