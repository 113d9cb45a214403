"""Slices: long work gives way to other tasks, so that no request holds the event loop for long.

work = Slices()
for item in items:
    ...
    if work.over:
        await work.pause()
"""

import asyncio
from time import perf_counter

SLICE = 0.012
"""Seconds of work after which other tasks run. The promise is 50 ms: an item may take long, and a machine be busy. With
much less, a batch of five hundred commands would be spread over several commits."""


class Slices:
    """The slices of one piece of work."""

    __slots__ = ("_end",)

    def __init__(self) -> None:
        self._end = perf_counter() + SLICE

    @property
    def over(self) -> bool:
        """Whether the current slice has taken its time."""
        return perf_counter() > self._end

    async def pause(self) -> None:
        """Let other tasks run, and begin another slice."""
        await asyncio.sleep(0)
        self._end = perf_counter() + SLICE
