"""Limits: how much of something an account, a member, a model or a key may use, and the counters that say how much was.

A counter belongs to a limit and, where the limit counts for each value of a dimension, to one value. It counts in a
window of time. A counter whose window has ended is 0: nothing resets it. Credits on hold count as used.

The counters of a limit are in one dict while they are few, and then in shards: a change copies one small dict. They are
apart from the limits, which no use changes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.domain.periods import Period
from ledger.domain.usage import Dimension, Usage

CREDITS = "credits"
"""The unit of limits that count credits. Every other unit is a metric, of which they count the quantity."""
MAX_LIMITS = 50
MAX_COUNTERS = 10_000
"""Open counters of an account."""
MAX_ALLOWANCES = 1_000
"""Allowances of a limit."""
MAX_NEAR = 10
"""Percents of a limit that alert."""
MAX_USED = 2**53 - 1
"""Where a counter stops. Only that of a soft limit gets there."""
_SHARDS = ((8, 1), (256, 16), (MAX_COUNTERS, 64))
"""Up to how many counters of a limit are in how many shards. A change copies a shard and the tuple of shards, so both
must be small."""
new_tuple = tuple.__new__
"""Makes a named tuple in half the time. Commands with limits make many."""

Value = str | None
"""The value of a counter's dimension; None where the limit has one counter for all."""


class Limit(NamedTuple):
    """A rule of how much may be used."""

    limit_id: str
    """The caller's word, unique in the account."""
    source: str
    """Who set it, and may replace it: a plan, a team, an operator."""
    amount: int
    each: tuple[Dimension, ...] = ()
    """At most one: there is a counter for each value of it."""
    only: tuple[tuple[Dimension, str], ...] = ()
    """It applies to usage with these values."""
    unit: str = CREDITS
    period: Period | None = None
    """None: it never resets."""
    hard: bool = True
    """A hard limit refuses; a soft one only counts."""
    near: tuple[int, ...] = (80,)
    """Percents at which somebody wants to be told."""
    allowances: Mapping[str, int] = {}
    """The amounts of single values, in place of `amount`."""

    def amount_of(self, value: Value) -> int:
        """The amount of one value: its allowance, or else that of the limit."""
        return self.allowances.get(value, self.amount) if value is not None and self.allowances else self.amount

    def counts_like(self, other: "Limit") -> bool:
        """Whether it counts the same things in the same windows as another limit, so that counters may go on."""
        return (self.each, self.only, self.unit, self.period) == (other.each, other.only, other.unit, other.period)


class Counter(NamedTuple):
    """What was used in a window, which ends at `until`; None: it never ends."""

    used: int
    until: datetime | None

    def is_open(self, at: datetime) -> bool:
        """Whether its window contains `at`."""
        return self.until is None or at < self.until


class Count(NamedTuple):
    """One counter after an event, as the event records it, with the amount that the limit had at that moment."""

    limit_id: str
    value: Value
    used: int
    amount: int
    until: datetime | None

    @property
    def headroom(self) -> int:
        """How much more may be used."""
        return max(self.amount - self.used, 0)

    @property
    def over(self) -> int:
        """How much more was used than the limit says."""
        return max(self.used - self.amount, 0)


Counted = tuple[str, Value, int, int, datetime | None]
"""The fields of a `Count` in a plain tuple, as events have it. A named one takes four times as long to make, and every
command with limits makes some."""
Counts = tuple[Counted, ...]
Used = tuple[int, datetime | None]
"""The fields of a `Counter` in a plain tuple, as states have it."""
Counters = dict[Value, Used]
"""Never changed once it is in a state: a change copies it."""
Shards = tuple[Counters, ...]
_NONE: Shards = ({},)


def named(counts: Counts | None) -> Iterator[Count]:
    """The counts of an event with the names of their fields."""
    return map(Count._make, counts or ())


class CountedLimit(NamedTuple):
    """A limit with its counters. `since` is the version of the event with which they began."""

    limit: Limit
    since: int
    shards: Shards = ()

    @classmethod
    def of(cls, limit: Limit, since: int, counters: Iterable[tuple[Value, Counter]]) -> "CountedLimit":
        """A limit with some counters."""
        return cls(limit, since, _sharded(dict(counters)))

    def counter(self, value: Value) -> Counter | None:
        """The counter of a value, whether its window has ended or not; None when nothing was ever counted."""
        shards = self.shards
        found = shards[hash(value) & (len(shards) - 1)].get(value) if shards else None
        return None if found is None else Counter(*found)

    def counters(self) -> Iterator[tuple[Value, Counter]]:
        """All counters, sorted by value."""
        for value, used in sorted([pair for shard in self.shards for pair in shard.items()], key=_by_value):
            yield value, new_tuple(Counter, used)

    def without_ended(self, at: datetime) -> "CountedLimit":
        """The limit without the counters whose windows have ended by `at`."""
        left = {name: one for shard in self.shards for name, one in shard.items() if Counter(*one).is_open(at)}
        return self._replace(shards=_sharded(left))


def _sharded(counters: Mapping[Value, Used]) -> Shards:
    if not counters:
        return ()
    count = _shards_of(len(counters))
    shards = tuple(Counters() for _ in range(count))
    for value, counter in counters.items():
        shards[hash(value) & (count - 1)][value] = counter
    return shards


def _shards_of(counters: int) -> int:
    return next((shards for most, shards in _SHARDS if counters <= most), _SHARDS[-1][1])


