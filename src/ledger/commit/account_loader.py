"""Loads the accounts that waiting commands need, a few at a time, so that the first callers get answers early.

After a start the cache is empty, and every account is folded from its snapshot and events. When more accounts are
needed than can be loaded in time, commands that have waited for `patience` seconds fail with Overloaded. A load that
has begun is finished nevertheless, so a later attempt finds the account in the cache.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from time import monotonic_ns

from ledger.commit.snapshot_writer import SnapshotWriter
from ledger.commit.submission import AccountQueue, Overloaded, Unavailable
from ledger.postgres.errors import LOST
from ledger.store.loading import Loaded
from ledger.store.log import EventLog
from ledger.store.reader import Reader
from ledger.timings.histogram import Histogram

AT_ONCE = 16
"""The number of accounts that one query loads. With seventy events each, folding them takes about 30 ms."""
_CHECK_EVERY = 0.1
"""Seconds between two checks for commands that have waited too long."""
_log = logging.getLogger("credit_ledger.committer")


class _Load:
    """The load of one account: its queue, when it was requested, and how far it is."""

    __slots__ = ("asked", "begun", "loaded", "outcome", "queue", "since")

    def __init__(self, queue: AccountQueue) -> None:
        loop = asyncio.get_running_loop()
        self.queue = queue
        self.asked = monotonic_ns()
        self.since = loop.time()
        """Since when commands wait for it that have not failed."""
        self.outcome: asyncio.Future[Exception | None] = loop.create_future()
        """The error, or None when the account was loaded in time."""
        self.begun = False
        self.loaded = Loaded(None)

    def end(self, outcome: Exception | None) -> None:
        """Set the outcome, unless it is already set."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class AccountLoader:
    """Loads the accounts of blocked queues in the order in which they were added, and unblocks the queues.

    `times` observes how long each load took, from the first command that asked for it, in nanoseconds.
    """

    def __init__(
        self,
        log: EventLog,
        snapshots: SnapshotWriter,
        unblock: Callable[[AccountQueue], None],
        refuse: Callable[[AccountQueue, Exception], None],
        patience: float,
        times: Histogram,
    ) -> None:
        self._log = log
        self._snapshots = snapshots
        self._unblock = unblock
        self._refuse = refuse
        self._patience = patience
        self._times = times
        self._waiting: deque[_Load] = deque()
        self._begun: list[_Load] = []
        self._added = asyncio.Event()
        self._reading = False
        """Whether there is a connection. Without one, the pool gives up and the commands fail with Unavailable."""

    def add(self, queue: AccountQueue) -> None:
        """Load the account of a queue. The queue is blocked until then."""
        queue.blocks += 1
        load = _Load(queue)
        queue.loading = load.outcome
        self._waiting.append(load)
        self._added.set()

    def clear(self, error_type: type[Unavailable]) -> None:
        """Drop all loads. The caller fails the submissions that wait in the queues."""
        for load in (*self._begun, *self._waiting):
            load.end(error_type())
        self._waiting.clear()

    async def load(self) -> None:
        """Load the added accounts until cancelled."""
        while True:
            await self._added.wait()
            self._added.clear()
            try:
                async with self._log.command_reader() as reader:
                    self._reading = True
                    while self._waiting:
                        await self._load_some(reader)
            except Exception as error:  # every waiting caller must get an answer
                self._give_up(error_for_callers(error))
            finally:
                self._reading = False

    async def _load_some(self, reader: Reader) -> None:
        """Load a page of events for each of the next accounts. Accounts with more pages go to the end of the queue."""
        self._begun = loads = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        for load in loads:
            load.begun = True
        pages = await reader.load_page({load.queue.account_id: load.loaded.head for load in loads})
        self._begun = []
        for load in loads:
            load.loaded = load.loaded.after(pages[load.queue.account_id])
            if load.loaded.behind:
                self._waiting.append(load)
            elif load.loaded.problem is not None:
                self._fail_and_release(load, error_for_callers(load.loaded.problem))
            else:
                self._finish(load)

    def _give_up(self, error: Exception) -> None:
        """Fail the loads of the query that failed, or all loads when there is no connection."""
        if self._begun:
            loads, self._begun = self._begun, []
            self._added.set()
        else:
            loads = list(self._waiting)
            self._waiting.clear()
        for load in loads:
            self._fail_and_release(load, error)

    def _finish(self, load: _Load) -> None:
        self._times.observe(monotonic_ns() - load.asked)
        queue = load.queue
        if queue.head is None:
            queue.head = queue.committed = load.loaded.head
        if load.loaded.provable is not None:
            self._snapshots.schedule(load.loaded.provable)
        load.end(None)
        self._release(queue)

    def _release(self, queue: AccountQueue) -> None:
        queue.loading = None
        self._unblock(queue)

    def _fail(self, load: _Load, error: Exception) -> None:
        load.end(error)
        self._refuse(load.queue, error)

    def _fail_and_release(self, load: _Load, error: Exception) -> None:
        self._fail(load, error)
        self._release(load.queue)

    # Commands that have waited too long ------------------------------------------------------------------------------

    async def fail_late(self) -> None:
        """Fail the commands that have waited too long, until cancelled."""
        while self._patience < math.inf:
            await asyncio.sleep(_CHECK_EVERY)
            if not self._reading:
                continue
            now = asyncio.get_running_loop().time()
            late = now - self._patience
            for load in [load for load in (*self._begun, *self._waiting) if load.since <= late]:
                if load.begun:
                    load.since = now
                    self._fail(load, Overloaded())
                else:
                    self._waiting.remove(load)
                    self._fail_and_release(load, Overloaded())


def error_for_callers(error: Exception | asyncio.CancelledError) -> Exception:
    """The error that waiting callers get when the log could not be read."""
    if isinstance(error, (*LOST, asyncio.CancelledError)):
        return Unavailable()
    _log.error("the log could not be read", exc_info=error)
    return error
