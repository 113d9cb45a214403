"""Listeners: one per open stream. Each knows how far it was told, and asks for what comes next when it is stirred.

Nothing is queued for a listener. One that is slow, or comes back after a while, reads pages of the log until the tail
has what it wants.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from api.streaming.tail import Tail, Told, tell
from ledger.postgres.errors import LOST
from ledger.store import Feed, StoredRow, UnreadableEvent, read

PAGE = 200
"""Events that a listener is told of at once."""
_RETRY = 0.5
_log = logging.getLogger("credit_ledger.streams")


class Shelf:
    """Where listeners find what there is to tell: the tail, and behind it the log, a few at a time."""

    def __init__(self, tail: Tail, feed: Feed, turns: asyncio.Semaphore) -> None:
        self.tail = tail
        self._feed = feed
        self._turns = turns

    async def log(self, after: int, upto: int) -> list[Told]:
        """A page of the log."""
        async with self._turns:
            return _put_into_words(await self._feed.rows(after, upto, PAGE))

    async def stream(self, account_id: str, after: int) -> list[Told]:
        """A page of one account's events, after a version."""
        async with self._turns:
            return _put_into_words(await self._feed.stream(account_id, after, PAGE))


def _put_into_words(rows: Sequence[StoredRow]) -> list[Told]:
    return [tell(logged) for logged in read(rows)]


class Listener(ABC):
    """One who listens."""

    def __init__(self, shelf: Shelf, account_id: str | None, begin: int) -> None:
        self.account_id = account_id
        """None: all accounts."""
        self.begin = begin
        """The position from which on it is told everything."""
        self.shelf = shelf
        self._woken = asyncio.Event()
        self._stirred = True  # nobody knows what happened before it came
        self._due = False
        self._ended = False
        self._telling: asyncio.Task[Any] | None = None

    def stir(self) -> None:
        """There may be something new for it."""
        self._stirred = True
        self._woken.set()

    def beat(self) -> None:
        """It is time for a sign of life."""
        self._due = True
        self._woken.set()

    def end(self) -> None:
        """No more: whoever tells it stops, in the middle of whatever it does."""
        self._ended = True
        if self._telling is not None:
            self._telling.cancel()

    def told_by(self, telling: "asyncio.Task[Any]") -> None:
        """Who is to stop when it ends."""
        self._telling = telling
        if self._ended:
            telling.cancel()

    async def next(self) -> list[Told]:
        """What is new, a page of it; nothing when it is time for a sign of life."""
        while True:
            if self._stirred and (told := await self._look()):
                return told
            if self._due:
                self._due = False
                return []
            while not (self._stirred or self._due):
                self._woken.clear()
                await self._woken.wait()

    async def _look(self) -> list[Told]:
        self._stirred = False
        try:
            told = await self._pull()
        except (*LOST, UnreadableEvent) as error:
            _log.debug("a listener waits for the log: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)
            self._stirred = True
            return []
        self._stirred = self._stirred or bool(told)
        return told

    @abstractmethod
    async def _pull(self) -> list[Told]:
        """The next page; nothing when it was told all that there is. Raises LOST and UnreadableEvent."""


class LogListener(Listener):
    """Listens to everything. What it was told up to is a position."""

    def __init__(self, shelf: Shelf, begin: int) -> None:
        super().__init__(shelf, None, begin)
        self._position = begin

    async def _pull(self) -> list[Told]:
        told = self.shelf.tail.after(self._position, PAGE)
        if told is None:
            upto = self.shelf.tail.end
            told = await self.shelf.log(self._position, upto)
            self._position = upto if len(told) < PAGE else told[-1].position
        elif told:
            self._position = told[-1].position
        return told


class AccountListener(Listener):
    """Listens to one account. What it was told up to is a version, so what is not its own costs it nothing."""

    def __init__(self, shelf: Shelf, account_id: str, begin: int, version: int) -> None:
        super().__init__(shelf, account_id, begin)
        self._account = account_id
        self._version = version

    async def _pull(self) -> list[Told]:
        told = self.shelf.tail.of(self._account, self._version, PAGE)
        if told is None:
            told = await self.shelf.stream(self._account, self._version)
        if told:
            self._version = told[-1].version
        return told
