"""The source of an export: the log by position, or account by account, a page at a time.

It ends at a position that is fixed at the start, so it has no event that is appended meanwhile. Texts are readable if
their keys exist.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from ledger.progress import Progress
from ledger.readable_texts import readable_events
from ledger.store import EventLog, Feed, Logged, read, streams

PAGE = 2_000
"""Events in memory at a time."""
TOGETHER = 50
"""Accounts that one query reads: most have few events."""


class NoSuchAccount(Exception):
    """The ledger has no account with that id."""


class Source(NamedTuple):
    """An open log up to a position, and the progress of reading it."""

    log: EventLog
    upto: int
    progress: Progress

    @property
    def feed(self) -> Feed:
        """The log as followers read it."""
        return Feed(self.log)

    async def up_to_date(self) -> "Source":
        """The same source, up to the current end of the log."""
        return self._replace(upto=await self.feed.last_position())

    async def by_position(self, after: int = 0) -> AsyncIterator[list[Logged]]:
        """The log after a position. Raises UnreadableEvent."""
        begin = after
        self.progress.begin("exporting", self.upto - begin, "events")
        while after < self.upto:
            rows = await self.feed.rows(after, self.upto, PAGE)
            yield await readable_events(self.log, read(rows))
            after = rows[-1].position
            self.progress.reach(after - begin)

    async def by_account(self, accounts: Sequence[str]) -> AsyncIterator[list[Logged]]:
        """The events of some accounts, or of all if none is named. The events of each account are in order. An empty
        page ends the accounts of the pages before it. Raises UnreadableEvent and NoSuchAccount."""
        total = await self._versions(accounts) if accounts else self.upto
        self.progress.begin("exporting", total, "events")
        done = 0
        async for names in self._groups(accounts):
            async with self.log.connection() as connection:
                async for rows in streams(connection, names, self.upto, PAGE):
                    done += len(rows)
                    yield await readable_events(self.log, read(rows))
                    self.progress.reach(done)
            yield []

    async def _versions(self, accounts: Sequence[str]) -> int:
        """The number of events of some accounts. Raises NoSuchAccount."""
        total = 0
        for name in accounts:
            version = await self.feed.version_at(name, self.upto)
            if not version:
                raise NoSuchAccount(name)
            total += version
        return total

    async def _groups(self, accounts: Sequence[str]) -> AsyncIterator[Sequence[str]]:
        if accounts:
            for start in range(0, len(accounts), TOGETHER):
                yield accounts[start : start + TOGETHER]
            return
        after = ""
        while names := await self.feed.accounts(after, TOGETHER):
            yield names
            after = names[-1]
