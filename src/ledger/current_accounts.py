"""The accounts as they are now, for queries: what memory has, once one look at the log says that nothing came since.

An account that memory lacks is loaded from its snapshot and the events after it, and remembered. Queries load over the
connections for queries, apart from those of commands, so that no query makes a command wait.
"""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from ledger.commit.snapshot_writer import SnapshotWriter
from ledger.commit.state_cache import StateCache
from ledger.domain.account import Account
from ledger.store.log import EventLog
from ledger.store.reader import NewestEvent
from ledger.store.records.chain import UnreadableEvent
from ledger.together import Together

_LOOK = 1_000
"""Accounts of which one statement reads the newest events."""
_LOAD = 16
"""Accounts that are loaded by one statement."""


class Current(NamedTuple):
    """An account, and the event that it is the state after."""

    account: Account
    newest: NewestEvent


class CurrentAccounts:
    """The accounts of a log as they are now."""

    def __init__(self, log: EventLog, cache: StateCache, snapshots: SnapshotWriter) -> None:
        self._log = log
        self._cache = cache
        self._snapshots = snapshots
        self._newest = Together[str, NewestEvent](self._look, _LOOK)
        self._loads = Together[str, Current | UnreadableEvent](self._load, _LOAD)

    async def newest_event(self, account_id: str) -> NewestEvent | None:
        """The newest event of an account; None when there is no such account."""
        return await self._newest.of(account_id) if can_be_stored(account_id) else None

    async def of(self, account_id: str) -> Current | None:
        """An account now; None when there is no such account. Raises UnreadableEvent."""
        while True:
            newest = await self.newest_event(account_id)
            if newest is None:
                return None
            head = self._cache.get(account_id)
            if head is not None and head.hash == newest.hash:  # after a failover the same version may be another event
                return Current(head.account, newest)
            found = await self._loads.of(account_id)
            if isinstance(found, UnreadableEvent):
                raise found
            if found is not None:
                return found

    def remembered(self, account_id: str) -> Account | None:
        """An account as memory has it, which may be older than the log; None when memory lacks it."""
        head = self._cache.get(account_id)
        return head.account if head is not None else None

    async def load(self, account_ids: Iterable[str]) -> None:
        """Load accounts into memory, those that there are. Raises UnreadableEvent."""
        await asyncio.gather(*map(self.of, account_ids))

    async def _look(self, accounts: list[str]) -> dict[str, NewestEvent]:
        async with self._log.reader() as reader:
            return await reader.newest_events(accounts)

    async def _load(self, accounts: list[str]) -> dict[str, Current | UnreadableEvent]:
        """Load accounts and remember them. Those that memory has had meanwhile are left out."""
        known = {name: self._cache.get(name) for name in accounts}
        async with self._log.reader() as reader:
            loaded = await reader.load(known)
        found: dict[str, Current | UnreadableEvent] = {}
        for name, one in loaded.items():
            if one.provable is not None:
                self._snapshots.schedule(one.provable)
            if one.problem is not None:
                found[name] = one.problem
            elif one.head is not None and one.folded:
                found[name] = Current(
                    one.head.account, NewestEvent(one.head.account.version, one.position, one.head.hash)
                )
                if self._cache.get(name) is known[name]:  # else a command has put a newer one there
                    self._cache.put(one.head)
        return found


def can_be_stored(account_id: str) -> bool:
    """Whether the database can have such a text. Otherwise a statement with it fails for everybody who shares it."""
    try:
        return "\0" not in account_id and bool(account_id.encode())
    except UnicodeEncodeError:
        return False
