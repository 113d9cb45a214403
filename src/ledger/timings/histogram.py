"""Histograms: how often a value was at most each of some bounds, and the sum of all values.

To observe a value is a search in a short tuple and two additions. Whoever shows the histogram takes what was observed
since the last time; that reading is rare, and does all the rest.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

SECOND = 1_000_000_000
"""Nanoseconds, the unit of all times here: what the system's clock counts, so that none is divided."""
_MICROSECONDS = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000)
_SECONDS = (1, 2.5, 5, 10)
TIMES = tuple([count * 1_000 for count in _MICROSECONDS] + [round(count * SECOND) for count in _SECONDS])
"""Bounds for times: from 50 µs to 10 s."""
LAGS = tuple(SECOND * count // 100 for count in (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 3_000, 6_000, 30_000))
"""Bounds for what is awaited in the background: from 10 ms to 5 minutes."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Bounds for numbers of things that are done together."""


class Observed(NamedTuple):
    """What was observed: for each bound how many values are at most that and above the one before, then how many are
    above all; and the sum of the values."""

    counts: Sequence[int]
    total: int


class Histogram:
    """Counts values by bounds. The values are integers, and so is their sum."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0

    def observe(self, value: int, times: int = 1) -> None:
        """Count a value that was seen so many times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._total += value * times

    def take(self) -> Observed:
        """What was observed since the last call."""
        taken = Observed(self._counts, self._total)
        self._counts, self._total = [0] * len(taken.counts), 0
        return taken
