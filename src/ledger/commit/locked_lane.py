"""The locked lane: it decides units of work under the append lock, where no other process can write in between.

It takes what the fast lane cannot decide or decided wrongly: commands that need earlier events, atomic batches,
accounts to which another process wrote, and batches whose outcome was lost with the connection. It reads under the lock
everything that the lock protects, so its outcomes are final. It takes the lock before it reads, so that no unit of work
waits for ever behind other writers.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from time import monotonic_ns

from ledger.commit.account_queues import AccountQueues
from ledger.commit.admission import AdmissionControl
from ledger.commit.batch import OpenBatch
from ledger.commit.fresh_decision import FreshDecision
from ledger.commit.snapshot_writer import SnapshotWriter
from ledger.commit.submission import AccountQueue, Recorded, UnitOfWork
from ledger.postgres.errors import LOST
from ledger.slices import Slices, in_slices
from ledger.store.log import Writer
from ledger.store.records.chain import UnreadableEvent
from ledger.store.records.codec import snapshot_encoding
from ledger.store.stream_heads import StreamHead, is_large, needs_digest
from ledger.timings.command_timings import CommandTimings
from ledger.timings.histogram import Histogram

MAX_UNITS = 500
"""The largest number of units in one transaction, so that other processes get the lock in between."""

_log = logging.getLogger("credit_ledger.locked_lane")


class LogWentBack(Exception):
    """The log lacks events that were read from it before: it was restored, or a failover lost its newest part."""


class LockedLane:
    """Waiting units of work in order, the queues that they block, and how they are committed."""

    def __init__(
        self,
        queues: AccountQueues,
        admission: AdmissionControl,
        snapshots: SnapshotWriter,
        clock: Callable[[], datetime],
        unblock: Callable[[AccountQueue], None],
        timings: CommandTimings,
    ) -> None:
        self._queues = queues
        self._admission = admission
        self._snapshots = snapshots
        self._clock = clock
        self._unblock = unblock
        self._timings = timings
        self._units: deque[UnitOfWork] = deque()

    def __len__(self) -> int:
        return len(self._units)

    def add(self, unit: UnitOfWork) -> None:
        """Append a unit to the waiting ones, and block the queues of its accounts until it is done."""
        self._block(unit)
        self._units.append(unit)

    def add_first(self, units: list[UnitOfWork]) -> None:
        """Put units before those that wait, and block their queues."""
        for unit in units:
            self._block(unit)
        self._units.extendleft(reversed(units))

    def _block(self, unit: UnitOfWork) -> None:
        for submission in unit.submissions:
            submission.queue = self._queues.find(submission.account_id) or self._queues.open(submission.account_id)
            submission.queue.blocks += 1

    def runnable(self) -> list[UnitOfWork]:
        """Take out the next units whose accounts are loaded and have no commands in the fast lane, in order for each
        account."""
        held_back: set[AccountQueue] = set()
        runnable: list[UnitOfWork] = []
        waiting: list[UnitOfWork] = []
        while self._units and len(runnable) < MAX_UNITS:
            unit = self._units.popleft()
            queues = set(_queues_of([unit]))
            if queues & held_back or any(queue.in_batches or queue.loading for queue in queues):
                held_back |= queues
                waiting.append(unit)
            else:
                runnable.append(unit)
        self._units.extendleft(reversed(waiting))
        return runnable

    def refuse(self, queue: AccountQueue, error: Exception) -> None:
        """Fail the units that wait for the account of a queue, because it cannot be loaded."""
        units: list[UnitOfWork] = []
        others: deque[UnitOfWork] = deque()
        for unit in self._units:
            (units if queue in _queues_of([unit]) else others).append(unit)
        self._units = others
        self._fail(units, error)

    def take_all(self) -> list[UnitOfWork]:
        """Take out all waiting units."""
        units = list(self._units)
        self._units.clear()
        return units

    async def commit(self, writer: Writer, units: list[UnitOfWork]) -> None:
        """Decide, append and answer units. When the connection is lost or the task cancelled, they wait again."""
        submissions = [submission for unit in units for submission in unit.submissions]
        known = {queue.account_id: queue.committed for queue in _queues_of(units)}
        try:
            async with writer.exclusively():
                began = monotonic_ns()
                decision = await FreshDecision.prepare(writer, submissions, known, self._clock)
                await decision.decide_units(units)
                decided = monotonic_ns()
                await _append(writer, decision, self._timings.appends)
        except (*LOST, asyncio.CancelledError):
            self._units.extendleft(reversed(units))
            raise
        except LogWentBack as error:
            self._reload_from_log(units, error)
        except UnreadableEvent as error:
            self._fail_account(units, error)
        except Exception as error:  # whatever the error is, every waiting caller must get an answer
            _log.exception("%d units could not be committed", len(units))
            self._fail(units, error)
        else:
            ended = monotonic_ns()
            self._answer_appended(units, decision)
            self._timings.locked(submissions, began, decided, ended)

    def _fail_account(self, units: list[UnitOfWork], error: UnreadableEvent) -> None:
        """Fail the units of the account of an event that cannot be read. The others wait again."""
        _log.error("%s", error)
        failed = [
            unit for unit in units if any(one.account_id == error.account_id for one in unit.submissions)
        ] or units
        self._units.extendleft(unit for unit in reversed(units) if unit not in failed)
        self._fail(failed, error)

    def _fail(self, units: list[UnitOfWork], error: Exception) -> None:
        self._admission.fail_units(units, error)
        self._return_queues(units, {})

    def _answer_appended(self, units: list[UnitOfWork], decision: FreshDecision) -> None:
        outcomes = decision.answers
        for submission in decision.decided:
            outcomes[submission] = submission.recorded(decision.positions[submission])
            if submission.snapshot is not None:
                self._snapshots.schedule(submission.snapshot)
        for follower, leader in decision.follows.items():
            first = outcomes[leader]
            assert isinstance(first, Recorded)
            same_request = follower.metadata.request_id == leader.metadata.request_id
            outcomes.setdefault(follower, first._replace(replayed=not same_request))
        for unit in units:
            for submission in unit.submissions:
                self._admission.answer(submission, outcomes[submission])
            if unit.atomic is not None and not unit.atomic.done():
                unit.atomic.set_result([outcomes[submission] for submission in unit.submissions])
        self._return_queues(units, decision.heads)

    def _return_queues(self, units: list[UnitOfWork], heads: dict[str, StreamHead | None]) -> None:
        queues = _queues_of(units)
        for queue in queues:
            if queue.account_id in heads:
                queue.head = queue.committed = heads[queue.account_id]
        for queue in queues:
            self._unblock(queue)

    def _reload_from_log(self, units: list[UnitOfWork], error: LogWentBack) -> None:
        """Decide units again after the log went back: discard the states that were read before."""
        _log.error("the log lacks events that were read from it before: %s", error)
        queues = _queues_of(units)
        if all(queue.committed is None for queue in queues):
            self._fail(units, error)  # nothing in memory to discard, so a snapshot is ahead of the log
            return
        for queue in queues:
            self._queues.discard_state(queue)
        self._units.extendleft(reversed(units))


def _queues_of(units: Iterable[UnitOfWork]) -> list[AccountQueue]:
    """The queue of each submission. A queue occurs once for every submission, because each one blocks it once."""
    return [submission.queue for unit in units for submission in unit.submissions if submission.queue is not None]


async def _append(writer: Writer, decision: FreshDecision, times: Histogram) -> None:
    """Append the events of a decision; set its heads to the new ends of the streams, and its positions. Observe the
    times of the append function."""
    batch, work = OpenBatch(), Slices()
    for submission in decision.decided:
        if batch.full:
            await _append_batch(writer, batch, decision, times)
            batch = OpenBatch()
        head, after, encoded = decision.heads[submission.account_id], submission.after, None
        if after is not None and needs_digest(head, after) and is_large(after):
            encoded = await in_slices(snapshot_encoding(after), work)
        decision.heads[submission.account_id] = batch.add(submission, head, encoded)
        if work.over:
            await work.pause()
    await _append_batch(writer, batch, decision, times)


async def _append_batch(writer: Writer, batch: OpenBatch, decision: FreshDecision, times: Histogram) -> None:
    began = monotonic_ns()
    appended = await writer.append(batch.rows, batch.new_keys)
    times.observe(monotonic_ns() - began)
    if appended.stale or appended.used:  # under the lock no other process can have written
        raise LogWentBack(f"it is behind the state that was read of {sorted(appended.stale)}")
    position = appended.first_position
    for submission in batch.submissions:
        position += len(submission.events)
        decision.positions[submission] = position - 1
