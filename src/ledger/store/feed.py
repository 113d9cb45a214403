"""The feed: a way to read the log page by page. Commit order is position order, so a reader misses no event."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from ledger.domain.events import Event
from ledger.store.links import Links
from ledger.store.log import EventLog
from ledger.store.reader import Reader, StoredRow
from ledger.store.records.chain import Record, UnreadableEvent
from ledger.store.records.codec import decode_event


class Logged(NamedTuple):
    """One event of the log, decoded."""

    position: int
    account_id: str
    version: int
    event: Event


class Feed:
    """Reads an open log. It returns only events that no failover can remove."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._links = Links()

    async def last_position(self) -> int:
        """The position of the last event; 0 when the log is empty."""
        async with self._log.reader() as reader:
            return await reader.last_position()

    async def rows(self, after: int, upto: int, limit: int, types: Sequence[str] | None = None) -> list[StoredRow]:
        """A page of stored events: at most `limit`, at positions above `after` and up to `upto`; of some types only, if
        they are named."""
        async with self._log.reader() as reader:
            return await self._log.confirmed(reader, await reader.log(after, limit, types, upto))

    async def pages(
        self, after: int, upto: int, size: int, types: Sequence[str] | None = None
    ) -> AsyncIterator[tuple[int, list[StoredRow]]]:
        """The events after one position and up to another, of all or of some types. Each page has those of `size`
        positions, and the last of these positions: a page can be empty, and the work of each query is bounded."""
        while after < upto:
            last = min(after + size, upto)
            yield last, await self.rows(after, last, size, types)
            after = last

    async def records(self, after: int, upto: int, limit: int) -> list[Record]:
        """The same page with every column: the input of proofs and exports."""
        async with self._log.reader() as reader:
            return await self._log.confirmed(reader, await reader.records(after, upto, limit))

    async def verified(self, after: int, upto: int, limit: int) -> tuple[list[Record], UnreadableEvent | None]:
        """The same page up to the first event that does not continue the chain of its account, and why it does not."""
        async with self._log.reader() as reader:
            records = await self._log.confirmed(reader, await reader.records(after, upto, limit))
            try:
                await self._links.verify(reader, records)
            except UnreadableEvent as problem:
                return [record for record in records if record.position < problem.position], problem
            return records, None

    async def records_of(self, account_id: str, after: int, limit: int) -> list[Record]:
        """A page of one account's events at versions above `after`, with every column."""
        async with self._log.reader() as reader:
            return await self._log.confirmed(reader, await reader.records_of(account_id, after, limit))

    async def stream(self, account_id: str, after: int, limit: int) -> list[StoredRow]:
        """A page of one account's stored events at versions above `after`."""
        async with self._log.reader() as reader:
            return await self._log.confirmed(reader, await reader.stream(account_id, after, limit))

    async def accounts(self, after: str, limit: int) -> list[str]:
        """A page of account ids above `after`, sorted; an empty `after` gives the first page."""
        async with self._log.reader() as reader:
            return await reader.accounts(after, limit)

    async def related_rows(self, account_id: str, subjects: Sequence[str], upto: int) -> list[StoredRow]:
        """The stored events of one account, up to version `upto`, that made one of `subjects` or are about one."""
        async with self._log.reader() as reader:
            return await reader.related_rows(account_id, subjects, upto)

    async def version_at(self, account_id: str, position: int) -> int | None:
        """The version of an account at a position: 0 before its first event, None when there is no such account."""
        async with self._log.reader() as reader:
            return await reader.version_at(account_id, position)


async def streams(
    connection: AsyncConnection[Any], accounts: Sequence[str], upto: int, page: int
) -> AsyncIterator[list[StoredRow]]:
    """All stored events of some accounts up to a position, about `page` at a time, each account's in version order.

    It reads on the caller's connection, so that the events can be of the same snapshot as other data.
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


def read(rows: Sequence[StoredRow | Record], decode: Callable[[str, bytes], Event] = decode_event) -> list[Logged]:
    """Decode stored rows, with `decode_uncounted` where counts and prices are of no use. Raises UnreadableEvent."""
    events = []
    for row in rows:
        position, account_id, version, topic, state = row[:5]
        try:
            events.append(Logged(position, account_id, version, decode(topic, state)))
        except Exception as problem:  # damaged bytes may fail in any way, and the error must name the position
            raise UnreadableEvent(position, account_id, problem) from problem
    return events
