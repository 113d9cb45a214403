"""The feed: the log as those read it who follow it. Commit order is position order, so nothing can be missed."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from ledger.domain.events import Event
from ledger.store.chain import Record
from ledger.store.codec import decode_event
from ledger.store.log import EventLog, Reader, StoredRow


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
    """Reads an open log. What it hands out stays: no failover takes it back."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def last_position(self) -> int:
        """The end of the log; 0 when it is empty."""
        async with self._log.reader() as reader:
            return await reader.last_position()

    async def rows(self, after: int, upto: int, limit: int) -> list[StoredRow]:
        """A page of what is stored at positions above `after` and up to `upto`."""
        async with self._log.reader() as reader:
            return await self._log.confirmed(reader, await reader.log(after, limit, None, upto))

    async def records(self, after: int, upto: int, limit: int) -> list[Record]:
        """The same, every column: what proofs and exports are made of."""
        async with self._log.reader() as reader:
            return await self._log.confirmed(reader, await reader.records(after, upto, limit))

    async def records_of(self, account_id: str, after: int, limit: int) -> list[Record]:
        """A page of one account's events at versions above `after`, every column."""
        async with self._log.reader() as reader:
            return await self._log.confirmed(reader, await reader.records_of(account_id, after, limit))

    async def stream(self, account_id: str, after: int, limit: int) -> list[StoredRow]:
        """A page of what is stored of one account at versions above `after`."""
        async with self._log.reader() as reader:
            return await self._log.confirmed(reader, await reader.stream(account_id, after, limit))

    async def accounts(self, after: str, limit: int) -> list[str]:
        """The accounts above one, in the order of their ids; the first ones are above an empty id."""
        async with self._log.reader() as reader:
            return await reader.accounts(after, limit)

    async def about(self, account_id: str, subjects: Sequence[str], upto: int) -> list[StoredRow]:
        """What is stored of one account, up to a version, that made some things or is about them."""
        async with self._log.reader() as reader:
            return await reader.about(account_id, subjects, upto)

    async def version_at(self, account_id: str, position: int) -> int | None:
        """The version that an account had at a position, 0 before its first event; None when there is no account."""
        async with self._log.reader() as reader:
            return await reader.version_at(account_id, position)


async def streams(
    connection: AsyncConnection[Any], accounts: Sequence[str], upto: int, page: int
) -> AsyncIterator[list[StoredRow]]:
    """All that is stored of some accounts up to a position, each account's in version order, about `page` at a time.

    Read on a connection of the caller's own, so that it can be of the same moment as what it is compared with.
    """
    reader = Reader(connection)
    known = dict.fromkeys(accounts, 0)
    while known:
        limit = max(1, page // len(known))
        rows = await reader.streams(known, upto, limit)
        counts = Counter(row.account_id for row in rows)
        last = {row.account_id: row.version for row in rows}
        known = {name: last[name] for name, count in counts.items() if count == limit}
        if rows:
            yield rows


def read(rows: Sequence[StoredRow]) -> list[Logged]:
    """Stored rows as events. Raises UnreadableEvent."""
    events = []
    for position, account_id, version, topic, state in rows:
        try:
            events.append(Logged(position, account_id, version, decode_event(topic, state)))
        except Exception as problem:  # damaged bytes may fail in any way, and whoever reads must learn where
            raise UnreadableEvent(position, problem) from problem
    return events
