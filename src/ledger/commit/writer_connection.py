"""The writer connection: the one connection on which a process appends. It replaces the connection when it is lost."""

import asyncio
import logging
from collections.abc import Callable

import psycopg
from psycopg.errors import DiskFull

from ledger.commit.submission import NoSession, StorageFull, Unavailable
from ledger.postgres.sessions import SharedSessions
from ledger.store.fence import ServerProcess
from ledger.store.log import EventLog, Writer

GRACE = 5.0
"""Seconds for which waiting commands survive a lost database; after that, they fail."""

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_LOG_EVERY = 60.0
"""Seconds between two lines in the log about the same outage."""
_log = logging.getLogger("credit_ledger.writer_connection")


class LockTaken(Exception):
    """Another process has the session lock, so this one must not append."""


class WriterConnection:
    """Holds the writer. It opens a new one only after the server process of the old one has ended.

    With `lock`, each writer takes the session lock of that number before anything is appended on it.
    """

    def __init__(self, log: EventLog, lock: int | None = None) -> None:
        self._log = log
        self._lock = lock
        self._writer: Writer | None = None
        self._process: ServerProcess | None = None
        self._outage: Outage | None = None

    @property
    def writer(self) -> Writer:
        """The current writer."""
        assert self._writer is not None, "connect comes first"
        return self._writer

    async def connect(self) -> None:
        """Connect, or connect again. Raises LockTaken, and OperationalError when the database cannot be reached."""
        self._writer, self._process = await self._log.connect_writer(self._process)
        if self._lock is not None and not await self._writer.take_lock(self._lock):
            raise LockTaken

    def mark_healthy(self) -> None:
        """Record that a commit succeeded: an outage, if there was one, is over."""
        if self._outage is not None:
            _log.warning("the database commits again after %.1f s", _now() - self._outage.began)
            self._outage = None

    async def renew(self, error: BaseException, give_up: Callable[[type[Unavailable]], None]) -> None:
        """Connect again, however long it takes. After GRACE seconds, call `give_up` with the error type for callers.

        A database that accepts connections but no commits counts as lost too. So an outage lasts until a commit
        succeeds: each renewal continues it, and waits longer before it connects. Raises LockTaken.
        """
        if self._outage is None or self._outage.is_stale:
            self._outage = Outage()
        outage, gave_up = self._outage, False
        outage.record(error)
        await self.writer.close()
        while True:
            if not gave_up and _now() - outage.began > GRACE:
                give_up(outage.error_type)
                gave_up = True
            await outage.pause()
            try:
                await self.connect()
            except psycopg.Error as problem:
                outage.record(problem)
            else:
                outage.reconnected_at = _now()
                return

    async def close(self) -> None:
        """Close the writer's connection."""
        if self._writer is not None:
            await self._writer.close()


class Outage:
    """A period in which no commit succeeds."""

    def __init__(self) -> None:
        self.began = _now()
        self.error_type: type[Unavailable] = Unavailable
        """The error with which waiting commands fail."""
        self.reconnected_at: float | None = None
        """When the last attempt to connect succeeded; None before the first success."""
        self._pause = 0.0
        self._logged_at: float | None = None

    @property
    def is_stale(self) -> bool:
        """Whether a connection has lasted for GRACE seconds since, although nothing was committed on it."""
        return self.reconnected_at is not None and _now() - self.reconnected_at > GRACE

    def record(self, error: BaseException) -> None:
        """Record one more error, and log it unless the same kind was logged within _LOG_EVERY."""
        before, self.error_type = self.error_type, _error_type(error) or self.error_type
        if self._logged_at is None or self.error_type is not before or _now() - self._logged_at > _LOG_EVERY:
            _log.error("the database commits nothing: %s", _first_line(error))  # an expected error: no stack trace
            self._logged_at = _now()

    async def pause(self) -> None:
        """Wait before the next attempt to connect: not at all before the first, then longer each time."""
        await asyncio.sleep(self._pause)
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)


def _error_type(error: BaseException) -> type[Unavailable] | None:
    """The error for callers that an error calls for; None when it only shows that the database is lost."""
    if isinstance(error, DiskFull) or "No space left on device" in str(error):
        return StorageFull
    return NoSession if isinstance(error, SharedSessions) else None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _first_line(error: BaseException) -> str:
    """The first line of an error; the other lines only show where in our statements it happened."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
