"""Answers what many callers ask about accounts at the same time.

Those who ask while a look is under way share the next one, so that many questions cost one statement. Each look begins
after it was asked for, so nobody gets what was not so any more when they asked.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Together(Generic[Answer]):
    """Asks `look` about at most `most` accounts at once. It answers those that it finds."""

    def __init__(self, look: Callable[[list[str]], Awaitable[Mapping[str, Answer]]], most: int) -> None:
        self._look = look
        self._most = most
        self._asked: dict[str, list[asyncio.Future[Answer | None]]] = defaultdict(list)
        """Those who wait for a look, by account."""
        self._looking: asyncio.Task[None] | None = None

    async def of(self, account_id: str) -> Answer | None:
        """The answer about an account; None when there is none. Raises what the look raises."""
        answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._asked[account_id].append(answer)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_for_all())
        return await answer

    async def _look_for_all(self) -> None:
        try:
            while self._asked:
                some = list(islice(self._asked, self._most))
                await self._answer({name: self._asked.pop(name) for name in some})
        finally:
            self._looking = None

    async def _answer(self, asked: "dict[str, list[asyncio.Future[Answer | None]]]") -> None:
        try:
            found = await self._look(list(asked))
        except Exception as error:  # whatever it is, everybody who waits must hear of it
            for _, answer in _waiting(asked):
                answer.set_exception(error)
        else:
            for name, answer in _waiting(asked):
                answer.set_result(found.get(name))


def _waiting(
    asked: "dict[str, list[asyncio.Future[Answer | None]]]",
) -> "Iterator[tuple[str, asyncio.Future[Answer | None]]]":
    return ((name, answer) for name, answers in asked.items() for answer in answers if not answer.done())
