"""The follower: one in each process follows the log for all who listen, so that thousands cost what one costs.

It works only while somebody listens. What it reads goes into the tail; then those are stirred for whom it may mean
something. A lost database is waited for, and it goes on from where it was.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request

from api.contract.problems import Problem, invalid
from api.http import metrics
from api.streaming.listeners import AccountListener, Listener, LogListener, Shelf
from api.streaming.tail import Tail, Told, tell
from ledger.commit.notifications import CommitListener
from ledger.domain.errors import AccountNotFound
from ledger.postgres.errors import LOST
from ledger.store import EventLog, Feed, StoredRow, UnreadableEvent, read

MAX_LISTENERS = 4_096
"""In one process: half of the requests that it has in hand at once (server.MAX_REQUESTS). The rest is for commands."""
HEARTBEAT = 15.0
"""Seconds between two signs of life: proxies close what is silent for a minute or half of one."""
TAIL = 10_000
"""Events that are kept for those who are a little behind."""
_BACK = 1_000
"""Events that a new tail begins with: after a restart thousands come back at once, all of them a little behind."""
_PAGE = 1_000
_SLICE = 100
"""Events or listeners that are seen to without a pause: commands are waiting too."""
_READERS = 2
"""Listeners that read from the database at a time: it has other readers."""
_PAUSE = 0.02
_PAUSE_FOR_EACH = 0.000_1
"""Seconds between two rounds, and what each listener that was stirred adds: telling it takes about as long."""
_LINGER = 30.0
"""Seconds until it stops when nobody listens any more."""
_LONGEST_SLEEP = 1.0
"""Seconds between two looks, if a hint got lost."""
_RETRY = 0.5
_PATIENCE = 5.0
"""Seconds that a new listener waits for the database."""
_END = 2**62
_log = logging.getLogger("credit_ledger.streams")


class Follower:
    """Follows an open log, and knows who listens."""

    def __init__(
        self,
        log: EventLog,
        conninfo: str,
        *,
        heartbeat: float = HEARTBEAT,
        places: int = MAX_LISTENERS,
        tail: int = TAIL,
        linger: float = _LINGER,
    ) -> None:
        self._feed = Feed(log)
        self._conninfo = conninfo
        self._heartbeat = heartbeat
        self._places = places
        self._taken = 0
        self._size = tail
        self._linger = linger
        self._listeners: set[Listener] = set()
        self._of: defaultdict[str | None, set[Listener]] = defaultdict(set)
        self._turns = asyncio.Semaphore(_READERS)
        self._starting = asyncio.Lock()
        self._tail: Tail | None = None
        """Of the work that goes on; None when nobody listens."""
        self._work: asyncio.Task[None] | None = None
        self._ended = False

    # Coming and going -------------------------------------------------------------------------------------------

    async def listen(self, account_id: str | None, after: int | None, field: str = "after") -> Listener:
        """A new listener, to one account or (None) to all, from a position on or (None) from now on.

        Raises Problem (`overloaded`, `unavailable`, or `validation_failed` naming `field`), AccountNotFound and LOST.
        """
        if self._ended or self._taken >= self._places:
            raise Problem("overloaded", "No more listeners can be served here; connect again later.", retry_after=5)
        self._taken += 1
        try:
            listener = await self._new_in_time(account_id, after, field)
        except BaseException:
            self._taken -= 1
            raise
        self._listeners.add(listener)
        self._of[account_id].add(listener)
        metrics.LISTENERS.set(len(self._listeners))
        if not self._serves(listener.shelf.tail):
            listener.end()
        return listener

    async def _new_in_time(self, account_id: str | None, after: int | None, field: str) -> Listener:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._new(account_id, after, field)
        except TimeoutError:
            detail = "The log could not be read in time; connect again later."
            raise Problem("unavailable", detail, retry_after=2) from None

    def _serves(self, tail: Tail) -> bool:
        return tail is self._tail and not self._ended

    def leave(self, listener: Listener) -> None:
        """It does not listen any more."""
        self._taken -= 1
        self._listeners.discard(listener)
        self._of[listener.account_id].discard(listener)
        if not self._of[listener.account_id]:
            del self._of[listener.account_id]
        metrics.LISTENERS.set(len(self._listeners))

    async def _new(self, account_id: str | None, after: int | None, field: str) -> Listener:
        tail = await self._started()
        begin = await self._begin(tail, after, field)
        shelf = Shelf(tail, self._feed, self._turns)
        if account_id is None:
            return LogListener(shelf, begin)
        async with self._turns:
            version = await self._feed.version_at(account_id, begin)
        if version is None:
            raise AccountNotFound(account_id)
        return AccountListener(shelf, account_id, begin, version)

    async def _begin(self, tail: Tail, after: int | None, field: str) -> int:
        if after is not None and after <= tail.end:
            return after
        async with self._turns:
            end = await self._feed.last_position()
        if after is not None and after > end:  # the log was restored from a backup, or it is another log
            raise invalid(field, f"is beyond the end of the log, which is position {end}")
        return end if after is None else after

    # Following --------------------------------------------------------------------------------------------------

    async def _started(self) -> Tail:
        """The tail of the work that goes on; begins it when nobody has listened before."""
        async with self._starting:
            if self._tail is None:
                self._tail = Tail(max(0, await self._feed.last_position() - _BACK), self._size)
                self._work = asyncio.create_task(self._run(self._tail))
                self._work.add_done_callback(self._over)
            return self._tail

    async def _run(self, tail: Tail) -> None:
        beating = asyncio.create_task(self._beat())
        try:
            async with CommitListener(self._conninfo).listening() as listener:
                await self._follow(tail, listener)
        finally:
            beating.cancel()

    async def _follow(self, tail: Tail, listener: CommitListener) -> None:
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while not self._ended:  # asked for as well, because libraries sometimes forget a cancellation (Python 3.11)
            listener.clear()
            if not await self._step(tail):
                await listener.wait(_LONGEST_SLEEP)
            if self._taken:
                heard_at = loop.time()
            elif loop.time() - heard_at > self._linger:
                self._tail = None  # from here on whoever comes begins anew
                return

    async def _step(self, tail: Tail) -> bool:
        """Read on; says whether it is worth while to look again at once."""
        try:
            rows = await self._feed.rows(tail.end, _END, _PAGE)
            told = await _in_words(rows)
        except LOST as error:
            _log.warning("the listeners wait for the database: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)
            return True
        except UnreadableEvent:
            _log.exception("the listeners are told nothing from here on")
            await asyncio.sleep(self._heartbeat)
            return True
        if told:
            tail.append(told)
            await self._stir(told)
        return bool(told)

    async def _stir(self, told: Sequence[Told]) -> None:
        """Wake those for whom something of it is; the more they are, the more is told to them at once."""
        names: set[str | None] = {None, *(one.account_id for one in told)}
        concerned = [listener for name in names & self._of.keys() for listener in self._of[name]]
        async for listener in _in_slices(concerned):
            listener.stir()
        await asyncio.sleep(_PAUSE + len(concerned) * _PAUSE_FOR_EACH)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            async for listener in _in_slices(tuple(self._listeners)):
                listener.beat()

    # The end ----------------------------------------------------------------------------------------------------

    def _over(self, work: "asyncio.Task[None]") -> None:
        """It does not end while somebody listens, unless it fails: then they must come back, to begin it again."""
        if self._work is work and self._tail is not None:
            self._tail = None
            self._let_all_go()

    def _let_all_go(self) -> None:
        for listener in tuple(self._listeners):
            listener.end()

    def end(self) -> None:
        """End all streams now, and take no listener any more: the process is to stop."""
        self._ended = True
        self._let_all_go()

    async def stop(self) -> None:
        """End, and stop following."""
        self.end()
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)


async def _in_words(rows: Sequence[StoredRow]) -> list[Told]:
    told: list[Told] = []
    for start in range(0, len(rows), _SLICE):
        told += [tell(logged) for logged in read(rows[start : start + _SLICE])]
        await asyncio.sleep(0)
    return told


async def _in_slices(listeners: Sequence[Listener]) -> AsyncIterator[Listener]:
    for number, listener in enumerate(listeners):
        yield listener
        if number % _SLICE == _SLICE - 1:
            await asyncio.sleep(0)


def follower_of(request: Request) -> Follower:
    """The follower of this process."""
    follower: Follower = request.app.state.follower
    return follower
