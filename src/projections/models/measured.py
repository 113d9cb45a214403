"""What was measured of usage beside credits and tokens: quantities, failures and durations.

Durations are counted in fixed logarithmic slots, each a factor of 21/19 wide: so a percentile is within five percent of
the exact one, sums of slots are the same in whatever order they are made, and a day has fewer than 200 of them.
Most usage says none of this, so it is stored in rows of its own: a slot, how many are in it, and the total of what was
said. The functions are pure.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.usage import Usage

METERED, QUANTITY, FAILED, AT_ONCE = -4, -3, -2, -1
"""Slots that are no lengths of time: metered uses, quantities of deductions other than 1, failures, and 0 ms."""
WITHIN = 0.05
"""The largest relative error of a percentile."""


def _ends() -> tuple[int, ...]:
    """The longest whole duration of each slot, in milliseconds: the powers of 21/19, rounded down."""
    ends = [1]
    while ends[-1] < MAX_AMOUNT:
        ends.append(21 ** len(ends) // 19 ** len(ends))
    return tuple(ends)


_ENDS = _ends()


def slot_of(duration_ms: int) -> int:
    """The slot of a duration: the least whole number that is not below log(duration_ms) / log(21/19)."""
    return bisect_left(_ENDS, duration_ms) if duration_ms else AT_ONCE


def duration_of(slot: int) -> float:
    """The duration that stands for a slot, in milliseconds: within WITHIN of every duration in it."""
    if slot == AT_ONCE:
        return 0.0
    shortest, longest = _ENDS[slot - 1] + 1 if slot else 1, _ENDS[slot]
    return round(2 * shortest * longest / (shortest + longest), 2)


def is_measured(usage: Usage) -> bool:
    """Whether some usage may count in a slot. Most does not, and this is the quickest way to see it."""
    return "duration_ms" in usage or "quantity" in usage or "success" in usage


def measured_in(usage: Usage) -> list[tuple[int, int]]:
    """The slots that some usage counts in, each with what was said."""
    found = []
    quantity, duration_ms = int(usage.get("quantity", 1)), usage.get("duration_ms")
    if quantity != 1:
        found.append((QUANTITY, quantity))
    if usage.get("success") is False:
        found.append((FAILED, 0))
    if duration_ms is not None:
        found.append((slot_of(int(duration_ms)), int(duration_ms)))
    return found


class Measured(NamedTuple):
    """What was measured of some deductions: the count and the total of each slot."""

    slots: Mapping[int, tuple[int, int]] = {}

    def plus(self, others: Iterable["Measured"]) -> "Measured":
        """The sum of this one and others."""
        slots = dict(self.slots)
        for other in others:
            for slot, (count, total) in other.slots.items():
                counted, totalled = slots.get(slot, (0, 0))
                slots[slot] = counted + count, totalled + total
        return Measured(slots)

    def quantity(self, deductions: int) -> int:
        """The quantity of so many deductions, 1 for each one that says no other, and of all metered uses."""
        count, total = self.slots.get(QUANTITY, (0, 0))
        return deductions - count + total + self.slots.get(METERED, (0, 0))[1]

    @property
    def metered(self) -> int:
        """How many metered uses there are: they cost no credits, and are no deductions."""
        return self.slots.get(METERED, (0, 0))[0]

    @property
    def failures(self) -> int:
        """How many deductions and metered uses say that their work failed."""
        return self.slots.get(FAILED, (0, 0))[0]

    @property
    def timed(self) -> int:
        """How many deductions and metered uses say a duration."""
        return sum(count for slot, (count, _) in self.slots.items() if slot >= AT_ONCE)

    @property
    def duration_ms(self) -> int:
        """The sum of all durations."""
        return sum(total for slot, (_, total) in self.slots.items() if slot >= AT_ONCE)

    def percentile(self, percent: int) -> float | None:
        """The duration, in milliseconds, that `percent` of the durations do not exceed; None without durations."""
        if not (timed := self.timed):
            return None
        rank, reached = percent * (timed - 1) // 100, 0
        for slot in sorted(slot for slot in self.slots if slot >= AT_ONCE):
            reached += self.slots[slot][0]
            if reached > rank:
                return duration_of(slot)
        raise AssertionError("the durations are in slots")
