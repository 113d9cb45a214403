"""The scheduler: an event loop whose time is made up, and in which nothing happens by chance.

There is no IO, no thread and no clock behind it. Callbacks run in the order in which they were scheduled: asyncio
promises that, and the committer may count on it. What is drawn at random is how long everything takes (the network,
the server, the pauses of the clients), and that decides who comes before whom at every `await`. When nothing is ready,
time jumps to the next timer; when there is no timer either, everybody waits for nobody, and that is an error.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from heapq import heappop
from itertools import count
from typing import Any

LONGEST = 400_000
"""Rounds of the loop that a run may take: one that never ends is found, not waited for."""


class Deadlock(Exception):
    """Nothing is ready, nothing will be, and somebody waits."""


class Endless(Exception):
    """The loop turns for ever."""


class NumberedTask(asyncio.Task[Any]):
    """A task with a hash of its own, so that a set of tasks has the same order in every process."""

    numbers = count()
    _number: int | None = None

    def __hash__(self) -> int:
        if self._number is None:
            self._number = next(NumberedTask.numbers)
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time, in seconds from 0."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.rounds = 0
        self.problems: list[str] = []
        """What nobody has caught: a task that died unseen, a callback that raised."""
        NumberedTask.numbers = count()
        self.set_task_factory(_numbered)  # type: ignore[arg-type]  # the stubs know no factory with options
        self.set_exception_handler(_note)

    def time(self) -> float:
        """Seconds since the beginning."""
        return self.now

    def _run_once(self) -> None:
        """As the loop of asyncio does it, with no file to wait for: waiting makes time pass."""
        timers, ready = self._scheduled, self._ready
        self.rounds += 1
        if self.rounds > LONGEST:
            raise Endless(f"the loop turned {LONGEST} times")
        while timers and timers[0].cancelled():
            heappop(timers)
        if not ready and not self._stopping:
            if not timers:
                raise Deadlock("everybody waits, and nothing is left to happen")
            self.now = max(self.now, timers[0].when())
        while timers and timers[0].when() <= self.now:
            ready.append(heappop(timers))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A timer that is cancelled is dropped when its time has come."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector, so nobody has to be woken."""


def _numbered(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    return NumberedTask(work, loop=loop, **options)


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, VirtualLoop)
    loop.problems.append(f"{context['message']}: {context.get('exception')!r}")
