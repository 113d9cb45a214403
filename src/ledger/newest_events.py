"""Looks at the newest events of accounts, for many callers at once.

Those who ask while a look is under way share the next one, so that many questions cost one statement, and each look
begins after it was asked for: nobody gets an event that was not the newest any more when they asked.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator

from ledger.store.log import EventLog
from ledger.store.reader import NewestEvent

_Asked = defaultdict[str, list["asyncio.Future[NewestEvent | None]"]]


class NewestEvents:
    """The newest events of the accounts of a log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._asked: _Asked = defaultdict(list)
        """Those who wait for the next look, by account."""
        self._looking: asyncio.Task[None] | None = None

    async def of(self, account_id: str) -> NewestEvent | None:
        """The newest event of an account; None when there is no such account. It raises what a query may raise."""
        if "\0" in account_id:
            return None  # no text of the database has it, and the statement would fail for everybody who shares it
        answer: asyncio.Future[NewestEvent | None] = asyncio.get_running_loop().create_future()
        self._asked[account_id].append(answer)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await answer

    async def _look(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, defaultdict(list)
                await self._answer(asked)
        finally:
            self._looking = None

    async def _answer(self, asked: _Asked) -> None:
        try:
            async with self._log.reader() as reader:
                found = await reader.newest_events(list(asked))
        except Exception as error:  # whatever it is, everybody who waits must hear of it
            for _, answer in _waiting(asked):
                answer.set_exception(error)
        else:
            for name, answer in _waiting(asked):
                answer.set_result(found.get(name))


def _waiting(asked: _Asked) -> "Iterator[tuple[str, asyncio.Future[NewestEvent | None]]]":
    return ((name, answer) for name, answers in asked.items() for answer in answers if not answer.done())
