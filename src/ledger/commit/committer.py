"""Group commit: one writer per process, and batches without a timer.

A command is decided in memory the moment it arrives, on its account's newest state here, and joins the open batch. The
batch is whatever arrived while the last commit was in flight, so ten commands on one hot account cost one commit.
Nothing is answered before its batch is in the log, refusals included: they are checked there against the newest
version and the receipts.

This is the fast lane. It assumes that nobody else writes, and the log says where that was wrong; what it cannot decide
goes to the locked lane (locked_lane.py). Each account has a queue (queues.py) while something of it is in flight.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from typing import Any

from ledger.commit.account_queues import AccountQueues
from ledger.commit.admission import AdmissionControl
from ledger.commit.batch import OpenBatch
from ledger.commit.fresh_decision import check_version
from ledger.commit.locked_lane import LockedLane
from ledger.commit.snapshot_writer import EVERY, SnapshotWriter
from ledger.commit.state_cache import StateCache
from ledger.commit.submission import AccountQueue, Outcome, Submission, Unavailable, Unit
from ledger.commit.writer_connection import WriterConnection
from ledger.domain.account import evolve
from ledger.domain.decider import decide
from ledger.domain.errors import Refusal
from ledger.domain.related_events import NO_RELATED_EVENTS, needed_subjects
from ledger.postgres.errors import LOST
from ledger.store.batch import Appended
from ledger.store.log import EventLog
from ledger.store.sealing import sealed_command
from ledger.store.stream_heads import account_of, key_of

QueueSet = dict[AccountQueue, None]
"""Account queues in order."""

_log = logging.getLogger("credit_ledger.committer")


class Committer:
    """Decides and commits the commands of one process."""

    def __init__(
        self,
        log: EventLog,
        cache: StateCache,
        snapshots: SnapshotWriter,
        clock: Callable[[], datetime],
        tell: Callable[[], None],
        *,
        queue_limit: int,
    ) -> None:
        self.admission = AdmissionControl(queue_limit)
        self._log = log
        self._snapshots = snapshots
        self._clock = clock
        self._tell = tell
        self._queues = AccountQueues(cache)
        self._batches: deque[OpenBatch] = deque()
        self._locked_lane = LockedLane(self._queues, self.admission, snapshots, clock, self._unblock)
        self._unloaded: list[AccountQueue] = []
        self._work = asyncio.Event()
        self._loads = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection = WriterConnection(log)
        self.broken = asyncio.Event()
        """Set when a mistake of this program has ended the work here: nothing is taken in any more."""

    async def start(self) -> None:
        """Connect and begin to commit. Raises psycopg.OperationalError when the database cannot be reached."""
        await self._connection.connect()
        self.admission.trouble = None
        self._spawn(self._commit_loop())
        self._spawn(self._load_loop())

    async def stop(self) -> None:
        """Finish what is in flight, then stop; what a stuck database does not let finish has no known outcome."""
        drained = await self.admission.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not drained:
            self._abandon(self.admission.trouble or Unavailable)
        await self._connection.close()

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Take a command in. Raises Overloaded or Unavailable at once when it cannot be taken."""
        self.admission.admit(1)
        submission.outcome = outcome = asyncio.get_running_loop().create_future()
        queue = self._queues.find(submission.account_id) or self._open_queue(submission.account_id)
        if queue.blocks:
            queue.waiting.append(submission)
        else:
            self._take(queue, submission)
        return outcome

    def submit_together(self, submissions: Sequence[Submission]) -> asyncio.Future[list[Outcome]]:
        """Take an atomic batch in: all of it is carried out, or none. Raises as submit does."""
        self.admission.admit(len(submissions))
        together = asyncio.get_running_loop().create_future()
        for submission in submissions:
            queue = self._queues.find(submission.account_id)
            while queue is not None and queue.waiting:  # they came first: batch after batch would starve them
                self._send_to_locked_lane(Unit([queue.waiting.popleft()], None))
        self._send_to_locked_lane(Unit(list(submissions), together))
        return together

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("the committer is broken and takes nothing in any more", exc_info=error)
            self._abandon(Unavailable)
            self.broken.set()

    def _open_queue(self, account_id: str) -> AccountQueue:
        queue = self._queues.open(account_id)
        if queue.head is None:
            queue.blocks = 1
            self._unloaded.append(queue)
            self._loads.set()
        return queue

    def _unblock(self, queue: AccountQueue) -> None:
        queue.blocks -= 1
        while queue.waiting and not queue.blocks:
            self._take(queue, queue.waiting.popleft())
        self._queues.leave(queue)

    def _send_to_locked_lane(self, unit: Unit) -> None:
        self._locked_lane.add(unit)
        self._work.set()

    # Deciding --------------------------------------------------------------------------------------------------

    def _take(self, queue: AccountQueue, submission: Submission) -> None:
        """Decide a submission on its queue's state and put it into the open batch."""
        receipt = submission.receipt
        leader = queue.keys.get(receipt) if receipt is not None else None
        if leader is not None and leader.refusal is None:  # a refusal does not use up its key: its turn is now
            leader.followers = [*(leader.followers or ()), submission]
            return
        if needed_subjects(submission.command, account_of(queue.head), NO_RELATED_EVENTS):
            self._send_to_locked_lane(Unit([submission], None))
            return
        self._decide(queue, submission)
        if receipt is not None:
            queue.keys[receipt] = submission
        queue.in_batches += 1
        if not self._batches or self._batches[-1].full:
            self._batches.append(OpenBatch())
            self._work.set()
        queue.head = self._batches[-1].add(submission, queue.head)

    def _decide(self, queue: AccountQueue, submission: Submission) -> None:
        submission.queue = queue
        account = account_of(queue.head)
        try:
            check_version(submission, account)
            command, submission.key = sealed_command(submission.command, key_of(queue.head))
            submission.events = decide(command, account, self._clock())
        except Refusal as refusal:
            submission.events, submission.refusal = (), refusal
        else:
            submission.refusal = None
            for event in submission.events:
                account = evolve(account, event)
        submission.after = account

    # Committing ------------------------------------------------------------------------------------------------

    async def _commit_loop(self) -> None:
        while True:
            await self._work.wait()
            if self._batches:
                await self._commit(self._batches.popleft())
            await self._commit_locked_lane()
            if not self._batches and not self._locked_lane:
                self._work.clear()

    async def _commit(self, batch: OpenBatch) -> None:
        try:
            appended = await self._connection.writer.append(batch.rows, batch.new_keys)
        except LOST as error:
            self._retreat(_queues_of(batch.submissions), batch.submissions)
            await self._renew(error)
        except asyncio.CancelledError:
            self._batches.appendleft(batch)  # whoever stops us answers those who wait
            raise
        except Exception as error:  # ours or the database's: whatever it is, those who wait must hear of it
            _log.exception("a batch of %d commands could not be appended", len(batch.submissions))
            self._drop(batch.submissions, error)
        else:
            self._connection.mark_healthy()
            self._answer_appended(batch, appended)
            self._tell()

    async def _commit_locked_lane(self) -> None:
        units = self._locked_lane.runnable()
        if not units:
            return
        try:
            await self._locked_lane.commit(self._connection.writer, units)
            self._connection.mark_healthy()
            self._tell()
        except LOST as error:
            await self._renew(error)

    def _answer_appended(self, batch: OpenBatch, appended: Appended) -> None:
        """Answer what was appended, and send what was not to where it is decided again."""
        if not appended.stale and not appended.used:
            self._answer_all(batch.submissions, appended.first_position)
            return
        used = {batch.by_row[row] for row in appended.used}
        stale = {queue: None for name in sorted(appended.stale) if (queue := self._queues.find(name)) is not None}
        rewound = dict.fromkeys(_queues_of([e for e in batch.submissions if e in used and e.events]))
        rewound = {queue: None for queue in rewound if queue not in stale}
        good = [e for e in batch.submissions if e not in used and e.queue not in stale and e.queue not in rewound]
        replays = [e for e in batch.submissions if e in used and e.queue not in stale]
        self._answer_all(good, appended.first_position)
        if replays:
            self._depart(replays)
            self._spawn(self._replay(replays))
        if rewound:
            self._rewind(rewound, [e for e in batch.submissions if e.queue in rewound and e not in used])
        if stale:
            self._retreat(stale, [e for e in batch.submissions if e.queue in stale])

    def _answer_all(self, submissions: Iterable[Submission], position: int) -> None:
        """Answer submissions of which the log has the events, the first at `position`; refusals stand."""
        for submission in submissions:
            queue = submission.queue
            assert queue is not None
            queue.in_batches -= 1
            _give_key_back(queue, submission)
            if submission.refusal is not None:
                self.admission.answer(submission, submission.refusal)
            else:
                count = len(submission.events)
                position += count
                queue.committed = head = submission.head
                self.admission.answer(submission, submission.recorded(position - 1))
                if head is not None and head.account.version % EVERY < count:
                    self._snapshots.notice(head)
            for follower in submission.followers or ():  # they came with its key while it was in flight
                self.admission.answer(follower, follower.replay(submission.executed(position - 1)))
            if not queue.in_batches:
                self._queues.leave(queue)

    # What the log did not take ---------------------------------------------------------------------------------

    def _depart(self, submissions: Iterable[Submission]) -> None:
        """Take submissions off their queues: their outcome is found elsewhere."""
        for submission in submissions:
            queue = submission.queue
            assert queue is not None
            queue.in_batches -= 1
            _give_key_back(queue, submission)
            self._queues.leave(queue)

    async def _replay(self, submissions: list[Submission]) -> None:
        """Answer submissions whose keys were used before, from their receipts."""
        family = [member for submission in submissions for member in (submission, *(submission.followers or ()))]
        try:
            async with self._log.reader() as reader:
                found = await reader.executed([(e.account_id, e.receipt or "") for e in submissions])
        except (Exception, asyncio.CancelledError) as error:  # those who wait must hear of it
            for member in family:
                self.admission.fail(member, _as_told(error))
            return
        for member in family:
            executed = found[member.account_id, member.receipt or ""]
            self.admission.answer(member, member.replay(executed))

    def _withdraw(self, queues: QueueSet, submissions: Iterable[Submission]) -> list[Submission]:
        """All submissions in flight at some queues, in order: those of a failed batch, then those of later batches."""
        back = list(submissions)
        for batch in self._batches:
            back += batch.withdraw(queues)
        self._depart(back)
        flat = [member for submission in back for member in (submission, *(submission.followers or ()))]
        for submission in back:
            submission.followers = None
        return flat

    def _rewind(self, queues: QueueSet, submissions: Iterable[Submission]) -> None:
        """Decide submissions again on what is in the log: one before them was a replay, so they built on nothing."""
        for queue in queues:
            queue.blocks += 1
        back = self._withdraw(queues, submissions)
        for queue in queues:
            queue.head = queue.committed
            queue.waiting.extendleft(reversed([one for one in back if one.account_id == queue.account_id]))
        for queue in queues:
            self._unblock(queue)

    def _retreat(self, queues: QueueSet, submissions: Iterable[Submission]) -> None:
        """Decide submissions again under the append lock: somebody else wrote, or the outcome is not known."""
        for queue in queues:
            queue.blocks += 1
        self._locked_lane.add_first([Unit([submission], None) for submission in self._withdraw(queues, submissions)])
        self._work.set()
        for queue in queues:
            queue.head = queue.committed
            self._unblock(queue)

    def _drop(self, submissions: list[Submission], error: Exception) -> None:
        """Fail submissions that the log cannot take, with everything that was decided on top of them."""
        queues = _queues_of(submissions)
        for queue in queues:
            queue.blocks += 1
        for submission in self._withdraw(queues, submissions):
            self.admission.fail(submission, error)
        for queue in queues:
            queue.head = queue.committed
            self._unblock(queue)

    # Loading, and losing the database ----------------------------------------------------------------------------

    async def _load_loop(self) -> None:
        while True:
            await self._loads.wait()
            self._loads.clear()
            queues, self._unloaded = self._unloaded, []
            try:
                async with self._log.reader() as reader:
                    loaded = await reader.load(dict.fromkeys((queue.account_id for queue in queues), None))
            except Exception as error:  # those who wait must hear of it
                for queue in queues:
                    self._turn_away(queue, _as_told(error))
                continue
            for queue in queues:
                head, folded = loaded[queue.account_id]
                if queue.head is None:
                    queue.head = queue.committed = head
                if head is not None and folded > EVERY:
                    self._snapshots.notice(head)
                self._unblock(queue)

    def _turn_away(self, queue: AccountQueue, error: Exception) -> None:
        while queue.waiting:
            self.admission.fail(queue.waiting.popleft(), error)
        self._unblock(queue)

    async def _renew(self, error: BaseException) -> None:
        await self._connection.renew(error, self._abandon)
        self.admission.trouble = None
        self._work.set()

    def _abandon(self, trouble: type[Unavailable]) -> None:
        """Answer everyone who waits that the outcome is not known, and begin with clean queues."""
        self.admission.trouble = trouble
        submissions: list[Submission] = []
        for queue in self._queues:
            submissions += queue.waiting
            queue.waiting.clear()
        for batch in self._batches:
            submissions += [member for one in batch.submissions for member in (one, *(one.followers or ()))]
        units = self._locked_lane.take_all()
        self._batches.clear()
        self._unloaded.clear()
        self._queues.clear()
        for submission in submissions:
            self.admission.fail(submission, trouble())
        self.admission.fail_units(units, trouble())


def _give_key_back(queue: AccountQueue, submission: Submission) -> None:
    receipt = submission.receipt
    if receipt is not None and queue.keys.get(receipt) is submission:
        del queue.keys[receipt]


def _as_told(error: Exception | asyncio.CancelledError) -> Exception:
    """What those who wait are told of a failed read."""
    if isinstance(error, (*LOST, asyncio.CancelledError)):
        return Unavailable()
    _log.error("the log could not be read", exc_info=error)
    return error


def _queues_of(submissions: Iterable[Submission]) -> QueueSet:
    return {submission.queue: None for submission in submissions if submission.queue is not None}
