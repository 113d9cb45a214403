"""The follower reads new events of the log once, for all open streams of its process.

It works only while a stream is open. It appends what it reads to the recent events, and then notifies the listeners of
the accounts concerned. When the connection to the database is lost, it waits and then continues where it was.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request

from api.contract.problems import Problem, invalid
from api.http import metrics
from api.streaming.listeners import AccountListener, EventReader, Listener, LogListener
from api.streaming.recent_events import EventMessage, RecentEvents, message_of
from ledger.commit.notifications import CommitListener
from ledger.domain.errors import AccountNotFound
from ledger.postgres.errors import LOST
from ledger.store import EventLog, Feed, StoredRow, UnreadableEvent, read

MAX_LISTENERS = 4_096
"""Open streams of one process: half of its concurrent requests (hot_path.MAX_REQUESTS). The rest is for commands.
The places of streams are in places.py."""
HEARTBEAT = 15.0
"""Seconds between two heartbeats. Proxies close a connection without data after thirty or sixty seconds."""
RECENT_EVENTS = 10_000
"""Events that are kept in memory for listeners that are a little behind."""
_BACK = 1_000
"""Events that are read at the start: after a restart thousands of clients connect again, all a little behind."""
_PAGE = 1_000
_SLICE = 100
"""Events or listeners that are handled before other tasks of the loop, such as commands, get a turn."""
_MAX_READS = 2
"""Listeners that read from the database at the same time."""
_PAUSE = 0.02
_PAUSE_FOR_EACH = 0.000_1
"""Seconds between two reads, and the seconds that each notified listener adds: it takes about as long to serve one."""
_LINGER = 30.0
"""Seconds until the follower stops after the last stream closed."""
_MAX_WAIT = 1.0
"""Seconds between two reads if a notification of a commit got lost."""
_RETRY = 0.5
_START_TIMEOUT = 5.0
"""Seconds that a new listener waits for the database."""
_END = 2**62
_log = logging.getLogger("credit_ledger.streams")


class Follower:
    """Follows an open log for its listeners."""

    def __init__(
        self,
        log: EventLog,
        conninfo: str,
        *,
        heartbeat: float = HEARTBEAT,
        max_listeners: int = MAX_LISTENERS,
        recent_events: int = RECENT_EVENTS,
        linger: float = _LINGER,
    ) -> None:
        self._feed = Feed(log)
        self._conninfo = conninfo
        self._heartbeat = heartbeat
        self._max_listeners = max_listeners
        self._places_taken = 0
        self._size = recent_events
        self._linger = linger
        self._listeners: set[Listener] = set()
        self._by_account: defaultdict[str | None, set[Listener]] = defaultdict(set)
        self._reads = asyncio.Semaphore(_MAX_READS)
        self._starting = asyncio.Lock()
        self._recent: RecentEvents | None = None
        """The recent events of the current work; None while no stream is open."""
        self._work: asyncio.Task[None] | None = None
        self._ended = False

    # Listeners --------------------------------------------------------------------------------------------------

    async def listen(self, account_id: str | None, after: int | None, field: str = "after") -> Listener:
        """Add a listener to one account or (None) to all, after a position of the log or (None) from now on.

        Raises Problem (`overloaded`, `unavailable`, or `validation_failed` naming `field`), AccountNotFound and LOST.
        """
        if self._ended or self._places_taken >= self._max_listeners:
            raise Problem("overloaded", "No more streams can be opened here. Connect again later.", retry_after=5)
        self._places_taken += 1
        try:
            listener = await self._create_in_time(account_id, after, field)
        except BaseException:
            self._places_taken -= 1
            raise
        self._listeners.add(listener)
        self._by_account[account_id].add(listener)
        metrics.LISTENERS.set(len(self._listeners))
        if not self._is_current(listener.reader.recent):
            listener.end()
        return listener

    async def _create_in_time(self, account_id: str | None, after: int | None, field: str) -> Listener:
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                return await self._create(account_id, after, field)
        except TimeoutError:
            detail = "The log could not be read in time. Connect again later."
            raise Problem("unavailable", detail, retry_after=2) from None

    def _is_current(self, recent: RecentEvents) -> bool:
        return recent is self._recent and not self._ended

    def remove(self, listener: Listener) -> None:
        """Remove a listener."""
        self._places_taken -= 1
        self._listeners.discard(listener)
        self._by_account[listener.account_id].discard(listener)
        if not self._by_account[listener.account_id]:
            del self._by_account[listener.account_id]
        metrics.LISTENERS.set(len(self._listeners))

    async def _create(self, account_id: str | None, after: int | None, field: str) -> Listener:
        recent = await self._started()
        begin = await self._start_position(recent, after, field)
        reader = EventReader(recent, self._feed, self._reads)
        if account_id is None:
            return LogListener(reader, begin)
        async with self._reads:
            version = await self._feed.version_at(account_id, begin)
        if version is None:
            raise AccountNotFound(account_id)
        return AccountListener(reader, account_id, begin, version)

    async def _start_position(self, recent: RecentEvents, after: int | None, field: str) -> int:
        if after is not None and after <= recent.end:
            return after
        async with self._reads:
            end = await self._feed.last_position()
        if after is not None and after > end:  # the log was restored from a backup, or it is another log
            raise invalid(field, f"must be at most {end}, the last position of the log")
        return end if after is None else after

    # Following --------------------------------------------------------------------------------------------------

    async def _started(self) -> RecentEvents:
        """The recent events. Start to follow the log if that has not been started."""
        async with self._starting:
            if self._recent is None:
                self._recent = RecentEvents(max(0, await self._feed.last_position() - _BACK), self._size)
                self._work = asyncio.create_task(self._run(self._recent))
                self._work.add_done_callback(self._on_done)
            return self._recent

    async def _run(self, recent: RecentEvents) -> None:
        heartbeats = asyncio.create_task(self._send_heartbeats())
        try:
            async with CommitListener(self._conninfo).listening() as listener:
                await self._follow(recent, listener)
        finally:
            heartbeats.cancel()

    async def _follow(self, recent: RecentEvents, listener: CommitListener) -> None:
        loop = asyncio.get_running_loop()
        in_use_at = loop.time()
        while not self._ended:  # checked too, because libraries sometimes lose a cancellation (Python 3.11)
            listener.clear()
            if not await self._step(recent):
                await listener.wait(_MAX_WAIT)
            if self._places_taken:
                in_use_at = loop.time()
            elif loop.time() - in_use_at > self._linger:
                self._recent = None  # the next listener starts the work again
                return

    async def _step(self, recent: RecentEvents) -> bool:
        """Read the next events. Returns whether to read again at once."""
        try:
            rows = await self._feed.rows(recent.end, _END, _PAGE)
            messages = await _messages(rows)
        except LOST as error:
            _log.warning("event streams wait for the database: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)
            return True
        except UnreadableEvent:
            _log.exception("an event cannot be read: event streams send nothing after it")
            await asyncio.sleep(self._heartbeat)
            return True
        if messages:
            recent.append(messages)
            await self._notify(messages)
        return bool(messages)

    async def _notify(self, messages: Sequence[EventMessage]) -> None:
        """Notify the listeners concerned. The pause grows with their number, so that each gets more events at once."""
        names: set[str | None] = {None, *(one.account_id for one in messages)}
        concerned = [listener for name in names & self._by_account.keys() for listener in self._by_account[name]]
        async for listener in _in_slices(concerned):
            listener.notify()
        await asyncio.sleep(_PAUSE + len(concerned) * _PAUSE_FOR_EACH)

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            async for listener in _in_slices(tuple(self._listeners)):
                listener.request_heartbeat()

    # Shutdown ---------------------------------------------------------------------------------------------------

    def _on_done(self, work: "asyncio.Task[None]") -> None:
        """If the work failed while streams are open, end them: their clients connect again, which starts it again."""
        if self._work is work and self._recent is not None:
            self._recent = None
            self._end_listeners()

    def _end_listeners(self) -> None:
        for listener in tuple(self._listeners):
            listener.end()

    def end(self) -> None:
        """End all streams and refuse new ones, because the process is about to stop."""
        self._ended = True
        self._end_listeners()

    async def stop(self) -> None:
        """End all streams, and stop following the log."""
        self.end()
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)


async def _messages(rows: Sequence[StoredRow]) -> list[EventMessage]:
    messages: list[EventMessage] = []
    for start in range(0, len(rows), _SLICE):
        messages += [message_of(logged) for logged in read(rows[start : start + _SLICE])]
        await asyncio.sleep(0)
    return messages


async def _in_slices(listeners: Sequence[Listener]) -> AsyncIterator[Listener]:
    for number, listener in enumerate(listeners):
        yield listener
        if number % _SLICE == _SLICE - 1:
            await asyncio.sleep(0)


def follower_of(request: Request) -> Follower:
    """The follower of this process."""
    follower: Follower = request.app.state.follower
    return follower
