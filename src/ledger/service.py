"""The ledger as a program uses it: commands in, outcomes out, and the questions that the truth itself answers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from ledger.clock import Guard, GuardedClock
from ledger.commit.committer import Committer
from ledger.commit.fresh_decision import FreshDecision
from ledger.commit.notifications import CommitNotifier
from ledger.commit.snapshot_writer import SnapshotWriter
from ledger.commit.state_cache import StateCache
from ledger.commit.submission import Outcome, Recorded, Submission, Unit
from ledger.domain.account import Account
from ledger.domain.expiry import apply_due_expiries
from ledger.explain.explaining import CANNOT_GO_ON
from ledger.explain.explanation import Explanation
from ledger.explain.streams import Passage, Retold, retell_events, retell_one, retell_some
from ledger.store.feed import Feed, Logged
from ledger.store.log import EventLog, Executed, NewestEvent, StoredRow
from ledger.store.receipts import receipt_name
from ledger.store.stream_heads import account_of, hash_of

_LAST_WORD = 1.0
"""Seconds that the last hint may take."""


class AccountAt(NamedTuple):
    """An account at a moment: what time had taken by then is taken, whether recorded or not.

    Only what was recorded by `known_at` counts; `newest` is the last event of that which the moment knows of.
    """

    account: Account
    newest: NewestEvent
    as_of: datetime
    known_at: datetime


class Ledger:
    """Opens on a database, carries out commands, and answers from the log."""

    def __init__(
        self,
        conninfo: str,
        *,
        clock: Callable[[], datetime] | None = None,
        cached_accounts: int = 100_000,
        queue_limit: int = 20_000,
    ) -> None:
        self.log = EventLog(conninfo)
        self.clock = clock = clock or GuardedClock()
        self.cache = StateCache(cached_accounts)
        self.news = CommitNotifier(self.log)
        self._snapshots = SnapshotWriter(self.log)
        self.committer = Committer(
            self.log, self.cache, self._snapshots, clock, self.news.tell, queue_limit=queue_limit
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Ledger"]:
        """Open the log and commit until the block ends; what is in flight then is finished."""
        await self.log.open()
        hints = asyncio.create_task(self.news.keep())
        beside = [hints, asyncio.create_task(self._snapshots.keep())]
        if isinstance(self.clock, GuardedClock):
            beside.append(asyncio.create_task(Guard(self.clock, self.log.witness).keep()))
        try:
            await self.committer.start()
            yield self
        finally:
            await self.committer.stop()
            self.news.end()
            await asyncio.wait([hints], timeout=_LAST_WORD)
            for task in beside:
                task.cancel()
            await self._snapshots.write()
            await self.log.close()

    @property
    def available(self) -> bool:
        """Whether the database was there when a commit last needed it."""
        return self.committer.admission.available

    @property
    def waiting(self) -> int:
        """How many commands wait for their commit."""
        return self.committer.admission.waiting

    @property
    def cached_accounts(self) -> int:
        """How many account states are in memory."""
        return len(self.cache)

    async def broken(self) -> None:
        """Return when a mistake of this program has ended the work of the committer."""
        await self.committer.broken.wait()

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Take a command in, to be carried out with others. Raises Overloaded or Unavailable."""
        return self.committer.submit(submission)

    async def execute(self, submission: Submission) -> Outcome:
        """Carry out a command. Raises Overloaded or Unavailable; a refusal is an outcome."""
        return await self.committer.submit(submission)

    async def execute_together(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Carry out all commands or none. Raises Overloaded or Unavailable."""
        return await self.committer.submit_together(submissions)

    async def rehearse(self, submissions: Sequence[Submission], *, atomic: bool) -> list[Outcome]:
        """What the commands would lead to, one after the other, without recording anything.

        Versions are those that they would get; positions are 0.
        """
        known = {submission.account_id: self.cache.get(submission.account_id) for submission in submissions}
        async with self.log.reader() as reader:
            decision = await FreshDecision.prepare(reader, submissions, known, self.clock)
        if atomic:
            together: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
            decision.decide_unit(Unit(list(submissions), together))
        else:
            for submission in submissions:
                decision.decide_unit(Unit([submission], None))
        outcomes = decision.answers
        for submission in decision.decided:
            outcomes[submission] = Recorded(submission.account_id, submission.version, 0, submission.events, False)
        for follower, leader in decision.follows.items():
            outcomes.setdefault(follower, outcomes[leader])
        return [outcomes[submission] for submission in submissions]

    async def account_at(
        self, account_id: str, at: datetime | None = None, known_at: datetime | None = None
    ) -> AccountAt | None:
        """An account now, or at a moment as it was known at another; None when there was nothing to know of it.

        Without `known_at`, with all that is known now; with it alone, at that very moment. Nothing is recorded about
        a moment before it but what time takes, and that is taken whether recorded or not. So what counts is recorded
        by both moments. See docs/adr/0022-known-at.md.
        """
        now = self.clock()
        at = at or known_at
        async with self.log.reader() as reader:
            if at is None:
                newest = await reader.newest_event(account_id)
                head = self.cache.get(account_id)
                account = account_of(head)
                if newest is not None and hash_of(head) != newest.hash:  # by hash: a failover can make another history
                    account = await reader.load_at(account_id, newest.version)
            else:
                newest = await reader.newest_event_at(account_id, min(at, known_at or at))
                account = await reader.load_at(account_id, newest.version) if newest else None
        if newest is None or account is None:
            return None
        moment = max(at or now, account.recorded_at)
        return AccountAt(apply_due_expiries(account, moment)[1], newest, moment, known_at or (now if at else moment))

    async def explained(self, account_id: str, version: int | None = None) -> Retold | None:
        """One event of an account, by default the newest, explained; None when the account has no such event.

        The account before it comes from a snapshot where there is one: see retelling.py for what trusts none.
        """
        async with self.log.reader() as reader:
            if version is None:
                newest = await reader.newest_event(account_id)
                version = newest.version if newest else 0
            rows = await reader.stream(account_id, version - 1, 1) if version else []
            if not rows or rows[0].version != version:
                return None
            before = await reader.load_at(account_id, version - 1) if version > 1 else None
        return await retell_one(Feed(self.log), before, rows[0])

    async def passage(self, account_id: str, upto: int, count: int) -> Passage:
        """The last events of an account up to a version, explained: a few questions, however many they are.

        The account before them comes from a snapshot where there is one.
        """
        first = max(upto - count, 0)
        rows = await self.stream(account_id, first, upto - first)
        try:
            async with self.log.reader() as reader:
                before = await reader.load_at(account_id, first) if first else None
        except CANNOT_GO_ON as problem:
            return Passage(rows, [], f"an event before version {first + 1} cannot be folded: {problem!r}")
        return await retell_some(Feed(self.log), before, rows) if rows else Passage(rows, [], None)

    async def foretold(self, rehearsed: Recorded) -> list[Explanation]:
        """What a rehearsed command would do, event by event, explained."""
        first = rehearsed.version - len(rehearsed.events)
        async with self.log.reader() as reader:
            before = await reader.load_at(rehearsed.account_id, first)
        events = [Logged(0, rehearsed.account_id, n, event) for n, event in enumerate(rehearsed.events, first + 1)]
        return [one.explanation for one in await retell_events(Feed(self.log), rehearsed.account_id, before, events)]

    async def executed(self, account_id: str, operation: str, key: str) -> Executed | None:
        """The command that used a key; None when the key is unused."""
        name = (account_id, receipt_name(operation, key))
        async with self.log.reader() as reader:
            return (await reader.executed([name])).get(name)

    async def stream(self, account_id: str, after: int, limit: int) -> list[StoredRow]:
        """One page of an account's events as stored."""
        async with self.log.reader() as reader:
            return await self.log.for_good(reader, await reader.stream(account_id, after, limit))

    async def events(self, after: int, limit: int, types: Sequence[str] | None) -> list[StoredRow]:
        """One page of the whole log as stored."""
        async with self.log.reader() as reader:
            return await self.log.for_good(reader, await reader.log(after, limit, types))
