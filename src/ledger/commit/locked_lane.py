"""The slow lane: units that are decided under the append lock, where nobody can overtake them.

Here goes what the fast lane cannot decide or got wrong: commands about the past, atomic batches, accounts to which
somebody else wrote, and batches whose outcome was lost with the connection. What the lock protects is read anew, so the
answers are final; and since the lock is taken before reading, nobody is overtaken for ever.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

from ledger.commit.account_queues import Desk, Desks
from ledger.commit.admission import Intake
from ledger.commit.batch import OpenBatch
from ledger.commit.fresh_decision import Deliberation
from ledger.commit.snapshot_writer import EVERY, Snapshots
from ledger.commit.submission import Recorded, Unit
from ledger.postgres.errors import LOST
from ledger.store.log import Writer
from ledger.store.stream_heads import Tip

MAX_UNITS = 500
"""Units that one transaction carries, so that other processes get their turn."""

_log = logging.getLogger("credit_ledger.slow_lane")


class HistoryLost(Exception):
    """The log has less than what was read from it before: it was restored, or failed over without its newest part."""


class SlowLane:
    """Units in order, the desks that they block, and how they are committed."""

    def __init__(
        self,
        desks: Desks,
        intake: Intake,
        snapshots: Snapshots,
        clock: Callable[[], datetime],
        unblock: Callable[[Desk], None],
    ) -> None:
        self._desks = desks
        self._intake = intake
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
            submission.desk = self._desks.find(submission.account_id) or self._desks.open(submission.account_id)
            submission.desk.blocks += 1

    def runnable(self) -> list[Unit]:
        """Take the next units whose accounts have nothing in the fast lane, in order for each account."""
        held_back: set[Desk] = set()
        runnable: list[Unit] = []
        rest: deque[Unit] = deque()
        for unit in self._units:
            desks = set(_desks_of([unit]))
            if len(runnable) >= MAX_UNITS or desks & held_back or any(desk.in_batches for desk in desks):
                held_back |= desks
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
        known = {desk.account_id: desk.committed for desk in _desks_of(units)}
        try:
            async with writer.exclusively():
                deliberation = await Deliberation.prepare(writer, submissions, known, self._clock)
                for unit in units:
                    deliberation.decide_unit(unit)
                first_position = await _append(writer, deliberation)
        except (*LOST, asyncio.CancelledError):
            self._units.extendleft(reversed(units))
            raise
        except HistoryLost as error:
            self._believe_the_log(units, error)
        except Exception as error:  # ours or the database's: whatever it is, those who wait must hear of it
            _log.exception("%d units could not be committed", len(units))
            self._fail(units, error)
        else:
            self._settle(units, deliberation, first_position)

    def _fail(self, units: list[Unit], error: Exception) -> None:
        self._intake.fail_units(units, error)
        self._return_desks(units, {})

    def _settle(self, units: list[Unit], deliberation: Deliberation, position: int) -> None:
        outcomes = deliberation.answers
        for submission in deliberation.decided:
            position += len(submission.events)
            outcomes[submission] = submission.recorded(position - 1)
            if submission.tip is not None and submission.version % EVERY < len(submission.events):
                self._snapshots.notice(submission.tip)
        for follower, leader in deliberation.follows.items():
            first = outcomes[leader]
            assert isinstance(first, Recorded)
            outcomes.setdefault(follower, first._replace(replayed=True))
        for unit in units:
            for submission in unit.submissions:
                self._intake.answer(submission, outcomes[submission])
            if unit.atomic is not None and not unit.atomic.done():
                unit.atomic.set_result([outcomes[submission] for submission in unit.submissions])
        self._return_desks(units, deliberation.tips)

    def _return_desks(self, units: list[Unit], tips: dict[str, Tip | None]) -> None:
        desks = _desks_of(units)
        for desk in desks:
            if desk.account_id in tips:
                desk.tip = desk.committed = tips[desk.account_id]
        for desk in desks:
            self._unblock(desk)

    def _believe_the_log(self, units: list[Unit], error: HistoryLost) -> None:
        """The database was put back to an earlier state: forget what was read, and decide again on what it has."""
        _log.error("the log went back in time: %s", error)
        desks = _desks_of(units)
        if all(desk.committed is None for desk in desks):
            self._fail(units, error)  # read from nothing and still ahead: a snapshot is wrong
            return
        for desk in desks:
            self._desks.forget(desk)
        self._units.extendleft(reversed(units))


def _desks_of(units: Iterable[Unit]) -> list[Desk]:
    """The desk of every submission; one that has several submissions is there several times, as it is blocked."""
    return [submission.desk for unit in units for submission in unit.submissions if submission.desk is not None]


async def _append(writer: Writer, deliberation: Deliberation) -> int:
    """Append what was decided, and move the tips to where the accounts end then."""
    batch, tips = OpenBatch(), deliberation.tips
    for submission in deliberation.decided:
        tips[submission.account_id] = batch.add(submission, tips[submission.account_id])
    appended = await writer.append(batch.rows, batch.new_keys)
    if appended.stale or appended.used:  # nobody else can write now
        raise HistoryLost(f"it is behind what was read of {sorted(appended.stale)}")
    return appended.first_position
