"""An answer that is the same for everybody: made once for all who ask at about the same time.

Whoever asks for it without a key could otherwise keep the service and its database busy.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")


class SharedAnswer(Generic[AnswerT]):
    """Makes an answer at most once in so many seconds. An answer is never older than that when it is asked for."""

    def __init__(self, lasts: float) -> None:
        self._lasts = lasts
        self._made: asyncio.Task[AnswerT] | None = None
        self._begun_at = 0.0

    async def get(self, make: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """The answer. Raises what `make` raises."""
        now = asyncio.get_running_loop().time()
        if self._made is None or now - self._begun_at > self._lasts:
            self._made = asyncio.ensure_future(_awaited(make))
            self._begun_at = now
        return await asyncio.shield(self._made)


async def _awaited(make: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
    return await make()
