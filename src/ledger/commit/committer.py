"""Group commit: one writer per process, and batches without a timer.

A command is decided in memory the moment it arrives, on its account's newest state here, and joins the open batch. The
batch is whatever arrived while the last commit was in flight, so ten commands on one hot account cost one commit.
Nothing is answered before its batch is in the log, refusals included: they are checked there against the newest
version and the receipts.

This is the fast lane. It assumes that nobody else writes, and the log says where that was wrong; what it cannot decide
goes to the slow lane (slow_lane.py). Each account has a desk (desks.py) while something of it is in flight.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from typing import Any

from ledger.commit.account_queues import Desk, Desks
from ledger.commit.admission import Intake
from ledger.commit.batch import OpenBatch
from ledger.commit.fresh_decision import check_version
from ledger.commit.locked_lane import SlowLane
from ledger.commit.snapshot_writer import EVERY, Snapshots
from ledger.commit.state_cache import StateCache
from ledger.commit.submission import Outcome, Submission, Unavailable, Unit
from ledger.commit.writer_connection import Lifeline
from ledger.domain.account import evolve
from ledger.domain.decider import decide
from ledger.domain.errors import Refusal
from ledger.domain.related_events import NO_PAST, subjects
from ledger.postgres.errors import LOST
from ledger.store.batch import Appended
from ledger.store.log import EventLog
from ledger.store.sealing import sealed_command
from ledger.store.stream_heads import account_of, key_of

DeskSet = dict[Desk, None]
"""Desks in order."""

_log = logging.getLogger("credit_ledger.committer")


class Committer:
    """Decides and commits the commands of one process."""

    def __init__(
        self,
        log: EventLog,
        cache: StateCache,
        snapshots: Snapshots,
        clock: Callable[[], datetime],
        tell: Callable[[], None],
        *,
        queue_limit: int,
    ) -> None:
        self.intake = Intake(queue_limit)
        self._log = log
        self._snapshots = snapshots
        self._clock = clock
        self._tell = tell
        self._desks = Desks(cache)
        self._batches: deque[OpenBatch] = deque()
        self._slow_lane = SlowLane(self._desks, self.intake, snapshots, clock, self._unblock)
        self._unloaded: list[Desk] = []
        self._work = asyncio.Event()
        self._loads = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lifeline = Lifeline(log)
        self.broken = asyncio.Event()
        """Set when a mistake of this program has ended the work here: nothing is taken in any more."""

    async def start(self) -> None:
        """Connect and begin to commit. Raises psycopg.OperationalError when the database cannot be reached."""
        await self._lifeline.connect()
        self.intake.trouble = None
        self._spawn(self._commit_loop())
        self._spawn(self._load_loop())

    async def stop(self) -> None:
        """Finish what is in flight, then stop; what a stuck database does not let finish has no known outcome."""
        drained = await self.intake.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not drained:
            self._abandon(self.intake.trouble or Unavailable)
        await self._lifeline.close()

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Take a command in. Raises Overloaded or Unavailable at once when it cannot be taken."""
        self.intake.admit(1)
        submission.outcome = outcome = asyncio.get_running_loop().create_future()
        desk = self._desks.find(submission.account_id) or self._open_desk(submission.account_id)
        if desk.blocks:
            desk.waiting.append(submission)
        else:
            self._take(desk, submission)
        return outcome

    def submit_together(self, submissions: Sequence[Submission]) -> asyncio.Future[list[Outcome]]:
        """Take an atomic batch in: all of it is carried out, or none. Raises as submit does."""
        self.intake.admit(len(submissions))
        together = asyncio.get_running_loop().create_future()
        for submission in submissions:
            desk = self._desks.find(submission.account_id)
            while desk is not None and desk.waiting:  # they came first: batch after batch would starve them
                self._go_slow(Unit([desk.waiting.popleft()], None))
        self._go_slow(Unit(list(submissions), together))
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

    def _open_desk(self, account_id: str) -> Desk:
        desk = self._desks.open(account_id)
        if desk.tip is None:
            desk.blocks = 1
            self._unloaded.append(desk)
            self._loads.set()
        return desk

    def _unblock(self, desk: Desk) -> None:
        desk.blocks -= 1
        while desk.waiting and not desk.blocks:
            self._take(desk, desk.waiting.popleft())
        self._desks.leave(desk)

    def _go_slow(self, unit: Unit) -> None:
        self._slow_lane.add(unit)
        self._work.set()

    # Deciding --------------------------------------------------------------------------------------------------

    def _take(self, desk: Desk, submission: Submission) -> None:
        """Decide a submission on its desk's state and put it into the open batch."""
        receipt = submission.receipt
        leader = desk.keys.get(receipt) if receipt is not None else None
        if leader is not None and leader.refusal is None:  # a refusal does not use up its key: its turn is now
            leader.followers = [*(leader.followers or ()), submission]
            return
        if subjects(submission.command, account_of(desk.tip), NO_PAST):
            self._go_slow(Unit([submission], None))
            return
        self._decide(desk, submission)
        if receipt is not None:
            desk.keys[receipt] = submission
        desk.in_batches += 1
        if not self._batches or self._batches[-1].full:
            self._batches.append(OpenBatch())
            self._work.set()
        desk.tip = self._batches[-1].add(submission, desk.tip)

    def _decide(self, desk: Desk, submission: Submission) -> None:
        submission.desk = desk
        account = account_of(desk.tip)
        try:
            check_version(submission, account)
            command, submission.key = sealed_command(submission.command, key_of(desk.tip))
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
            await self._commit_slow_lane()
            if not self._batches and not self._slow_lane:
                self._work.clear()

    async def _commit(self, batch: OpenBatch) -> None:
        try:
            appended = await self._lifeline.writer.append(batch.rows, batch.new_keys)
        except LOST as error:
            self._retreat(_desks_of(batch.submissions), batch.submissions)
            await self._renew(error)
        except asyncio.CancelledError:
            self._batches.appendleft(batch)  # whoever stops us answers those who wait
            raise
        except Exception as error:  # ours or the database's: whatever it is, those who wait must hear of it
            _log.exception("a batch of %d commands could not be appended", len(batch.submissions))
            self._drop(batch.submissions, error)
        else:
            self._lifeline.well()
            self._settle(batch, appended)
            self._tell()

    async def _commit_slow_lane(self) -> None:
        units = self._slow_lane.runnable()
        if not units:
            return
        try:
            await self._slow_lane.commit(self._lifeline.writer, units)
            self._lifeline.well()
            self._tell()
        except LOST as error:
            await self._renew(error)

    def _settle(self, batch: OpenBatch, appended: Appended) -> None:
        """Answer what was appended, and send what was not to where it is decided again."""
        if not appended.stale and not appended.used:
            self._answer_all(batch.submissions, appended.first_position)
            return
        used = {batch.by_row[row] for row in appended.used}
        stale = {desk: None for name in sorted(appended.stale) if (desk := self._desks.find(name)) is not None}
        rewound = dict.fromkeys(_desks_of([e for e in batch.submissions if e in used and e.events]))
        rewound = {desk: None for desk in rewound if desk not in stale}
        good = [e for e in batch.submissions if e not in used and e.desk not in stale and e.desk not in rewound]
        replays = [e for e in batch.submissions if e in used and e.desk not in stale]
        self._answer_all(good, appended.first_position)
        if replays:
            self._depart(replays)
            self._spawn(self._replay(replays))
        if rewound:
            self._rewind(rewound, [e for e in batch.submissions if e.desk in rewound and e not in used])
        if stale:
            self._retreat(stale, [e for e in batch.submissions if e.desk in stale])

    def _answer_all(self, submissions: Iterable[Submission], position: int) -> None:
        """Answer submissions of which the log has the events, the first at `position`; refusals stand."""
        for submission in submissions:
            desk = submission.desk
            assert desk is not None
            desk.in_batches -= 1
            _give_key_back(desk, submission)
            if submission.refusal is not None:
                self.intake.answer(submission, submission.refusal)
            else:
                count = len(submission.events)
                position += count
                desk.committed = tip = submission.tip
                self.intake.answer(submission, submission.recorded(position - 1))
                if tip is not None and tip.account.version % EVERY < count:
                    self._snapshots.notice(tip)
            for follower in submission.followers or ():  # they came with its key while it was in flight
                self.intake.answer(follower, follower.replay(submission.executed(position - 1)))
            if not desk.in_batches:
                self._desks.leave(desk)

    # What the log did not take ---------------------------------------------------------------------------------

    def _depart(self, submissions: Iterable[Submission]) -> None:
        """Take submissions off their desks: their outcome is found elsewhere."""
        for submission in submissions:
            desk = submission.desk
            assert desk is not None
            desk.in_batches -= 1
            _give_key_back(desk, submission)
            self._desks.leave(desk)

    async def _replay(self, submissions: list[Submission]) -> None:
        """Answer submissions whose keys were used before, from their receipts."""
        family = [member for submission in submissions for member in (submission, *(submission.followers or ()))]
        try:
            async with self._log.reader() as reader:
                found = await reader.executed([(e.account_id, e.receipt or "") for e in submissions])
        except (Exception, asyncio.CancelledError) as error:  # those who wait must hear of it
            for member in family:
                self.intake.fail(member, _as_told(error))
            return
        for member in family:
            executed = found[member.account_id, member.receipt or ""]
            self.intake.answer(member, member.replay(executed))

    def _withdraw(self, desks: DeskSet, submissions: Iterable[Submission]) -> list[Submission]:
        """All submissions in flight at some desks, in order: those of a failed batch, then those of later batches."""
        back = list(submissions)
        for batch in self._batches:
            back += batch.withdraw(desks)
        self._depart(back)
        flat = [member for submission in back for member in (submission, *(submission.followers or ()))]
        for submission in back:
            submission.followers = None
        return flat

    def _rewind(self, desks: DeskSet, submissions: Iterable[Submission]) -> None:
        """Decide submissions again on what is in the log: one before them was a replay, so they built on nothing."""
        for desk in desks:
            desk.blocks += 1
        back = self._withdraw(desks, submissions)
        for desk in desks:
            desk.tip = desk.committed
            desk.waiting.extendleft(reversed([one for one in back if one.account_id == desk.account_id]))
        for desk in desks:
            self._unblock(desk)

    def _retreat(self, desks: DeskSet, submissions: Iterable[Submission]) -> None:
        """Decide submissions again under the append lock: somebody else wrote, or the outcome is not known."""
        for desk in desks:
            desk.blocks += 1
        self._slow_lane.add_first([Unit([submission], None) for submission in self._withdraw(desks, submissions)])
        self._work.set()
        for desk in desks:
            desk.tip = desk.committed
            self._unblock(desk)

    def _drop(self, submissions: list[Submission], error: Exception) -> None:
        """Fail submissions that the log cannot take, with everything that was decided on top of them."""
        desks = _desks_of(submissions)
        for desk in desks:
            desk.blocks += 1
        for submission in self._withdraw(desks, submissions):
            self.intake.fail(submission, error)
        for desk in desks:
            desk.tip = desk.committed
            self._unblock(desk)

    # Loading, and losing the database ----------------------------------------------------------------------------

    async def _load_loop(self) -> None:
        while True:
            await self._loads.wait()
            self._loads.clear()
            desks, self._unloaded = self._unloaded, []
            try:
                async with self._log.reader() as reader:
                    loaded = await reader.load(dict.fromkeys((desk.account_id for desk in desks), None))
            except Exception as error:  # those who wait must hear of it
                for desk in desks:
                    self._turn_away(desk, _as_told(error))
                continue
            for desk in desks:
                tip, folded = loaded[desk.account_id]
                if desk.tip is None:
                    desk.tip = desk.committed = tip
                if tip is not None and folded > EVERY:
                    self._snapshots.notice(tip)
                self._unblock(desk)

    def _turn_away(self, desk: Desk, error: Exception) -> None:
        while desk.waiting:
            self.intake.fail(desk.waiting.popleft(), error)
        self._unblock(desk)

    async def _renew(self, error: BaseException) -> None:
        await self._lifeline.renew(error, self._abandon)
        self.intake.trouble = None
        self._work.set()

    def _abandon(self, trouble: type[Unavailable]) -> None:
        """Answer everyone who waits that the outcome is not known, and begin with clean desks."""
        self.intake.trouble = trouble
        submissions: list[Submission] = []
        for desk in self._desks:
            submissions += desk.waiting
            desk.waiting.clear()
        for batch in self._batches:
            submissions += [member for one in batch.submissions for member in (one, *(one.followers or ()))]
        units = self._slow_lane.take_all()
        self._batches.clear()
        self._unloaded.clear()
        self._desks.clear()
        for submission in submissions:
            self.intake.fail(submission, trouble())
        self.intake.fail_units(units, trouble())


def _give_key_back(desk: Desk, submission: Submission) -> None:
    receipt = submission.receipt
    if receipt is not None and desk.keys.get(receipt) is submission:
        del desk.keys[receipt]


def _as_told(error: Exception | asyncio.CancelledError) -> Exception:
    """What those who wait are told of a failed read."""
    if isinstance(error, (*LOST, asyncio.CancelledError)):
        return Unavailable()
    _log.error("the log could not be read", exc_info=error)
    return error


def _desks_of(submissions: Iterable[Submission]) -> DeskSet:
    return {submission.desk: None for submission in submissions if submission.desk is not None}
