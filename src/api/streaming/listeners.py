"""Listeners: one for each open stream. A listener keeps its place and fetches the next events when it is notified.

No events are queued for a listener. A listener that is behind the recent events reads pages of the log until it has
caught up with them.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from api.streaming.recent_events import EventMessage, RecentEvents, message_of
from ledger.postgres.errors import LOST
from ledger.store import Feed, StoredRow, UnreadableEvent, read

PAGE = 200
"""Events that a listener gets at once."""
_RETRY = 0.5
_log = logging.getLogger("credit_ledger.streams")


class EventReader:
    """Reads events for listeners: the recent ones from memory, older ones from the log, a few listeners at a time."""

    def __init__(self, recent: RecentEvents, feed: Feed, reads: asyncio.Semaphore) -> None:
        self.recent = recent
        self._feed = feed
        self._reads = reads

    async def log(self, after: int, upto: int) -> list[EventMessage]:
        """Read a page of the log."""
        async with self._reads:
            return _messages(await self._feed.rows(after, upto, PAGE))

    async def stream(self, account_id: str, after: int) -> list[EventMessage]:
        """Read a page of the events of one account after a version."""
        async with self._reads:
            return _messages(await self._feed.stream(account_id, after, PAGE))


def _messages(rows: Sequence[StoredRow]) -> list[EventMessage]:
    return [message_of(logged) for logged in read(rows)]


class Listener(ABC):
    """One open stream."""

    def __init__(self, reader: EventReader, account_id: str | None, begin: int) -> None:
        self.account_id = account_id
        """The account of the stream; None for all accounts."""
        self.begin = begin
        """The position after which the stream has every event."""
        self.reader = reader
        self._woken = asyncio.Event()
        self._notified = True  # events may have been recorded before it was added
        self._heartbeat_due = False
        self._ended = False
        self._sender: asyncio.Task[Any] | None = None

    def notify(self) -> None:
        """Note that there may be new events."""
        self._notified = True
        self._woken.set()

    def request_heartbeat(self) -> None:
        """Note that it is time for a heartbeat."""
        self._heartbeat_due = True
        self._woken.set()

    def end(self) -> None:
        """End the stream: cancel the task that sends it."""
        self._ended = True
        if self._sender is not None:
            self._sender.cancel()

    def set_sender(self, sender: "asyncio.Task[Any]") -> None:
        """Set the task that sends the stream. It is cancelled when the stream ends."""
        self._sender = sender
        if self._ended:
            sender.cancel()

    async def next_messages(self) -> list[EventMessage]:
        """Wait for a page of new events. An empty list means that it is time for a heartbeat."""
        while True:
            if self._notified and (messages := await self._fetch_or_wait()):
                return messages
            if self._heartbeat_due:
                self._heartbeat_due = False
                return []
            while not (self._notified or self._heartbeat_due):
                self._woken.clear()
                await self._woken.wait()

    async def _fetch_or_wait(self) -> list[EventMessage]:
        self._notified = False
        try:
            messages = await self._fetch()
        except (*LOST, UnreadableEvent) as error:
            _log.debug("an event stream waits for the log: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)
            self._notified = True
            return []
        self._notified = self._notified or bool(messages)
        return messages

    @abstractmethod
    async def _fetch(self) -> list[EventMessage]:
        """The next page; an empty list if there are no more events. Raises LOST and UnreadableEvent."""


class LogListener(Listener):
    """A stream of all accounts. Its place is a position of the log."""

    def __init__(self, reader: EventReader, begin: int) -> None:
        super().__init__(reader, None, begin)
        self._position = begin

    async def _fetch(self) -> list[EventMessage]:
        messages = self.reader.recent.after(self._position, PAGE)
        if messages is None:
            upto = self.reader.recent.end
            messages = await self.reader.log(self._position, upto)
            self._position = upto if len(messages) < PAGE else messages[-1].position
        elif messages:
            self._position = messages[-1].position
        return messages


class AccountListener(Listener):
    """A stream of one account. Its place is a version of the account, so events of other accounts cost nothing."""

    def __init__(self, reader: EventReader, account_id: str, begin: int, version: int) -> None:
        super().__init__(reader, account_id, begin)
        self._account = account_id
        self._version = version

    async def _fetch(self) -> list[EventMessage]:
        messages = self.reader.recent.of(self._account, self._version, PAGE)
        if messages is None:
            messages = await self.reader.stream(self._account, self._version)
        if messages:
            self._version = messages[-1].version
        return messages
