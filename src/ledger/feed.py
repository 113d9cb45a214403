"""The feed: the log as those read it who follow it. Commit order is position order, so nothing can be missed."""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.events import Event
from ledger.store.codec import decode_event
from ledger.store.log import EventLog, StoredRow


class Logged(NamedTuple):
    """One event of the log, read."""

    position: int
    account_id: str
    version: int
    event: Event


class UnreadableEvent(Exception):
    """A row of the log that this program does not understand; the message says which, and why."""

    def __init__(self, position: int, problem: Exception) -> None:
        super().__init__(f"the event at position {position} cannot be read: {type(problem).__name__}: {problem}")
        self.position = position


class Feed:
    """Reads an open log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def last_position(self) -> int:
        """The end of the log; 0 when it is empty."""
        async with self._log.reader() as reader:
            return await reader.last_position()

    async def rows(self, after: int, upto: int, limit: int) -> list[StoredRow]:
        """A page of what is stored at positions above `after` and up to `upto`."""
        async with self._log.reader() as reader:
            return await reader.log(after, limit, None, upto)


def read(rows: Sequence[StoredRow]) -> list[Logged]:
    """Stored rows as events. Raises UnreadableEvent."""
    events = []
    for position, account_id, version, topic, state in rows:
        try:
            events.append(Logged(position, account_id, version, decode_event(topic, state)))
        except (ValueError, TypeError, KeyError) as problem:
            raise UnreadableEvent(position, problem) from problem
    return events
