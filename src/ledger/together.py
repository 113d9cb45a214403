"""Answers what many callers ask at the same time, such as about accounts.

Those who ask while a look is under way share the next one, so that many questions cost one statement. Each look begins
after it was asked for, so nobody gets what was not so any more when they asked.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping
from itertools import islice
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
"""What is asked about: an account, for example."""
Answer = TypeVar("Answer")


class Together(Generic[Key, Answer]):
    """Asks `look` about at most `most` keys at once, in at most `looks` looks at a time. It answers what they find."""

    def __init__(self, look: Callable[[list[Key]], Awaitable[Mapping[Key, Answer]]], most: int, looks: int = 1) -> None:
        self._look = look
        self._most = most
        self._looks = looks
        self._asked: dict[Key, list[asyncio.Future[Answer | None]]] = defaultdict(list)
        """Those who wait for a look, by key."""
        self._looking: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._looking

    async def of(self, key: Key) -> Answer | None:
        """The answer about a key; None when there is none. Raises what the look raises."""
        answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._asked[key].append(answer)
        if len(self._looking) < self._looks:
            self._looking.add(asyncio.create_task(self._look_for_all()))
        return await answer

    async def _look_for_all(self) -> None:
        try:
            while self._asked:
                some = list(islice(self._asked, self._most))
                await self._answer({key: self._asked.pop(key) for key in some})
        finally:
            looking = asyncio.current_task()
            assert looking is not None, "each look is a task"
            self._looking.discard(looking)

    async def _answer(self, asked: "dict[Key, list[asyncio.Future[Answer | None]]]") -> None:
        try:
            found = await self._look(list(asked))
        except Exception as error:  # whatever it is, everybody who waits must hear of it
            for _, answer in _waiting(asked):
                answer.set_exception(error)
        else:
            for key, answer in _waiting(asked):
                answer.set_result(found.get(key))


def _waiting(
    asked: "dict[Key, list[asyncio.Future[Answer | None]]]",
) -> "Iterator[tuple[Key, asyncio.Future[Answer | None]]]":
    return ((key, answer) for key, answers in asked.items() for answer in answers if not answer.done())