def _with_new(shards: Shards, value: Value, used: Used) -> Shards:
    """The shards with a counter of a value that had none, in more shards when they are too many for these."""
    count = 1 + sum(map(len, shards))
    if not shards or _shards_of(count) != len(shards):
        return _sharded({name: one for shard in shards for name, one in shard.items()} | {value: used})
    index = hash(value) & (len(shards) - 1)
    return (*shards[:index], {**shards[index], value: used}, *shards[index + 1 :])


Rule = tuple[str, Dimension | None, int, bool, Limit | None]
"""What the usual decision needs of a limit: its id, the dimension by which it counts, its amount, whether it is hard,
and the limit itself where it counts a metric, applies to some values only, or has allowances."""


def _rule(limit: Limit) -> Rule:
    plain = limit.unit == CREDITS and not limit.only and not limit.allowances
    return limit.limit_id, limit.each[0] if limit.each else None, limit.amount, limit.hard, None if plain else limit


class Limits(NamedTuple):
    """The limits of an account, in their order, how many counters they have, and the place of each id."""

    limits: tuple[Limit, ...]
    since: tuple[int, ...]
    """Of each limit: the version of the event with which its counters began."""
    shards: tuple[Shards, ...]
    """Of each limit: its counters."""
    size: int
    places: Mapping[str, int]
    rules: tuple[Rule, ...]
    """Of each limit: what the usual decision needs of it."""

    @classmethod
    def of(cls, limits: Iterable[CountedLimit]) -> "Limits | None":
        """Some limits in their order; None when there are none."""
        all_ = tuple(limits)
        if not all_:
            return None
        size = sum(len(shard) for one in all_ for shard in one.shards)
        places = {one.limit.limit_id: place for place, one in enumerate(all_)}
        rules = tuple(_rule(one.limit) for one in all_)
        return cls(
            tuple([one.limit for one in all_]),
            tuple([one.since for one in all_]),
            tuple([one.shards for one in all_]),
            size,
            places,
            rules,
        )

    @property
    def all(self) -> tuple[CountedLimit, ...]:
        """The limits, each with its counters."""
        return tuple(map(CountedLimit, self.limits, self.since, self.shards))

    def get(self, limit_id: str) -> CountedLimit | None:
        """The limit with this id; None when there is none."""
        place = self.places.get(limit_id)
        return None if place is None else CountedLimit(self.limits[place], self.since[place], self.shards[place])

    def open_counters(self, at: datetime) -> int:
        """The number of counters whose windows contain `at`."""
        return sum(
            until is None or at < until for shards in self.shards for shard in shards for _, until in shard.values()
        )

    def after(self, counts: Counts, at: datetime) -> "Limits":
        """The limits after an event, recorded at `at`, that carries these counts. Raises KeyError."""
        limits, since, all_shards, size, places, rules = self
        changed = list(all_shards)
        if size + len(counts) > MAX_COUNTERS and self._without_room(counts):
            changed = [one.without_ended(at).shards for one in self.all]
            size = sum(len(shard) for shards in changed for shard in shards)
        for limit_id, value, used, _, until in counts:
            place = places[limit_id]
            shards = changed[place] or _NONE
            index = hash(value) & (len(shards) - 1)
            counters = shards[index].copy()
            if value not in counters:
                size += 1
                changed[place] = _with_new(changed[place], value, (used, until))
                continue
            counters[value] = used, until
            if len(shards) == 1:
                changed[place] = (counters,)
            else:
                others = list(shards)  # a third of the time of joining what is before it and behind it
                others[index] = counters
                changed[place] = tuple(others)
        return new_tuple(Limits, (limits, since, tuple(changed), size, places, rules))

    def _without_room(self, counts: Counts) -> bool:
        all_ = self.all
        new = [value for limit_id, value, *_ in counts if all_[self.places[limit_id]].counter(value) is None]
        return self.size + len(new) > MAX_COUNTERS

    def with_allowance(self, limit_id: str, value: str, amount: int | None) -> "Limits":
        """The limits after one allowance was set, or removed. Raises KeyError."""
        place = self.places[limit_id]
        found = self.limits[place]
        allowances = {name: one for name, one in found.allowances.items() if name != value}
        if amount is not None:
            allowances[value] = amount
        changed = found._replace(allowances=allowances)
        limits = (*self.limits[:place], changed, *self.limits[place + 1 :])
        return self._replace(limits=limits, rules=tuple(map(_rule, limits)))


def replaced(
    limits: Limits | None, source: str, new: Sequence[Limit], kept: Sequence[str], version: int
) -> Limits | None:
    """The limits after those of one source were replaced at `version`. The counters of the `kept` ids go on."""
    before = {one.limit.limit_id: one for one in (limits.all if limits else ())}
    others = [one for one in before.values() if one.limit.source != source]
    own = [
        before[limit.limit_id]._replace(limit=limit) if limit.limit_id in kept else CountedLimit(limit, version)
        for limit in new
    ]
    return Limits.of([*others, *own])


def missing_dimension(limit: Limit, usage: Usage) -> Dimension | None:
    """The first dimension by which a limit counts and that usage does not name; None when it names them all."""
    for name, _ in limit.only:
        if name not in usage:
            return name
    return limit.each[0] if limit.each and limit.each[0] not in usage else None


def excludes(limit: Limit, usage: Usage) -> bool:
    """Whether usage has another value than those to which a limit applies only."""
    return any(usage.get(name, value) != value for name, value in limit.only)


def value_in(limit: Limit, usage: Usage) -> Value:
    """The value of the counter that usage moves."""
    return str(usage[limit.each[0]]) if limit.each else None


def _by_value(pair: tuple[Value, Used]) -> str:
    return pair[0] or ""
