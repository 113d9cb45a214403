"""Links: the check that events continue the chains of their accounts, for whoever follows the whole log.

Whoever signs or projects events computes their hashes again as it reads them, so that what does not chain is never
signed or projected. The hash before an account's first event of a page is remembered from an earlier page, or read.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice

from ledger.store.reader import Reader
from ledger.store.records.chain import GENESIS, NotChained, Record, UnreadableEvent

_REMEMBERED = 20_000
"""The largest number of accounts whose last hash is remembered: about 5 MB."""
_SLICE = 250
"""The number of events that are verified before other tasks run."""

_NOTHING = (-1, b"")

Place = tuple[str, int]
"""An account and a version."""


class Links:
    """Verifies pages of the log, and remembers the last hash of the accounts that it saw."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._hashes: dict[str, tuple[int, bytes]] = {}
        """The last verified version and its hash, by account; the accounts that were added first are dropped first."""

    async def verify(self, reader: Reader, records: Sequence[Record]) -> None:
        """Raise UnreadableEvent for the first event that does not continue the chain of its account."""
        hashes = self._hashes
        read = await reader.hashes_of(self._unknown(records))
        for number, record in enumerate(records, 1):
            account, version = record.account_id, record.version
            known = hashes.get(account)
            if known is not None and known[0] == version - 1:
                previous: bytes | None = known[1]
            else:
                previous = read.get((account, version - 1), GENESIS if version == 1 else None)
            if previous is None or record.link(previous) != record.hash:
                await self._doubt(reader, record)
            hashes[account] = version, record.hash
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        self._forget()

    def _unknown(self, records: Iterable[Record]) -> list[Place]:
        """The events before those whose account is not remembered. An account's first event needs none."""
        ends: dict[str, int] = {}
        unknown = []
        for record in records:
            account, version = record.account_id, record.version
            end = ends.get(account)
            if end is None:
                end = self._hashes.get(account, _NOTHING)[0]
            if version > 1 and end != version - 1:
                unknown.append((account, version - 1))
            ends[account] = version
        return unknown

    async def _doubt(self, reader: Reader, record: Record) -> None:
        """Raise UnreadableEvent, unless the event continues the chain as it is in the log now.

        What is remembered may be of events that a restored backup does not have. Streams of the event library may begin
        at version 0.
        """
        before = record.account_id, record.version - 1
        previous = (await reader.hashes_of([before])).get(before)
        if previous is None and record.version <= 1:
            previous = GENESIS
        if previous is None or record.link(previous) != record.hash:
            raise UnreadableEvent(record.position, record.account_id, NotChained())

    def _forget(self) -> None:
        surplus = len(self._hashes) - self._remembered
        if surplus > 0:
            for account in list(islice(self._hashes, surplus)):
                del self._hashes[account]
