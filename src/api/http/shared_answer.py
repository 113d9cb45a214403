"""An answer that is the same for everybody: made once for all who ask at about the same time.

Whoever asks for it without a key could otherwise keep the service and its database busy. The answer is made after it
was asked for, so it is never old: those who ask more often than it is made wait for the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")


class SharedAnswer(Generic[AnswerT]):
    """Begins to make an answer at most once in `pause` seconds."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._next: asyncio.Task[AnswerT] | None = None
        """The answer that has not been begun."""
        self._begun_at = float("-inf")

    async def get(self, make: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """The answer. Raises what `make` raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._make(make))
        return await asyncio.shield(self._next)

    async def _make(self, make: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        loop = asyncio.get_running_loop()
        wait = self._begun_at + self._pause - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        self._begun_at = loop.time()
        self._next = None
        return await make()
