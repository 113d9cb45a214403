"""The database server: processes that carry out statements, the append lock, and how they come to an end.

A statement that has reached the server takes its course whether or not anybody waits for its answer: that is what
makes a lost connection dangerous. Only the end of its process stops it, by a fence or by a crash of the whole server.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg

from ledger.store.reader import SQL
from tests.simulation.tables import NO_CHANGE, Change, Parameters, Rows, Tables
from tests.simulation.weather import Weather

LOCK = "SELECT ledger.lock_appends()"
FENCE_PATIENCE = 5.0
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Identity(NamedTuple):
    """A row of the statement `identify`."""

    pid: int
    backend_start: datetime


class Fenced(NamedTuple):
    """A row of the statement `fence`."""

    ended: bool


class Backend:
    """One server process: it serves one connection."""

    def __init__(self, pid: int, owner: str, started: datetime) -> None:
        self.pid = pid
        self.owner = owner
        self.started = started
        self.alive = True
        self.in_transaction = False
        self.written = NO_CHANGE
        """What a transaction appended and did not commit yet."""
        self.busy: asyncio.Task[None] | None = None
        self.hang_up: Callable[[], None] = lambda: None
        """Ends the connection that it serves."""
        self.alone = False
        """Whether the other side of the connection is gone."""

    def __repr__(self) -> str:
        return f"{self.owner}/{self.pid}"


class Lock:
    """The append lock: whoever waits gets it in order."""

    def __init__(self) -> None:
        self.holder: Backend | None = None
        self._queue: deque[tuple[Backend, asyncio.Future[None]]] = deque()

    async def take(self, backend: Backend) -> None:
        """Return when `backend` holds it."""
        if self.holder is None:
            self.holder = backend
        elif self.holder is not backend:
            turn = asyncio.get_running_loop().create_future()
            self._queue.append((backend, turn))
            await turn

    def give_back(self, backend: Backend) -> None:
        """`backend` neither holds it nor waits for it any more."""
        self._queue = deque((who, turn) for who, turn in self._queue if who is not backend)
        if self.holder is backend:
            self.holder = None
            if self._queue:
                self.holder, turn = self._queue.popleft()
                turn.set_result(None)


class Server:
    """The tables, the processes at work on them, and who can reach them."""

    def __init__(self, rng: random.Random, weather: Weather, tell: Callable[..., None]) -> None:
        self.tables = Tables()
        self.weather = weather
        self.committed_at: list[float] = []
        """When each position was committed."""
        self._rng = rng
        self._tell = tell
        self._lock = Lock()
        self._backends: dict[int, Backend] = {}
        self._pids = 0
        self._session_locks: dict[int, Backend] = {}
        self._frozen_until: dict[str, float] = {}
        self._away_until: dict[str, float] = {}
        """For each owner of connections ("" is everybody) until when the server cannot be reached."""

    # Connections ---------------------------------------------------------------------------------------------------

    def reachable_at(self, owner: str) -> float:
        """From when on connections of an owner can be made."""
        return max(self._away_until.get("", 0.0), self._away_until.get(owner, 0.0))

    def freeze(self, owner: str, seconds: float) -> None:
        """Let an owner of connections neither send nor notice anything for a while."""
        self._frozen_until[owner] = asyncio.get_running_loop().time() + seconds

    async def until_awake(self, owner: str) -> None:
        """Return when an owner of connections is not frozen."""
        frozen = self._frozen_until.get(owner, 0.0) - asyncio.get_running_loop().time()
        if frozen > 0:
            await asyncio.sleep(frozen)

    def be_away(self, owner: str, seconds: float) -> None:
        """Take no new connections of an owner for a while."""
        until = asyncio.get_running_loop().time() + seconds
        self._away_until[owner] = max(self._away_until.get(owner, 0.0), until)

    def connect(self, owner: str) -> Backend:
        """A process for a new connection."""
        self._pids += 1
        started = _EPOCH + timedelta(seconds=asyncio.get_running_loop().time())
        backend = self._backends[self._pids] = Backend(self._pids, owner, started)
        return backend

    def leave(self, backend: Backend) -> None:
        """The other side is gone. A process that is at work notices afterwards; an idle one sooner or later."""
        backend.alone = True
        if backend.busy is None:
            delay = self.weather.long() if self.weather.strikes("stall") else self.weather.trip()
            asyncio.get_running_loop().call_later(delay, self._notice, backend)

    def _notice(self, backend: Backend) -> None:
        if backend.busy is None:
            self.end(backend)

    def end(self, backend: Backend) -> None:
        """A process ends; what it did not commit has not happened."""
        if not backend.alive:
            return
        backend.alive = False
        del self._backends[backend.pid]
        if backend.busy is not None:
            backend.busy.cancel()
        self._roll_back(backend)
        self._session_locks = {number: one for number, one in self._session_locks.items() if one is not backend}
        backend.hang_up()

    def _roll_back(self, backend: Backend) -> None:
        backend.in_transaction = False
        backend.written = NO_CHANGE
        self._lock.give_back(backend)

    # What happens to the whole server --------------------------------------------------------------------------------

    def crash(self, seconds: float) -> None:
        """All processes end, and nobody can connect for a while."""
        self.be_away("", seconds)
        for backend in list(self._backends.values()):
            self.end(backend)

    def cut_off(self, owner: str, seconds: float) -> None:
        """All connections of an owner break, and it can make no new ones. The processes know nothing of it."""
        self.be_away(owner, seconds)
        for backend in list(self._backends.values()):
            if backend.owner == owner:
                backend.hang_up()

    async def hold_lock(self, seconds: float) -> None:
        """Somebody else holds the append lock for a while."""
        stranger = self.connect("stranger")
        stranger.busy = asyncio.current_task()
        try:
            await self._lock.take(stranger)
            await asyncio.sleep(seconds)
        finally:
            stranger.busy = None
            self.end(stranger)

    def lose_snapshots(self) -> None:
        """Some snapshots are deleted: it must not matter."""
        for kept in self.tables.snapshots.values():
            for version in [version for version in kept if self._rng.random() < 0.5]:
                del kept[version]

    # Statements ----------------------------------------------------------------------------------------------------

    async def carry_out(self, backend: Backend, text: str, given: Parameters, late: float) -> Rows:
        """One statement of a process, from when it is sent until its answer leaves. Raises what the server would."""
        try:
            stall = self.weather.long() if self.weather.strikes("stall") else self.weather.trip()
            await asyncio.sleep(late + stall)
            if text not in {"BEGIN", "ROLLBACK"}:
                self._perhaps_fail(backend, text)
            return await self._result(backend, text, given)
        finally:
            if not backend.in_transaction:
                self._lock.give_back(backend)

    def _perhaps_fail(self, backend: Backend, text: str) -> None:
        fails, falters = self.weather.strikes("statement fails"), self.weather.strikes("server falters")
        if (fails or falters) and text == "COMMIT":
            self._roll_back(backend)
        if fails:
            raise psycopg.errors.InternalError_("something is wrong with the statement")
        if falters:
            raise psycopg.errors.DiskFull("could not extend file")

    async def _result(self, backend: Backend, text: str, given: Parameters) -> Rows:
        answer = self.tables.ask.get(text)
        if answer is not None:
            return answer(given)
        if text == SQL["append"]:
            return await self._append(backend, given)
        if text == SQL["identify"]:
            return [Identity(backend.pid, backend.started)]
        if text == SQL["fence"]:
            return await self._fence(given)
        if text == SQL["take_lock"]:
            return [(self._session_locks.setdefault(given["number"], backend) is backend,)]
        if text == SQL["lock_holder"]:
            holder = self._session_locks.get(given["number"])
            return [] if holder is None else [(holder.pid,)]
        if text == SQL["end_lock_holder"]:
            holder = self._session_locks.get(given["number"])
            return [] if holder is None or holder.pid != given["pid"] else await self._end(holder)
        if text == LOCK:
            await self._lock.take(backend)
        elif text == "BEGIN":
            backend.in_transaction = True
        elif text == "COMMIT":
            await self._commit(backend, backend.written)
            self._roll_back(backend)
        elif text == "ROLLBACK":
            self._roll_back(backend)
        else:
            assert text.startswith("NOTIFY"), text
        return []

    async def _append(self, backend: Backend, given: Parameters) -> Rows:
        await self._lock.take(backend)
        verdict, change = self.tables.append(given, backend.written)
        self._tell(backend, "appends unheard" if backend.alone else "appends", change, verdict)
        if backend.in_transaction:
            backend.written = change  # of all appends of the transaction
        else:
            await self._commit(backend, change)
        return [(*verdict, backend.pid)]

    async def _commit(self, backend: Backend, change: Change) -> None:
        await asyncio.sleep(self.weather.work())
        self.tables.commit(change)
        self.committed_at += [asyncio.get_running_loop().time()] * len(change.rows)
        self._tell(backend, "commits", len(change.rows))

    async def _fence(self, given: Parameters) -> Rows:
        backend = self._backends.get(given["pid"])
        if backend is None or backend.started != given["backend_start"]:
            return []
        return await self._end(backend)

    async def _end(self, backend: Backend) -> Rows:
        """End a process for somebody who waits for its end, for some time."""
        long = self.weather.strikes("end takes long")
        delay = self._rng.random() * 1.5 * FENCE_PATIENCE if long else self.weather.trip()
        if delay > FENCE_PATIENCE:
            asyncio.get_running_loop().call_later(delay, self.end, backend)
        await asyncio.sleep(min(delay, FENCE_PATIENCE))
        if delay > FENCE_PATIENCE:
            return [Fenced(ended=False)]
        self._tell(backend, "is fenced")
        self.end(backend)
        return [Fenced(ended=True)]
