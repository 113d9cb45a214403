"""The revenue as one process of a service knows it: it reads the log on from where it was, when somebody asks.

Nothing is stored: the log is read in the background, in slices, and what was added up is forgotten when nobody has
asked for a while. See docs/adr/0089-revenue-is-read-on-request.md.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from audit.revenue.months import Month, MonthSums
from audit.revenue.worth import Worth
from ledger.cancellation import end_tasks
from ledger.slices import Slices
from ledger.store import EventLog, Feed, StoredRow, decode_uncounted, read

PATIENCE = 3.0
"""Seconds for which a request waits for the reading. It goes on meanwhile and afterwards."""
KEPT = 900.0
"""Seconds after the last request in which what was added up is kept."""
_PAGE = 2_000
"""The positions that one statement looks at."""
_TYPES = (
    *("CreditsGranted", "CreditsReceived", "PaymentRecorded", "PaymentRefunded", "DisputeRecorded"),
    *("CreditsDeducted", "HoldCaptured", "HoldReleased", "HoldExpired", "DeductionReversed", "TransferReversed"),
    *("CreditsExpired", "GrantExpiryChanged", "GrantVoided"),
)
"""The events of which a fold of worths takes notice."""
_log = logging.getLogger("credit_ledger.revenue")


class StillReading(Exception):
    """The log is not read to its end yet: `position` of `upto`. Ask again in a moment."""

    def __init__(self, position: int, upto: int) -> None:
        super().__init__(f"the revenue is being added up: {position:,} of {upto:,} events are read")
        self.position, self.upto = position, upto


class KnownRevenue(NamedTuple):
    """The months up to a position of the log, and when the event there was recorded; None before the first."""

    position: int
    at: datetime | None
    months: list[Month]


@dataclass(slots=True)
class _Fold:
    """What was read, up to a position."""

    worth: Worth = field(default_factory=Worth)
    sums: MonthSums = field(default_factory=MonthSums)
    position: int = 0
    upto: int = 0
    at: datetime | None = None


class RevenueReading:
    """Adds up the revenue of a log for the requests of one process."""

    def __init__(self, log: EventLog, patience: float = PATIENCE, kept: float = KEPT) -> None:
        self._feed = Feed(log)
        self._patience, self._kept = patience, kept
        self._fold = _Fold()
        self._task: asyncio.Task[None] | None = None
        self._forgets: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read when asked, until the block ends."""
        try:
            yield
        finally:
            if self._forgets is not None:
                self._forgets.cancel()
            if self._task is not None:
                await end_tasks([self._task])

    async def known(self, now: datetime) -> KnownRevenue:
        """The months as the log has them; periods that are over at `now` count as over.

        Raises StillReading, UnreadableEvent and psycopg.Error.
        """
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_on())
            self._task.add_done_callback(_told)
        task = self._task
        self._keep()
        await asyncio.wait([task], timeout=self._patience)
        fold = self._fold
        if not task.done():
            raise StillReading(fold.position, fold.upto)
        task.result()
        return KnownRevenue(fold.position, fold.at, fold.sums.months(fold.worth.due(now)))

    def _keep(self) -> None:
        """Forget later than was said before."""
        if self._forgets is not None:
            self._forgets.cancel()
        self._forgets = asyncio.get_running_loop().call_later(self._kept, self._forget)

    def _forget(self) -> None:
        if self._task is not None and self._task.done():
            self._fold = _Fold()
        else:
            self._keep()

    async def _read_on(self) -> None:
        """Read to the end of the log. What was added up is dropped when something goes wrong in the middle of it."""
        fold, work = self._fold, Slices()
        fold.upto = await self._feed.last_position()
        async for last, rows in self._feed.pages(fold.position, fold.upto, _PAGE, _TYPES):
            try:
                for row in rows:
                    _add(fold, row)
                    if work.over:
                        await work.pause()
            except BaseException:
                self._fold = _Fold()
                raise
            fold.position = last
        for logged in read(await self._feed.rows(fold.upto - 1, fold.upto, 1)):
            fold.at = logged.event.recorded_at


def _add(fold: _Fold, row: StoredRow) -> None:
    """Add an event. Raises UnreadableEvent."""
    [logged] = read([row], decode_uncounted)
    for move in fold.worth.add(logged):
        fold.sums.add(move)


def _told(task: "asyncio.Task[None]") -> None:
    """Say why a reading ended that nobody may wait for any more."""
    if not task.cancelled() and (problem := task.exception()):
        _log.warning("the revenue could not be added up: %s", problem)
