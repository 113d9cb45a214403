"""Sorted values in runs: an immutable sequence in which a change copies a few hundred references, never all of it.

A run is a tuple of at most MAX_RUN values, and the runs are a tuple too. A value is found by bisection of the runs,
then of one run; a change makes one new run and one new tuple of runs, and shares all other runs with the sequence
before. Keys are unique: `key_of` gives the key of a value. See docs/adr/0043-what-a-batch-may-cost.md.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

MAX_RUN = 128
_JOINED = MAX_RUN // 2
"""Neighbours that have at most as many values together become one run, so that there are never many small ones."""

Value = TypeVar("Value")
Runs = tuple[tuple[Value, ...], ...]
KeyOf = Callable[[Value], Any]


class Place(NamedTuple):
    """Where a value is, or would be inserted: the index of its run, and where it is in the run."""

    run: int
    at: int


def in_runs(values: Iterable[Value], key_of: KeyOf[Value]) -> Runs[Value]:
    """Values in any order, as sorted runs."""
    ordered = sorted(values, key=key_of)
    return tuple([tuple(ordered[start : start + MAX_RUN]) for start in range(0, len(ordered), MAX_RUN)])


def place_of(runs: Runs[Value], key: Any, key_of: KeyOf[Value]) -> Place:
    """The place of the first value whose key is not below `key`. There must be a value."""
    run = bisect_left(runs, key, key=lambda run: key_of(run[-1])) if len(runs) > 1 else 0
    if run == len(runs):
        return Place(run - 1, len(runs[-1]))
    return Place(run, bisect_left(runs[run], key, key=key_of))


def value_from(runs: Runs[Value], key: Any, key_of: KeyOf[Value]) -> Value | None:
    """The first value whose key is not below `key`; None when there is none."""
    if not runs:
        return None
    place = place_of(runs, key, key_of)
    run = runs[place.run]
    return run[place.at] if place.at < len(run) else None


def inserted(runs: Runs[Value], value: Value, key_of: KeyOf[Value]) -> Runs[Value]:
    """The runs with one more value, whose key is new."""
    if not runs:
        return ((value,),)
    at, index = place_of(runs, key_of(value), key_of)
    run = runs[at]
    if len(run) < MAX_RUN:
        return (*runs[:at], (*run[:index], value, *run[index:]), *runs[at + 1 :])
    cut = MAX_RUN if index == MAX_RUN else MAX_RUN // 2  # what arrives in order fills the runs
    low, high = run[:cut], run[cut:]
    if index <= cut and high:
        low = (*low[:index], value, *low[index:])
    else:
        high = (*high[: index - cut], value, *high[index - cut :])
    return (*runs[:at], low, high, *runs[at + 1 :])


def replaced(runs: Runs[Value], place: Place, value: Value) -> Runs[Value]:
    """The runs with another value of the same key at a place."""
    at, index = place
    run = runs[at]
    return (*runs[:at], (*run[:index], value, *run[index + 1 :]), *runs[at + 1 :])


def removed(runs: Runs[Value], place: Place) -> Runs[Value]:
    """The runs without the value at a place."""
    at, index = place
    run = runs[at]
    rest = (*run[:index], *run[index + 1 :])
    if not rest:
        return (*runs[:at], *runs[at + 1 :])
    if at + 1 < len(runs) and len(rest) + len(runs[at + 1]) <= _JOINED:
        return (*runs[:at], rest + runs[at + 1], *runs[at + 2 :])
    if at and len(runs[at - 1]) + len(rest) <= _JOINED:
        return (*runs[: at - 1], runs[at - 1] + rest, *runs[at + 1 :])
    return (*runs[:at], rest, *runs[at + 1 :])


def without_first(runs: Runs[Value], count: int) -> Runs[Value]:
    """The runs without their first `count` values."""
    dropped = 0
    while dropped < len(runs) and len(runs[dropped]) <= count:
        count -= len(runs[dropped])
        dropped += 1
    if not count:
        return runs[dropped:]
    return (runs[dropped][count:], *runs[dropped + 1 :])
