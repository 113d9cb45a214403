"""Limits: how much of something an account, a member, a model or a key may use, and the counters that say how much was.

A counter belongs to a limit and, where the limit counts for each value of a dimension, to one value. It counts in a
window of time. A counter whose window has ended is 0: nothing resets it. Credits on hold count as used.

The counters of a limit are in one dict while they are few, and then in shards: a change copies one small dict.
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
_SHARDS = 64
_FEW = 128
"""Counters of one dict: with more of them, a copy takes longer than that of a shard and of the tuple of shards."""
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


Counts = tuple[Count, ...]
Counters = dict[Value, Counter]
"""Never changed once it is in a state: a change copies it."""
Shards = tuple[Counters, ...]
_NONE: Shards = ({},)


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
        return shards[hash(value) & (len(shards) - 1)].get(value) if shards else None

    def counters(self) -> Iterator[tuple[Value, Counter]]:
        """All counters, sorted by value."""
        yield from sorted([pair for shard in self.shards for pair in shard.items()], key=_by_value)

    def without_ended(self, at: datetime) -> "CountedLimit":
        """The limit without the counters whose windows have ended by `at`."""
        left = {name: one for shard in self.shards for name, one in shard.items() if one.is_open(at)}
        return self._replace(shards=_sharded(left))


def _sharded(counters: Counters) -> Shards:
    if len(counters) <= _FEW:
        return (counters,) if counters else ()
    shards = tuple(dict[Value, Counter]() for _ in range(_SHARDS))
    for value, counter in counters.items():
        shards[hash(value) & (_SHARDS - 1)][value] = counter
    return shards


class Limits(NamedTuple):
    """The limits of an account, in their order, how many counters they have, and the place of each id."""

    all: tuple[CountedLimit, ...]
    size: int
    places: Mapping[str, int]

    @classmethod
    def of(cls, limits: Iterable[CountedLimit]) -> "Limits | None":
        """Some limits in their order; None when there are none."""
        all_ = tuple(limits)
        if not all_:
            return None
        size = sum(len(shard) for one in all_ for shard in one.shards)
        return cls(all_, size, {one.limit.limit_id: place for place, one in enumerate(all_)})

    def get(self, limit_id: str) -> CountedLimit | None:
        """The limit with this id; None when there is none."""
        place = self.places.get(limit_id)
        return None if place is None else self.all[place]

    def open_counters(self, at: datetime) -> int:
        """The number of counters whose windows contain `at`."""
        return sum(one.is_open(at) for limit in self.all for shard in limit.shards for one in shard.values())

    def after(self, counts: Sequence[Count], at: datetime) -> "Limits":
        """The limits after an event, recorded at `at`, that carries these counts. Raises KeyError."""
        limits, size, places = list(self.all), self.size, self.places
        if size + len(counts) > MAX_COUNTERS and self._without_room(counts):
            limits = [one.without_ended(at) for one in limits]
            size = sum(len(shard) for one in limits for shard in one.shards)
        for limit_id, value, used, _, until in counts:
            place = places[limit_id]
            limit, since, shards = limits[place]
            counter = new_tuple(Counter, (used, until))
            if len(shards) <= 1:  # nearly always
                [shard] = shards or _NONE
                changed = shard.copy()
                changed[value] = counter
                size += len(changed) - len(shard)
                shards = (changed,) if len(changed) <= _FEW else _sharded(changed)
            else:
                index = hash(value) & (_SHARDS - 1)
                shard = shards[index]
                changed = shard.copy()
                changed[value] = counter
                size += len(changed) - len(shard)
                shards = (*shards[:index], changed, *shards[index + 1 :])
            limits[place] = new_tuple(CountedLimit, (limit, since, shards))
        return new_tuple(Limits, (tuple(limits), size, places))

    def _without_room(self, counts: Sequence[Count]) -> bool:
        new = [one for one in counts if self.all[self.places[one.limit_id]].counter(one.value) is None]
        return self.size + len(new) > MAX_COUNTERS

    def with_allowance(self, limit_id: str, value: str, amount: int | None) -> "Limits":
        """The limits after one allowance was set, or removed. Raises KeyError."""
        place = self.places[limit_id]
        found = self.all[place]
        allowances = {name: one for name, one in found.limit.allowances.items() if name != value}
        if amount is not None:
            allowances[value] = amount
        changed = found._replace(limit=found.limit._replace(allowances=allowances))
        return Limits((*self.all[:place], changed, *self.all[place + 1 :]), self.size, self.places)


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


def _by_value(pair: tuple[Value, Counter]) -> str:
    return pair[0] or ""
