"""Group commit: one writer per process commits commands in batches, without a timer.

The committer decides a command in memory when it arrives, on the newest state that this process has of its account, and
adds it to the open batch. A batch is what arrived while the previous commit was in flight, so ten commands on one busy
account cost one commit. Every answer waits until its batch is in the log, also the answer to a refused command: the
append function checks each account's version and receipts.

This is the fast lane. It assumes that no other process writes to the same accounts; the append function reports where
that was wrong. Commands that it cannot decide go to the locked lane (locked_lane.py). Each account has a queue
(account_queues.py) while commands for it are in flight.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from time import monotonic_ns
from typing import Any

from ledger.cancellation import end_tasks
from ledger.commit.account_loader import AccountLoader
from ledger.commit.account_queues import AccountQueues, QueueSet, needs_locked_lane, queues_of, release_key
from ledger.commit.admission import AdmissionControl
from ledger.commit.batch import OpenBatch, with_followers
from ledger.commit.fast_decision import decide_on_head
from ledger.commit.locked_lane import MAX_UNITS, LockedLane
from ledger.commit.receipt_lookup import SEVERAL, ReceiptLookup
from ledger.commit.snapshot_writer import SnapshotWriter
from ledger.commit.state_cache import StateCache
from ledger.commit.submission import AccountQueue, Outcome, Submission, Unavailable, UnitOfWork, Waiting
from ledger.commit.writer_connection import LockTaken, WriterConnection
from ledger.postgres.errors import LOST
from ledger.slices import Slices
from ledger.store.batch import Appended
from ledger.store.log import EventLog
from ledger.timings.command_timings import CommandTimings

_AT_ONCE = 100
"""Waiting submissions that are decided at once; more are decided in slices."""
_log = logging.getLogger("credit_ledger.committer")


class Committer:
    """Decides and commits the commands of one process. With `lock`, it appends only while it has that session lock."""

    def __init__(
        self,
        log: EventLog,
        cache: StateCache,
        snapshots: SnapshotWriter,
        clock: Callable[[], datetime],
        notify: Callable[[], None],
        timings: CommandTimings,
        *,
        queue_limit: int,
        patience: float,
        lock: int | None = None,
    ) -> None:
        self.admission = AdmissionControl(queue_limit)
        self.receipts = ReceiptLookup(log, self.admission)
        self._snapshots = snapshots
        self._clock = clock
        self._notify = notify
        self._timings = timings
        self._queues = AccountQueues(cache)
        self._batches: deque[OpenBatch] = deque()
        self._locked_lane = LockedLane(self._queues, self.admission, snapshots, clock, self._unblock, timings)
        self._loader = AccountLoader(log, snapshots, self._unblock, self._refuse, patience, timings.loads)
        self._work = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection = WriterConnection(log, lock)
        self.superseded = asyncio.Event()
        """Set when another process has the session lock. Nothing is appended any more; see `withdraw_all`."""
        self.broken = asyncio.Event()
        """Set when a programming error has ended the committer; from then on it accepts no commands."""

    async def start(self) -> None:
        """Connect and begin to commit. Raises LockTaken, and OperationalError when the database cannot be reached."""
        await self._connection.connect()
        self._create_future = asyncio.get_running_loop().create_future
        self.admission.error_type = None
        self._spawn(self._commit_loop())
        self._spawn(self._loader.load())
        self._spawn(self._loader.fail_late())

    async def stop(self) -> None:
        """Finish the commands in flight, then stop. Commands that cannot be finished fail with Unavailable."""
        drained = await self.admission.close()
        await end_tasks(self._tasks)
        self._loader.clear(Unavailable)
        if not drained:
            self._fail_all(self.admission.error_type or Unavailable)
        await self._connection.close()

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Accept a command and return the future of its outcome. Raises Overloaded or Unavailable when it cannot."""
        outcome = self._create_future()
        self.accept(submission, outcome)
        return outcome

    def accept(self, submission: Submission, outcome: Waiting[Outcome]) -> None:
        """Accept a command for whoever waits for its outcome. Raises Overloaded or Unavailable."""
        self.admission.admit(1)
        submission.since = monotonic_ns()
        submission.outcome = outcome
        queue = self._queues.find(submission.account_id) or self._open_queue(submission.account_id)
        if queue.blocks:
            queue.waiting.append(submission)
        else:
            self._take(queue, submission)

    def submit_together(self, submissions: Sequence[Submission]) -> asyncio.Future[list[Outcome]]:
        """Accept an atomic batch: all of its commands are carried out, or none. Raises Overloaded or Unavailable."""
        together = asyncio.get_running_loop().create_future()
        self.accept_together(submissions, together)
        return together

    def accept_together(self, submissions: Sequence[Submission], together: Waiting[list[Outcome]]) -> None:
        """Accept an atomic batch for whoever waits for its outcomes. Raises Overloaded or Unavailable."""
        self.admission.admit(len(submissions))
        for submission in submissions:
            submission.since = monotonic_ns()
            queue = self._queues.find(submission.account_id) or self._open_queue(submission.account_id)
            while queue.waiting:  # they came first; behind a stream of batches they would starve
                self._send_to_locked_lane(UnitOfWork([queue.waiting.popleft()], None))
        self._send_to_locked_lane(UnitOfWork(list(submissions), together))

    async def load(self, account_ids: Iterable[str]) -> None:
        """Load accounts into the cache. Raises Overloaded or Unavailable."""
        self.admission.admit(0)
        queues = [self._queues.find(name) or self._open_queue(name) for name in account_ids]
        loads = [queue.loading for queue in queues if queue.loading is not None]
        for queue in queues:
            self._queues.close_if_idle(queue)
        for error in await asyncio.gather(*loads):
            if error is not None:
                raise error

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, LockTaken):
            self.superseded.set()
        elif error is not None:
            _log.critical("the committer has failed and accepts no more commands", exc_info=error)
            self._fail_all(Unavailable)
            self.broken.set()

    def _open_queue(self, account_id: str) -> AccountQueue:
        queue = self._queues.open(account_id)
        if queue.head is None:
            self._loader.add(queue)
        return queue

    def _unblock(self, queue: AccountQueue) -> None:
        queue.blocks -= 1
        if len(queue.waiting) > _AT_ONCE and not queue.blocks:
            queue.blocks += 1
            self._spawn(self._take_waiting(queue))
        while queue.waiting and not queue.blocks:
            self._take(queue, queue.waiting.popleft())
        self._queues.close_if_idle(queue)
        self._work.set()  # a unit of work may have waited for it

    async def _take_waiting(self, queue: AccountQueue) -> None:
        """Decide the many that wait in a queue, in slices. It stays blocked: whoever comes meanwhile waits behind."""
        work = Slices()
        while queue.waiting and queue.blocks == 1:
            self._take(queue, queue.waiting.popleft())
            if work.over:
                await work.pause()
        self._unblock(queue)

    def _refuse(self, queue: AccountQueue, error: Exception) -> None:
        """Fail all submissions that wait for an account which cannot be loaded, or not in time."""
        while queue.waiting:
            self.admission.fail(queue.waiting.popleft(), error)
        if queue.blocks > 1:
            self._locked_lane.refuse(queue, error)

    def _send_to_locked_lane(self, unit: UnitOfWork) -> None:
        self._locked_lane.add(unit)
        self._work.set()

    # Deciding --------------------------------------------------------------------------------------------------

    def _take(self, queue: AccountQueue, submission: Submission) -> None:
        """Decide a submission on the state of its queue, and add it to the open batch."""
        receipt = submission.receipt
        leader = queue.keys.get(receipt) if receipt is not None else None
        if leader is not None and leader.refusal is None:  # a refused command does not use up its key
            leader.followers = [*(leader.followers or ()), submission]
            return
        if needs_locked_lane(queue, submission, self._clock):
            self._send_to_locked_lane(UnitOfWork([submission], None))
            for _ in range(min(len(queue.waiting), MAX_UNITS)):  # else each would take a commit of its own
                if not needs_locked_lane(queue, queue.waiting[0], self._clock):
                    break
                self._send_to_locked_lane(UnitOfWork([queue.waiting.popleft()], None))
            return
        began, now = monotonic_ns(), self._clock()
        try:
            decide_on_head(queue, submission, now)
        except Exception as error:  # of one account, for whatever reason: its caller is told, and all others go on
            _log.exception("a command on account %s could not be decided", ascii(queue.account_id))
            self.admission.fail(submission, error)
            self._queues.close_if_idle(queue)
            return
        if receipt is not None:
            queue.keys[receipt] = submission
        queue.in_batches += 1
        if not self._batches or self._batches[-1].full:
            self._batches.append(OpenBatch())
            self._work.set()
        queue.head = self._batches[-1].add(submission, queue.head)
        submission.took = monotonic_ns() - began

    # Committing ------------------------------------------------------------------------------------------------

    async def _commit_loop(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while await self._commit_next():
                pass

    async def _commit_next(self) -> bool:
        """Commit a batch, and then what may go through the locked lane; says whether there was anything."""
        batch = self._batches.popleft() if self._batches else None
        if batch is not None:
            await self._commit(batch)
        units = self._locked_lane.runnable()
        if units:
            await self._commit_units(units)
        return batch is not None or bool(units)

    async def _commit(self, batch: OpenBatch) -> None:
        began = monotonic_ns()
        try:
            appended = await self._connection.writer.append(batch.rows, batch.new_keys)
        except LOST as error:
            self._decide_again_under_lock(queues_of(batch.submissions), batch.submissions)
            await self._renew(error)
        except asyncio.CancelledError:
            self._batches.appendleft(batch)  # `stop` fails these submissions
            raise
        except Exception as error:  # whatever the error is, every waiting caller must get an answer
            _log.exception("a batch of %d commands could not be appended", len(batch.submissions))
            self._fail_batch(batch.submissions, error)
        else:
            ended = monotonic_ns()
            self._connection.mark_healthy()
            self._answer_appended(batch, appended)
            self._notify()
            self._timings.appended(batch.submissions, began, ended)

    async def _commit_units(self, units: list[UnitOfWork]) -> None:
        try:
            await self._locked_lane.commit(self._connection.writer, units)
            self._connection.mark_healthy()
            self._notify()
        except LOST as error:
            await self._renew(error)

    def _answer_appended(self, batch: OpenBatch, appended: Appended) -> None:
        """Answer the submissions that were appended; send the others to be replayed or decided again."""
        if not appended.stale and not appended.used:
            self._answer_all(batch.submissions, appended.first_position)
            return
        used = {batch.by_row[row] for row in appended.used}
        stale = {queue: None for name in sorted(appended.stale) if (queue := self._queues.find(name)) is not None}
        replayed = dict.fromkeys(queues_of([e for e in batch.submissions if e in used and e.events]))
        replayed = {queue: None for queue in replayed if queue not in stale}
        done = [e for e in batch.submissions if e not in used and e.queue not in stale and e.queue not in replayed]
        # A repeated opening is answered by the state of its account, and in `replayed` that state is not in the log.
        used -= {e for e in used if e.opens and e.queue in replayed}
        replays = [e for e in batch.submissions if e in used and e.queue not in stale]
        self._answer_all(done, appended.first_position)
        if replays:
            self._queues.detach(replays)
            self._spawn(self._replay(replays))
        if replayed:
            again = [e for e in batch.submissions if e.queue in replayed and e not in used]
            self._decide_again_from_log(replayed, again, look_first=len(replays) >= SEVERAL)
        if stale:
            self._decide_again_under_lock(stale, [e for e in batch.submissions if e.queue in stale])

    def _answer_all(self, submissions: Iterable[Submission], position: int) -> None:
        """Answer submissions whose events are in the log, the first one at `position`, and those that were refused."""
        for submission in submissions:
            queue = submission.queue
            assert queue is not None
            queue.in_batches -= 1
            release_key(queue, submission)
            if submission.refusal is not None:
                self.admission.answer(submission, submission.refusal)
            else:
                count = len(submission.events)
                position += count
                queue.committed = submission.head
                self.admission.answer(submission, submission.recorded(position - 1))
                if submission.snapshot is not None:
                    self._snapshots.schedule(submission.snapshot)
            for follower in submission.followers or ():  # they arrived with the same key while it was in flight
                self.admission.answer(follower, follower.replay(submission.executed(position - 1), submission.after))
            if not queue.in_batches:
                self._queues.close_if_idle(queue)

    # Submissions that were not appended ---------------------------------------------------------------------------

    async def _replay(self, submissions: list[Submission]) -> None:
        """Answer submissions whose keys were used before, from the receipts of those keys."""
        rest = await self.receipts.answer_used(submissions)
        assert not rest, "the append function found their receipts"

    async def _answer_used(self, queues: QueueSet) -> None:
        """Answer what waits in blocked queues and was executed before, and let the queues go on with the rest."""
        await self.receipts.answer_waiting(self._queues, queues)
        for queue in queues:
            self._unblock(queue)

    def _withdraw(self, queues: QueueSet, submissions: Iterable[Submission]) -> list[Submission]:
        """Take all submissions in flight off some queues, and return them in order.

        `submissions` are those of the batch that failed; those of later batches come after them.
        """
        withdrawn = list(submissions)
        for batch in self._batches:
            withdrawn += batch.withdraw(queues)
        self._queues.detach(withdrawn)
        return with_followers(withdrawn)

    def _decide_again_from_log(self, queues: QueueSet, submissions: Iterable[Submission], *, look_first: bool) -> None:
        """Decide submissions again on the state in the log: they were decided as if the events of an earlier one, which
        is a replay, were new. With `look_first` their receipts are looked up before."""
        for queue in queues:
            queue.blocks += 1
        self._queues.put_back(queues, self._withdraw(queues, submissions))
        for queue in queues:
            queue.head = queue.committed
        if look_first:
            self._spawn(self._answer_used(queues))
            return
        for queue in queues:
            self._unblock(queue)

    def _decide_again_under_lock(self, queues: QueueSet, submissions: Iterable[Submission]) -> None:
        """Decide submissions again under the append lock: another process wrote, or the outcome is unknown."""
        for queue in queues:
            queue.blocks += 1
        units = [UnitOfWork([submission], None) for submission in self._withdraw(queues, submissions)]
        self._locked_lane.add_first(units)
        self._work.set()
        for queue in queues:
            queue.head = queue.committed
            self._unblock(queue)

    def _fail_batch(self, submissions: list[Submission], error: Exception) -> None:
        """Fail submissions that cannot be appended, and all later ones that were decided on top of them."""
        queues = queues_of(submissions)
        for queue in queues:
            queue.blocks += 1
        for submission in self._withdraw(queues, submissions):
            self.admission.fail(submission, error)
        for queue in queues:
            queue.head = queue.committed
            self._unblock(queue)

    # Losing the database ------------------------------------------------------------------------------------

    async def _renew(self, error: BaseException) -> None:
        await self._connection.renew(error, self._fail_all)
        self.admission.error_type = None
        self._work.set()

    def _fail_all(self, error_type: type[Unavailable]) -> None:
        """Fail every waiting submission with an error that says the outcome is unknown, and drop all queues."""
        self.admission.error_type = error_type
        for unit in self._take_all(error_type):
            self.admission.fail_units([unit], error_type())

    def withdraw_all(self) -> list[UnitOfWork]:
        """Take out all units of work, in order for each account, for somebody else. Some may have been carried out."""
        units = self._take_all(Unavailable)
        self.admission.release(sum(len(unit.submissions) for unit in units))
        return units

    def _take_all(self, error_type: type[Unavailable]) -> list[UnitOfWork]:
        units = [UnitOfWork([one], None) for batch in self._batches for one in with_followers(batch.submissions)]
        self._batches.clear()
        self._loader.clear(error_type)
        return units + self._locked_lane.take_all() + [UnitOfWork([one], None) for one in self._queues.clear()]
