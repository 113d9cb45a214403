"""Slices: long work gives way to other tasks, so that no request holds the event loop for long.

work = Slices()
for item in items:
    ...
    if work.over:
        await work.pause()

Long work that is no coroutine is a generator, which yields where it may give way: `await in_slices(steps, work)` gives
way there, `at_once(steps)` does not.
"""

import asyncio
from collections.abc import Generator
from time import perf_counter
from typing import TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work in steps, and its result."""

SLICE = 0.008
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


async def in_slices(steps: Steps[Result], work: Slices) -> Result:
    """The result of some steps, between which other tasks run when a slice of `work` is over."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if work.over:
            await work.pause()


def at_once(steps: Steps[Result]) -> Result:
    """The result of some steps, without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
