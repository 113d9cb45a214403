"""A member of a group: it owns the log, or it forwards commands to the worker that does.

It looks for the owner: whoever listens at the address of the group. If nobody does, it takes the session lock, owns the
log and listens itself. The lock names one owner of the group, and only on its connection are forwarded commands
appended. So a command that is asked again of the next owner cannot be carried out later by the one before.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence

import psycopg

from ledger.cancellation import end_tasks
from ledger.commit import writer_connection
from ledger.commit.committer import Committer
from ledger.commit.receipt_lookup import ReceiptLookup
from ledger.commit.submission import Outcome, Overloaded, Submission, Unavailable
from ledger.commit.writer_connection import LockTaken, Outage
from ledger.forwarding.forwarder import Forwarder
from ledger.forwarding.group import Group
from ledger.forwarding.owner import OwnerListener, is_forwarded
from ledger.store.log import EventLog

TICK = 0.5
"""Seconds after which a forwarding worker asks the owner whether it is alive."""
SILENT_TICKS = 5
"""Ticks without an answer after which an owner counts as frozen. It may be slow for less on a busy machine."""
_CLOSE_WITHIN = 1.0
"""Seconds in which the last outcomes must leave when the owner stops."""
_log = logging.getLogger("credit_ledger.forwarding")


class GroupMember:
    """Carries out commands as the owner of the log, or forwards them to it."""

    def __init__(
        self,
        group: Group,
        log: EventLog,
        new_committer: Callable[[], Committer],
        load: Callable[[Iterable[str]], Awaitable[None]],
        *,
        queue_limit: int,
        patience: float,
    ) -> None:
        self.forwarder = Forwarder(queue_limit)
        self.receipts = ReceiptLookup(log, self.forwarder.admission)
        self.broken = asyncio.Event()
        """Set when a programming error has ended it; from then on it accepts no commands."""
        self._group = group
        self._log = log
        self._new_committer = new_committer
        self._load = load
        self._patience = patience
        self.committer: Committer | None = None
        """The committer while this process owns the log."""
        self._listener: OwnerListener | None = None
        self._running: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._suspect: tuple[int, float] | None = None
        """The server process of an owner that cannot be reached, and since when."""

    @property
    def admission(self) -> "GroupMember":
        """The figures of the commands of this process: `available` and `waiting`."""
        return self

    @property
    def owns(self) -> bool:
        """Whether this process owns the log."""
        return self.committer is not None

    @property
    def available(self) -> bool:
        """Whether commands could be committed when that was last tried."""
        if self.committer is not None:
            return self.committer.admission.available
        owner = self.forwarder.owner
        return owner is not None and owner.available

    @property
    def waiting(self) -> int:
        """The number of commands of this process that wait for their commit."""
        waiting = self.forwarder.admission.waiting
        if self.committer is not None:
            waiting += self.committer.admission.waiting
        return waiting - self._listener.in_flight if self._listener is not None else waiting

    async def start(self) -> None:
        """Own the log or find its owner. Raises psycopg.OperationalError when the database cannot be reached."""
        await self._seek(first=True)
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(self._run_ended)

    async def stop(self) -> None:
        """Finish the commands in flight, then stop. Commands that cannot be finished fail with Unavailable."""
        await self.forwarder.admission.close()
        if self._running is not None:
            await end_tasks([self._running])
        if self._listener is not None:
            self._listener.stop_reading()
        if self.committer is not None:
            await self.committer.stop()
        if self._listener is not None:
            self._listener.close()
            await self._listener.closed(_CLOSE_WITHIN)
        self.forwarder.leave()
        self.forwarder.fail_all(Unavailable)
        await asyncio.gather(*self._retiring)

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Accept a command and return the future of its outcome. Raises Overloaded or Unavailable when it cannot."""
        return (self.committer or self.forwarder).submit(submission)

    def submit_together(self, submissions: Sequence[Submission]) -> asyncio.Future[list[Outcome]]:
        """Accept an atomic batch: all of its commands are carried out, or none. Raises Overloaded or Unavailable."""
        return (self.committer or self.forwarder).submit_together(submissions)

    async def load(self, account_ids: Iterable[str]) -> None:
        """Load accounts into the cache of this process. Raises Overloaded or Unavailable."""
        if self.committer is not None:
            await self.committer.load(account_ids)
            return
        self.forwarder.admission.admit(0)
        try:
            async with asyncio.timeout(None if self._patience == float("inf") else self._patience):
                await self._load(account_ids)
        except TimeoutError:
            raise Overloaded from None

    # One role after the other --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            if self.committer is not None:
                await self._own(self.committer)
            elif await self.forwarder.stay(TICK, SILENT_TICKS):
                _log.error("the owner of the log does not answer: this worker looks for the next one")
                await self._end_suspect()
            await self._seek()

    def _run_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("this worker can neither commit nor forward commands any more", exc_info=error)
            self.forwarder.admission.error_type = Unavailable
            self.forwarder.fail_all(Unavailable)
            self.broken.set()

    async def _seek(self, *, first: bool = False) -> None:
        """Own the log or connect to its owner, however long it takes. After GRACE seconds what waits fails."""
        outage, gave_up, began = Outage(), False, _now()
        self._suspect = None
        while True:
            try:
                if await self._find_role():
                    break
            except psycopg.Error as error:
                if first:
                    raise
                outage.record(error)
            if not gave_up and _now() - began > writer_connection.GRACE:
                self.forwarder.admission.error_type = outage.error_type
                self.forwarder.fail_all(outage.error_type)
                gave_up = True
            await outage.pause()
        self.forwarder.admission.error_type = None

    async def _find_role(self) -> bool:
        holder = await self._log.lock_holder(self._group.lock)
        try:
            if await self.forwarder.connect(self._group, TICK * SILENT_TICKS):
                self._suspect = None if holder is None else (holder, _now())
                return True
            if holder is not None:  # it has listened, and does not answer
                await self._log.end_lock_holder(self._group.lock, holder)
        except OSError:
            if holder is not None and not self._is_overdue(holder):
                return False  # it begins to listen, or ends
            await self._end_suspect()
        return await self._take_ownership()

    def _is_overdue(self, holder: int) -> bool:
        """Whether an owner to which nobody can connect has been the owner for long."""
        if self._suspect is None or self._suspect[0] != holder:
            self._suspect = holder, _now()
        return _now() - self._suspect[1] > TICK * SILENT_TICKS

    async def _end_suspect(self) -> None:
        """End the server process of the owner: nothing more is appended on it, and another worker can own the log."""
        if self._suspect is None:
            return
        try:
            await self._log.end_lock_holder(self._group.lock, self._suspect[0])
        except psycopg.Error as error:
            _log.warning("the server process of the former owner could not be ended: %s", error)

    async def _take_ownership(self) -> bool:
        committer = self._new_committer()
        try:
            await committer.start()
        except LockTaken:
            await committer.stop()
            return False
        except BaseException:
            await committer.stop()
            raise
        listener = OwnerListener(committer)
        try:
            await listener.start(self._group)
        except BaseException:
            await committer.stop()
            raise
        self.forwarder.hand_over(committer)
        self.committer, self._listener = committer, listener
        _log.info("the worker %d owns the log", os.getpid())
        return True

    async def _own(self, committer: Committer) -> None:
        """Return when another worker owns the log: what this one has not finished is forwarded to it."""
        ends = [asyncio.create_task(event.wait()) for event in (committer.superseded, committer.broken)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(ends)
        if committer.broken.is_set():
            raise RuntimeError("the committer has failed")
        _log.error("another worker owns the log: this one forwards its commands from now on")
        listener, self.committer, self._listener = self._listener, None, None
        self.forwarder.take_over(unit for unit in committer.withdraw_all() if not is_forwarded(unit))
        if listener is not None:
            listener.close()
        retiring = asyncio.create_task(committer.stop())
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)


def _now() -> float:
    return asyncio.get_running_loop().time()
