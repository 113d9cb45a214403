"""The ledger as other packages use it: it carries out commands and answers queries from the log itself."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import NamedTuple

from ledger.cancellation import end_tasks
from ledger.clock import ClockGuard, GuardedClock
from ledger.commit.committer import Committer
from ledger.commit.fresh_decision import FreshDecision
from ledger.commit.notifications import CommitNotifier
from ledger.commit.snapshot_writer import SnapshotWriter
from ledger.commit.state_cache import StateCache
from ledger.commit.submission import Outcome, Recorded, Submission, UnitOfWork
from ledger.current_accounts import Current, CurrentAccounts
from ledger.domain.account import Account
from ledger.domain.decisions.expiry import next_expiry
from ledger.explain.explanation import Explanation
from ledger.explain.streams import ExplainedEvent, ExplainedEvents, explain_events, explain_row, explain_rows
from ledger.forwarding.executor import Executor
from ledger.forwarding.group import Group
from ledger.forwarding.group_member import GroupMember
from ledger.slices import Slices
from ledger.store.feed import Feed, Logged
from ledger.store.log import EventLog
from ledger.store.reader import Executed, NewestEvent, StoredRow
from ledger.store.records.chain import UnreadableEvent
from ledger.store.records.receipts import receipt_name
from ledger.timings.command_timings import CommandTimings

_NEWEST = 2**62
"""Above every version."""
_NOTIFY_WITHIN = 1.0
"""Seconds that the last notification may take when the ledger stops."""


class AccountAt(NamedTuple):
    """An account at the moment `as_of`. Expiries that are due by then are applied, recorded or not.

    Only events that were recorded by `known_at` count; `newest` is the last of them.
    """

    account: Account
    newest: NewestEvent
    as_of: datetime
    known_at: datetime

    @property
    def has_lapses(self) -> bool:
        """Whether time has changed something since the newest event that no event records yet."""
        return self.account.version != self.newest.version


class Ledger:
    """Opens a database, carries out commands, and answers queries from the log.

    A command waits at most `patience` seconds for its account to be loaded; then it is refused as Overloaded. A query
    that takes longer than `query_timeout` seconds raises psycopg.errors.QueryCanceled; 0 sets no limit. In a `group`,
    one of its processes decides and commits for all of them. `timings` observes what commands spend their time on.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        clock: Callable[[], datetime] | None = None,
        cached_accounts: int = 100_000,
        queue_limit: int = 20_000,
        patience: float = math.inf,
        query_timeout: float = 0.0,
        group: Group | None = None,
        timings: CommandTimings | None = None,
    ) -> None:
        self.log = EventLog(conninfo, query_timeout=query_timeout)
        self.clock = clock = clock or GuardedClock()
        self.cache = StateCache(cached_accounts)
        self.notifier = CommitNotifier(self.log)
        self._snapshots = SnapshotWriter(self.log)
        self.timings = timings or CommandTimings()
        self.current = CurrentAccounts(self.log, self.cache, self._snapshots)
        new_committer = partial(
            Committer,
            self.log,
            self.cache,
            self._snapshots,
            clock,
            self.notifier.notify,
            self.timings,
            queue_limit=queue_limit,
            patience=patience,
        )
        self.executor: Executor = new_committer()
        self.group: GroupMember | None = None
        """This process as a member of its group, if it has one."""
        if group is not None:
            new_owner = partial(new_committer, lock=group.lock)
            self.executor = self.group = GroupMember(
                group, self.log, new_owner, self.current.load, queue_limit=queue_limit, patience=patience
            )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Ledger"]:
        """Open the log and commit commands until the block ends; then finish the commands that are in flight."""
        await self.log.open()
        notifying = asyncio.create_task(self.notifier.run())
        background = [notifying, asyncio.create_task(self._snapshots.run())]
        if isinstance(self.clock, GuardedClock):
            background.append(asyncio.create_task(ClockGuard(self.clock, self.log.database_time).run()))
        try:
            await self.executor.start()
            yield self
        finally:
            await self.executor.stop()
            self.notifier.stop()
            await asyncio.wait([notifying], timeout=_NOTIFY_WITHIN)
            await end_tasks(background)
            await self._snapshots.write_due()
            await self.log.close()

    @property
    def committer(self) -> Committer:
        """The committer of this process. In a group, only the owner of the log has one."""
        found = self.executor if self.group is None else self.group.committer
        assert isinstance(found, Committer), "this process forwards commands to the owner of the log"
        return found

    @property
    def available(self) -> bool:
        """Whether commands could be committed when that was last tried."""
        return self.executor.admission.available

    @property
    def waiting(self) -> int:
        """The number of commands that wait for their commit."""
        return self.executor.admission.waiting

    @property
    def owns(self) -> bool:
        """Whether this process decides and commits commands itself."""
        return self.group is None or self.group.owns

    def newly_forwarded(self) -> int:
        """The number of commands that were forwarded to the owner of the log since the last call."""
        return 0 if self.group is None else self.group.forwarder.take_count()

    @property
    def cached_accounts(self) -> int:
        """The number of account states in memory."""
        return len(self.cache)

    async def broken(self) -> None:
        """Return when a programming error has ended the committer."""
        await self.executor.broken.wait()

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Accept a command, and return the future of its outcome. Raises Overloaded or Unavailable."""
        return self.executor.submit(submission)

    async def replays_of_repeated(self, submissions: Sequence[Submission]) -> dict[Submission, Outcome]:
        """Of a large batch that was sent before: the outcomes of the commands whose keys were used. Else nothing."""
        return await self.executor.receipts.replays_of_repeated(submissions)

    async def execute(self, submission: Submission) -> Outcome:
        """Carry out a command. A refusal is returned, not raised. Raises Overloaded or Unavailable."""
        return await self.executor.submit(submission)

    async def execute_together(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Carry out all commands of an atomic batch, or none. Raises Overloaded or Unavailable."""
        return await self.executor.submit_together(submissions)

    async def dry_run(self, submissions: Sequence[Submission], *, atomic: bool) -> list[Outcome]:
        """The outcomes that commands would have if they were carried out in this order. Nothing is recorded.

        Each outcome has the version that it would get; its position is 0. Raises Overloaded or Unavailable.
        """
        await self.executor.load({submission.account_id for submission in submissions})
        known = {submission.account_id: self.cache.get(submission.account_id) for submission in submissions}
        async with self.log.reader() as reader:
            decision = await FreshDecision.prepare(reader, submissions, known, self.clock)
            if atomic:
                together: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
                await decision.decide_units([UnitOfWork(list(submissions), together)])
            else:
                await decision.decide_units([UnitOfWork([submission], None) for submission in submissions])
        outcomes = decision.answers
        for submission in decision.decided:
            outcomes[submission] = Recorded(submission.account_id, submission.version, 0, submission.events, False)
        for follower, leader in decision.follows.items():
            outcomes.setdefault(follower, outcomes[leader])
        return [outcomes[submission] for submission in submissions]

    async def account_at(
        self, account_id: str, at: datetime | None = None, known_at: datetime | None = None
    ) -> AccountAt | None:
        """The account at the moment `at`, from the events that were recorded by `known_at`; None if there were none.

        Without `at` and `known_at` it is the account now; without `known_at`, all events of today count; without `at`,
        the moment is `known_at` itself. Only expiries take effect before they are recorded, and they are applied
        without being recorded. So the events that count are those recorded by both moments. See
        docs/adr/0022-known-at.md.
        """
        now = self.clock()
        at = at or known_at
        found = await (self.current.of(account_id) if at is None else self._as_of(account_id, min(at, known_at or at)))
        if found is None:
            return None
        account, newest = found
        moment = max(at or now, account.recorded_at)
        settled = await _after_expiries(account, moment)
        return AccountAt(settled, newest, moment, known_at or (now if at else moment))

    async def _as_of(self, account_id: str, at: datetime) -> Current | None:
        async with self.log.reader() as reader:
            newest = await reader.newest_event_at(account_id, at)
            account = await reader.load_at(account_id, newest.version) if newest else None
        return None if newest is None or account is None else Current(account, newest)

    async def explain_event(self, account_id: str, version: int | None = None) -> ExplainedEvent | None:
        """Explain one event of an account, by default the newest; None when the account has no such event.

        The account before it may come from a snapshot. `explain_stream` (explain/streams.py) uses no snapshots.
        """
        async with self.log.reader() as reader:
            if version is None:
                newest = await reader.newest_event(account_id)
                version = newest.version if newest else 0
            rows = await reader.stream(account_id, version - 1, 1) if version else []
            if not rows or rows[0].version != version:
                return None
            before = await reader.load_at(account_id, version - 1) if version > 1 else None
        return await explain_row(Feed(self.log), before, rows[0])

    async def explain_last_events(self, account_id: str, upto: int, count: int) -> ExplainedEvents:
        """Explain the last `count` events of an account up to version `upto`, with a constant number of queries.

        The account before them may come from a snapshot.
        """
        first = max(upto - count, 0)
        rows = await self.stream(account_id, first, upto - first)
        try:
            async with self.log.reader() as reader:
                before = await reader.load_at(account_id, first) if first else None
        except UnreadableEvent as problem:
            return ExplainedEvents(rows, [], str(problem))
        return await explain_rows(Feed(self.log), before, rows) if rows else ExplainedEvents(rows, [], None)

    async def explain_dry_run(self, outcome: Recorded) -> list[Explanation]:
        """Explain the events that a command would record; `outcome` comes from `dry_run`."""
        first = outcome.version - len(outcome.events)
        async with self.log.reader() as reader:
            before = await reader.load_at(outcome.account_id, first)
        events = [Logged(0, outcome.account_id, n, event) for n, event in enumerate(outcome.events, first + 1)]
        return [one.explanation for one in await explain_events(Feed(self.log), outcome.account_id, before, events)]

    async def executed(self, account_id: str, operation: str, key: str) -> Executed | None:
        """The command that used an idempotency key for an operation; None when the key is unused."""
        name = (account_id, receipt_name(operation, key))
        async with self.log.reader() as reader:
            return (await reader.executed([name])).get(name)

    async def stream(self, account_id: str, after: int, limit: int) -> list[StoredRow]:
        """A page of an account's events as stored: at most `limit`, above version `after`."""
        async with self.log.reader() as reader:
            return await self.log.confirmed(reader, await reader.stream(account_id, after, limit))

    async def about(self, account_id: str, *names: str) -> list[StoredRow]:
        """The events of an account that made things with ids such as ded_7, or are about them, as stored, in order."""
        async with self.log.reader() as reader:
            return await self.log.confirmed(reader, await reader.related_rows(account_id, list(names), _NEWEST))

    async def events(self, after: int, limit: int, types: Sequence[str] | None) -> list[StoredRow]:
        """A page of the whole log as stored: at most `limit` events above position `after`, of all types or of some."""
        async with self.log.reader() as reader:
            return await self.log.confirmed(reader, await reader.log(after, limit, types))


async def _after_expiries(account: Account, at: datetime) -> Account:
    """The account after the expiries that are due by a moment. There may be thousands, so it gives way."""
    work = Slices()
    while account.is_due(at):
        _, account = next_expiry(account, at)
        if work.over:
            await work.pause()
    return account
