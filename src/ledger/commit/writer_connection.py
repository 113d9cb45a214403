"""The writer connection: the one connection on which a process appends, replaced when it is lost."""

import asyncio
import logging
from collections.abc import Callable

import psycopg
from psycopg.errors import DiskFull

from ledger.commit.submission import NoSession, StorageFull, Unavailable
from ledger.postgres.sessions import SharedSessions
from ledger.store.log import EventLog, ServerProcess, Writer

GRACE = 5.0
"""Seconds that waiting commands are kept through a lost database before they are told."""

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_REPEAT = 60.0
"""Seconds between two lines in the log about the same outage."""
_log = logging.getLogger("credit_ledger.writer_connection")


class WriterConnection:
    """Holds the writer. A new one is handed out only after the server process of the old one is gone."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._writer: Writer | None = None
        self._process: ServerProcess | None = None
        self._outage: Outage | None = None

    @property
    def writer(self) -> Writer:
        """The writer of now."""
        assert self._writer is not None, "connect comes first"
        return self._writer

    async def connect(self) -> None:
        """Connect. Raises psycopg.OperationalError when the database cannot be reached."""
        self._writer, self._process = await self._log.connect_writer(self._process)

    def mark_healthy(self) -> None:
        """Something was committed: an outage is over."""
        if self._outage is not None:
            _log.warning("the database commits again after %.1f s", _now() - self._outage.began)
            self._outage = None

    async def renew(self, error: BaseException, give_up: Callable[[type[Unavailable]], None]) -> None:
        """Connect again, for as long as it takes; when it takes longer than GRACE, `give_up` is told why.

        A database that answers and commits nothing is as good as lost: until something is committed, each renewal goes
        on where the one before it stopped, and rests longer.
        """
        if self._outage is None or self._outage.is_stale:
            self._outage = Outage()
        outage, told = self._outage, False
        outage.meet(error)
        await self.writer.close()
        while True:
            if not told and _now() - outage.began > GRACE:
                give_up(outage.trouble)
                told = True
            await outage.rest()
            try:
                await self.connect()
            except psycopg.Error as problem:
                outage.meet(problem)
            else:
                outage.renewed_at = _now()
                return

    async def close(self) -> None:
        """Close the writer's connection."""
        if self._writer is not None:
            await self._writer.close()


class Outage:
    """A time in which nothing could be committed."""

    def __init__(self) -> None:
        self.began = _now()
        self.trouble: type[Unavailable] = Unavailable
        """What those who wait are told."""
        self.renewed_at: float | None = None
        """When there was a connection again, the last time."""
        self._pause = 0.0
        self._said_at: float | None = None

    @property
    def is_stale(self) -> bool:
        """Whether a connection has lasted since; nobody happened to commit anything on it."""
        return self.renewed_at is not None and _now() - self.renewed_at > GRACE

    def meet(self, error: BaseException) -> None:
        """One more thing went wrong."""
        before, self.trouble = self.trouble, _trouble(error) or self.trouble
        if self._said_at is None or self.trouble is not before or _now() - self._said_at > _REPEAT:
            _log.error("the database commits nothing: %s", _text(error))  # expected: no stack
            self._said_at = _now()

    async def rest(self) -> None:
        """Not at all before the first attempt, then longer each time."""
        await asyncio.sleep(self._pause)
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)


def _trouble(error: BaseException) -> type[Unavailable] | None:
    """What those who wait are told of an error; None when it says no more than that the database is lost."""
    if isinstance(error, DiskFull) or "No space left on device" in str(error):
        return StorageFull
    return NoSession if isinstance(error, SharedSessions) else None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _text(error: BaseException) -> str:
    """The first line: the rest is where in our own statements it happened."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
