"""The locked lane: units that are decided under the append lock, where nobody can overtake them.

Here goes what the fast lane cannot decide or got wrong: commands about the past, atomic batches, accounts to which
somebody else wrote, and batches whose outcome was lost with the connection. What the lock protects is read anew, so the
answers are final; and since the lock is taken before reading, nobody is overtaken for ever.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

from ledger.commit.account_queues import AccountQueues
from ledger.commit.admission import AdmissionControl
from ledger.commit.batch import OpenBatch
from ledger.commit.fresh_decision import FreshDecision
from ledger.commit.snapshot_writer import EVERY, SnapshotWriter
from ledger.commit.submission import AccountQueue, Recorded, Unit
from ledger.postgres.errors import LOST
from ledger.store.log import Writer
from ledger.store.stream_heads import StreamHead

MAX_UNITS = 500
"""Units that one transaction carries, so that other processes get their turn."""

_log = logging.getLogger("credit_ledger.locked_lane")


class HistoryLost(Exception):
    """The log has less than what was read from it before: it was restored, or failed over without its newest part."""


class LockedLane:
    """Units in order, the queues that they block, and how they are committed."""

    def __init__(
        self,
        queues: AccountQueues,
        admission: AdmissionControl,
        snapshots: SnapshotWriter,
        clock: Callable[[], datetime],
        unblock: Callable[[AccountQueue], None],
    ) -> None:
        self._queues = queues
        self._admission = admission
        self._snapshots = snapshots
        self._clock = clock
        self._unblock = unblock
        self._units: deque[Unit] = deque()

    def __len__(self) -> int:
        return len(self._units)

    def add(self, unit: Unit) -> None:
        """Let a unit wait for its turn; its accounts take nothing else meanwhile."""
        self._block(unit)
        self._units.append(unit)

    def add_first(self, units: list[Unit]) -> None:
        """Let units go before those that wait."""
        for unit in units:
            self._block(unit)
        self._units.extendleft(reversed(units))

    def _block(self, unit: Unit) -> None:
        for submission in unit.submissions:
            submission.queue = self._queues.find(submission.account_id) or self._queues.open(submission.account_id)
            submission.queue.blocks += 1

    def runnable(self) -> list[Unit]:
        """Take the next units whose accounts have nothing in the fast lane, in order for each account."""
        held_back: set[AccountQueue] = set()
        runnable: list[Unit] = []
        rest: deque[Unit] = deque()
        for unit in self._units:
            queues = set(_queues_of([unit]))
            if len(runnable) >= MAX_UNITS or queues & held_back or any(queue.in_batches for queue in queues):
                held_back |= queues
                rest.append(unit)
            else:
                runnable.append(unit)
        self._units = rest
        return runnable

    def take_all(self) -> list[Unit]:
        """Take everything that waits."""
        units = list(self._units)
        self._units.clear()
        return units

    async def commit(self, writer: Writer, units: list[Unit]) -> None:
        """Decide, append and answer units; with the connection lost or the task cancelled, put them back."""
        submissions = [submission for unit in units for submission in unit.submissions]
        known = {queue.account_id: queue.committed for queue in _queues_of(units)}
        try:
            async with writer.exclusively():
                decision = await FreshDecision.prepare(writer, submissions, known, self._clock)
                for unit in units:
                    decision.decide_unit(unit)
                first_position = await _append(writer, decision)
        except (*LOST, asyncio.CancelledError):
            self._units.extendleft(reversed(units))
            raise
        except HistoryLost as error:
            self._believe_the_log(units, error)
        except Exception as error:  # ours or the database's: whatever it is, those who wait must hear of it
            _log.exception("%d units could not be committed", len(units))
            self._fail(units, error)
        else:
            self._answer_appended(units, decision, first_position)

    def _fail(self, units: list[Unit], error: Exception) -> None:
        self._admission.fail_units(units, error)
        self._return_queues(units, {})

    def _answer_appended(self, units: list[Unit], decision: FreshDecision, position: int) -> None:
        outcomes = decision.answers
        for submission in decision.decided:
            position += len(submission.events)
            outcomes[submission] = submission.recorded(position - 1)
            if submission.head is not None and submission.version % EVERY < len(submission.events):
                self._snapshots.notice(submission.head)
        for follower, leader in decision.follows.items():
            first = outcomes[leader]
            assert isinstance(first, Recorded)
            outcomes.setdefault(follower, first._replace(replayed=True))
        for unit in units:
            for submission in unit.submissions:
                self._admission.answer(submission, outcomes[submission])
            if unit.atomic is not None and not unit.atomic.done():
                unit.atomic.set_result([outcomes[submission] for submission in unit.submissions])
        self._return_queues(units, decision.heads)

    def _return_queues(self, units: list[Unit], heads: dict[str, StreamHead | None]) -> None:
        queues = _queues_of(units)
        for queue in queues:
            if queue.account_id in heads:
                queue.head = queue.committed = heads[queue.account_id]
        for queue in queues:
            self._unblock(queue)

    def _believe_the_log(self, units: list[Unit], error: HistoryLost) -> None:
        """The database was put back to an earlier state: forget what was read, and decide again on what it has."""
        _log.error("the log went back in time: %s", error)
        queues = _queues_of(units)
        if all(queue.committed is None for queue in queues):
            self._fail(units, error)  # read from nothing and still ahead: a snapshot is wrong
            return
        for queue in queues:
            self._queues.forget(queue)
        self._units.extendleft(reversed(units))


def _queues_of(units: Iterable[Unit]) -> list[AccountQueue]:
    """The queue of every submission; one that has several submissions is there several times, as it is blocked."""
    return [submission.queue for unit in units for submission in unit.submissions if submission.queue is not None]


async def _append(writer: Writer, decision: FreshDecision) -> int:
    """Append what was decided, and move the heads to where the accounts end then."""
    batch, heads = OpenBatch(), decision.heads
    for submission in decision.decided:
        heads[submission.account_id] = batch.add(submission, heads[submission.account_id])
    appended = await writer.append(batch.rows, batch.new_keys)
    if appended.stale or appended.used:  # nobody else can write now
        raise HistoryLost(f"it is behind what was read of {sorted(appended.stale)}")
    return appended.first_position
