"""Group commit: one writer per process, and batches without a timer.

A command is decided in memory the moment it arrives, on its account's newest state here, and joins the open batch. The
batch is whatever arrived while the last commit was in flight, so ten commands on one hot account cost one commit.
Nothing is answered before its batch is in the log, refusals included: they are checked there against the newest
version and the receipts.

Two lanes. The fast lane assumes that nobody else writes, and the log says where that was wrong. The slow lane (units)
decides under the append lock and cannot be overtaken: for what the state does not know (the past), for atomic batches,
for accounts to which somebody else wrote, and for batches whose outcome was lost with the connection.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import psycopg

from ledger.account import Account, evolve
from ledger.aggregate import decide
from ledger.cache import StateCache
from ledger.deliberation import Deliberation, check_version
from ledger.entries import Desk, Entry, Outcome, Overloaded, Recorded, Unavailable, Unit
from ledger.errors import Refusal
from ledger.open_batch import OpenBatch
from ledger.past import NO_PAST, subjects
from ledger.snapshots import Snapshots
from ledger.store.batch import Appended
from ledger.store.log import EventLog, Executed, ServerProcess, Writer

MAX_UNITS = 500
"""Units that one transaction under the append lock carries, so that other processes get their turn."""
GRACE = 5.0
"""Seconds that waiting commands are kept through a lost database before they are answered that it is lost."""


class _HistoryLost(Exception):
    """The log has less than what was read from it before: it was restored, or failed over without its newest part."""


_LOST = (psycopg.OperationalError, psycopg.InterfaceError, ConnectionError, TimeoutError, OSError)
_log = logging.getLogger("credit_ledger.committer")


class Committer:
    """Decides and commits the commands of one process."""

    def __init__(
        self,
        log: EventLog,
        cache: StateCache,
        snapshots: Snapshots,
        clock: Callable[[], datetime],
        *,
        queue_limit: int,
    ) -> None:
        self._log = log
        self._cache = cache
        self._snapshots = snapshots
        self._clock = clock
        self._queue_limit = queue_limit
        self.waiting = 0
        self.available = False
        self._desks: dict[str, Desk] = {}
        self._batches: deque[OpenBatch] = deque()
        self._units: deque[Unit] = deque()
        self._unloaded: list[Desk] = []
        self._work = asyncio.Event()
        self._loads = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: Writer | None = None
        self._process: ServerProcess | None = None
        self._stopping = False

    # In and out ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and begin to commit. Raises psycopg.OperationalError when the database cannot be reached."""
        self._writer, self._process = await self._log.connect_writer(None)
        self.available = True
        for loop in (self._commit_loop, self._load_loop):
            self._spawn(loop())

    async def stop(self) -> None:
        """Finish what is in flight, then stop."""
        self._stopping = True
        while self.waiting and self.available:
            await asyncio.sleep(0.01)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._writer is not None:
            await self._writer.close()

    def submit(self, entry: Entry) -> asyncio.Future[Outcome]:
        """Take a command in. Raises Overloaded or Unavailable at once when it cannot be taken."""
        self._admit(1)
        entry.outcome = outcome = asyncio.get_running_loop().create_future()
        name = entry.account_id
        desk = self._desks.get(name) or self._open_desk(name)
        if desk.blocks:
            desk.waiting.append(entry)
        else:
            self._take(desk, entry)
        return outcome

    def submit_together(self, entries: Sequence[Entry]) -> asyncio.Future[list[Outcome]]:
        """Take an atomic batch in: all of it is carried out, or none."""
        self._admit(len(entries))
        together = asyncio.get_running_loop().create_future()
        self._add_unit(Unit(list(entries), together))
        return together

    def _admit(self, count: int) -> None:
        if not self.available or self._stopping:
            raise Unavailable
        if self.waiting + count > self._queue_limit:
            raise Overloaded
        self.waiting += count

    def _answer(self, entry: Entry, outcome: Outcome) -> None:
        self.waiting -= 1
        entry.answer(outcome)

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Desks -----------------------------------------------------------------------------------------------------

    def _open_desk(self, name: str) -> Desk:
        account = self._cache.get(name)
        desk = self._desks[name] = Desk(name, account)
        if account is None:
            desk.blocks = 1
            self._unloaded.append(desk)
            self._loads.set()
        return desk

    def _unblock(self, desk: Desk) -> None:
        desk.blocks -= 1
        while desk.waiting and not desk.blocks:
            self._take(desk, desk.waiting.popleft())
        self._leave(desk)

    def _leave(self, desk: Desk) -> None:
        """Close a desk at which nothing is in flight any more; what it knows goes to the cache."""
        if desk.blocks or desk.in_batches or desk.waiting:
            return
        if self._desks.get(desk.account_id) is desk:
            del self._desks[desk.account_id]
            if desk.committed is not None:
                self._cache.put(desk.committed)

    # The fast lane ---------------------------------------------------------------------------------------------

    def _take(self, desk: Desk, entry: Entry) -> None:
        """Decide an entry on its desk's state and put it into the open batch."""
        entry.desk = desk
        receipt = entry.receipt
        if receipt is not None and (leader := desk.keys.get(receipt)) is not None:
            leader.followers = [*(leader.followers or ()), entry]
            return
        account = desk.account
        if subjects(entry.command, account, NO_PAST):
            self._add_unit(Unit([entry], None))
            return
        try:
            check_version(entry, account)
            entry.events = decide(entry.command, account, self._clock())
        except Refusal as refusal:
            entry.events, entry.refusal = (), refusal
        else:
            entry.refusal = None
            for event in entry.events:
                account = evolve(account, event)
            desk.account = account
        entry.after = account
        if receipt is not None:
            desk.keys[receipt] = entry
        desk.in_batches += 1
        if not self._batches or self._batches[-1].full:
            self._batches.append(OpenBatch())
            self._work.set()
        self._batches[-1].add(entry)

    async def _commit_loop(self) -> None:
        while True:
            await self._work.wait()
            if self._batches:
                await self._commit(self._batches.popleft())
            units = self._runnable_units()
            if units:
                await self._commit_exclusively(units)
            if not self._batches and not self._units:
                self._work.clear()

    async def _commit(self, batch: OpenBatch) -> None:
        assert self._writer is not None
        try:
            appended = await self._writer.append(batch.rows)
        except _LOST as error:
            self._retreat({entry.desk: None for entry in batch.entries if entry.desk is not None}, batch.entries)
            await self._reconnect(error)
        except Exception as error:
            _log.exception("a batch of %d commands could not be appended", len(batch.entries))
            self._drop(batch.entries, error)
        else:
            self._settle(batch, appended)

    def _settle(self, batch: OpenBatch, appended: Appended) -> None:
        """Answer what was appended, and send what was not to where it is decided again."""
        if not appended.stale and not appended.used:
            self._settle_all(batch.entries, appended.first_position)
            return
        used = {batch.by_row[row] for row in appended.used}
        stale = {self._desks[name]: None for name in appended.stale}
        rewound = {e.desk: None for e in batch.entries if e in used and e.events and e.desk and e.desk not in stale}
        good = [e for e in batch.entries if e.desk not in stale and e.desk not in rewound and e not in used]
        replays = [e for e in batch.entries if e in used and e.desk not in stale]
        again = [e for e in batch.entries if e.desk in rewound and e not in used]
        self._settle_all(good, appended.first_position)
        if replays:
            self._depart(replays)
            self._spawn(self._replay(replays))
        if rewound:
            self._rewind(rewound, again)
        if stale:
            self._retreat(stale, [e for e in batch.entries if e.desk in stale])

    def _settle_all(self, entries: Iterable[Entry], position: int) -> None:
        for entry in entries:
            desk = entry.desk
            assert desk is not None
            desk.in_batches -= 1
            if entry.receipt is not None:
                desk.keys.pop(entry.receipt, None)
            if entry.refusal is not None:
                self._answer(entry, entry.refusal)
            else:
                position += len(entry.events)
                self._recorded(entry, position - 1)
                desk.committed = entry.after
            if entry.followers:
                self._settle_followers(desk, entry, position - 1)
            if not desk.in_batches:
                self._leave(desk)

    def _recorded(self, entry: Entry, position: int) -> None:
        after = entry.after
        version = 0 if after is None else after.version
        self._answer(entry, Recorded(entry.account_id, version, position, entry.events, False))
        if after is not None and entry.events:
            self._snapshots.notice(after, len(entry.events))

    def _settle_followers(self, desk: Desk, leader: Entry, position: int) -> None:
        """Those that came with the key of `leader` while it was in flight get its answer, or their own turn."""
        followers, leader.followers = leader.followers or [], None
        for follower in followers:
            if leader.refusal is None:
                executed = Executed(
                    leader.account_id,
                    leader.version,
                    position,
                    leader.events,
                    leader.metadata,
                    leader.fingerprint,
                )
                self._answer(follower, follower.replay(executed))
            elif desk.blocks:
                desk.waiting.append(follower)
            else:
                self._take(desk, follower)

    # What went another way --------------------------------------------------------------------------------------

    def _depart(self, entries: Iterable[Entry]) -> None:
        """Take entries off their desks: their outcome is found elsewhere."""
        for entry in entries:
            desk = entry.desk
            assert desk is not None
            desk.in_batches -= 1
            if entry.receipt is not None:
                desk.keys.pop(entry.receipt, None)
            self._leave(desk)

    async def _replay(self, entries: list[Entry]) -> None:
        """Answer entries whose keys were used before, from their receipts."""
        try:
            async with self._log.reader() as reader:
                found = await reader.executed([(e.account_id, e.receipt or "") for e in entries])
        except Exception:
            _log.exception("receipts could not be read")
            found = {}
        for entry in entries:
            family = [entry, *(entry.followers or ())]
            entry.followers = None
            for member in family:
                executed = found.get((member.account_id, member.receipt or ""))
                if executed is not None:
                    self._answer(member, member.replay(executed))
                else:
                    self._fail(member, Unavailable())

    def _withdraw(self, desks: dict[Desk, None], entries: Iterable[Entry]) -> list[Entry]:
        """All entries in flight at some desks, in order: those of the failed batch, then those of later batches."""
        back = list(entries)
        for batch in self._batches:
            back += batch.withdraw(desks)
        for entry in back:
            assert entry.desk is not None
            entry.desk.in_batches -= 1
            if entry.receipt is not None:
                entry.desk.keys.pop(entry.receipt, None)
        with_followers = [member for entry in back for member in (entry, *(entry.followers or ()))]
        for entry in back:
            entry.followers = None
        return with_followers

    def _rewind(self, desks: dict[Desk, None], entries: Iterable[Entry]) -> None:
        """Decide entries again on what is in the log: one before them was a replay, so they built on nothing."""
        back = self._withdraw(desks, entries)
        for desk in desks:
            desk.account = desk.committed
            desk.waiting.extendleft(reversed([entry for entry in back if entry.desk is desk]))
            desk.blocks += 1
        for desk in desks:
            self._unblock(desk)

    def _retreat(self, desks: dict[Desk, None], entries: Iterable[Entry]) -> None:
        """Decide entries again under the append lock: somebody else wrote, or the outcome is not known."""
        for desk in desks:
            self._cache.forget(desk.account_id)
        back = [Unit([entry], None) for entry in self._withdraw(desks, entries)]
        for unit in back:
            self._block(unit)
        self._units.extendleft(reversed(back))
        self._work.set()
        for desk in desks:
            self._leave(desk)

    # The slow lane ---------------------------------------------------------------------------------------------

    def _add_unit(self, unit: Unit) -> None:
        self._block(unit)
        self._units.append(unit)
        self._work.set()

    def _block(self, unit: Unit) -> None:
        for entry in unit.entries:
            desk = self._desks.get(entry.account_id)
            if desk is None:
                desk = self._desks[entry.account_id] = Desk(entry.account_id, self._cache.get(entry.account_id))
            entry.desk = desk
            desk.blocks += 1

    def _runnable_units(self) -> list[Unit]:
        """The next units whose accounts have nothing in the fast lane, in order for each account."""
        held_back: set[Desk] = set()
        runnable: list[Unit] = []
        rest: deque[Unit] = deque()
        while self._units:
            unit = self._units.popleft()
            desks = {entry.desk for entry in unit.entries if entry.desk is not None}
            if len(runnable) >= MAX_UNITS or desks & held_back or any(desk.in_batches for desk in desks):
                held_back |= desks
                rest.append(unit)
            else:
                runnable.append(unit)
        self._units = rest
        return runnable

    async def _commit_exclusively(self, units: list[Unit]) -> None:
        assert self._writer is not None
        entries = [entry for unit in units for entry in unit.entries]
        try:
            async with self._writer.exclusively():
                known = {entry.account_id: entry.desk.committed if entry.desk else None for entry in entries}
                deliberation = await Deliberation.prepare(self._writer, entries, known, self._clock)
                for unit in units:
                    deliberation.decide_unit(unit)
                first_position = await self._append_decided(self._writer, deliberation)
        except _HistoryLost:
            self._forget_all(units)
        except _LOST as error:
            self._units.extendleft(reversed(units))
            await self._reconnect(error)
        except Exception as error:
            _log.exception("%d commands could not be carried out under the append lock", len(entries))
            self._fail_units(units, error)
            self._return_desks(units, {})
        else:
            self._settle_units(units, deliberation, first_position)

    async def _append_decided(self, writer: Writer, deliberation: Deliberation) -> int:
        batch = OpenBatch()
        for entry in deliberation.decided:
            batch.add(entry)
        appended = await writer.append(batch.rows)
        if appended.stale or appended.used:  # nobody else can write now, so it is the log that went back in time
            raise _HistoryLost(f"the log is behind what was read from it: {sorted(appended.stale)}")
        return appended.first_position

    def _forget_all(self, units: list[Unit]) -> None:
        """The database was put back to an earlier state: believe it, and decide again on what it has."""
        desks = [entry.desk for unit in units for entry in unit.entries if entry.desk is not None]
        if all(desk.committed is None for desk in desks):
            self._fail_units(units, _HistoryLost("a snapshot is ahead of the events of its account"))
            self._return_desks(units, {})
            return
        for desk in desks:
            desk.account = desk.committed = None
            self._cache.forget(desk.account_id)
        self._units.extendleft(reversed(units))

    def _settle_units(self, units: list[Unit], deliberation: Deliberation, position: int) -> None:
        outcomes = deliberation.answers
        for entry in deliberation.decided:
            position += len(entry.events)
            assert entry.after is not None
            recorded = Recorded(entry.account_id, entry.after.version, position - 1, entry.events, False)
            outcomes[entry] = recorded
            self._snapshots.notice(entry.after, len(entry.events))
        for follower, leader in deliberation.follows.items():
            first = outcomes[leader]
            assert isinstance(first, Recorded)
            outcomes.setdefault(follower, first._replace(replayed=True))
        for unit in units:
            for entry in unit.entries:
                self._answer(entry, outcomes[entry])
            if unit.atomic is not None and not unit.atomic.done():
                unit.atomic.set_result([outcomes[entry] for entry in unit.entries])
        self._return_desks(units, deliberation.accounts)

    def _return_desks(self, units: list[Unit], accounts: dict[str, Account | None]) -> None:
        desks = [entry.desk for unit in units for entry in unit.entries if entry.desk is not None]
        for desk in desks:
            if desk.account_id in accounts:
                desk.account = desk.committed = accounts[desk.account_id]
        for desk in desks:
            self._unblock(desk)

    # Loading ---------------------------------------------------------------------------------------------------

    async def _load_loop(self) -> None:
        while True:
            await self._loads.wait()
            self._loads.clear()
            desks, self._unloaded = self._unloaded, []
            try:
                async with self._log.reader() as reader:
                    loaded = await reader.load(dict.fromkeys((desk.account_id for desk in desks), None))
            except Exception as error:
                if not isinstance(error, _LOST):
                    _log.exception("accounts could not be loaded")
                for desk in desks:
                    self._give_up(desk, Unavailable())
                continue
            for desk in desks:
                account, folded = loaded[desk.account_id]
                if desk.account is None:
                    desk.account = desk.committed = account
                if account is not None:
                    self._snapshots.notice(account, folded)
                self._unblock(desk)

    def _give_up(self, desk: Desk, error: Exception) -> None:
        while desk.waiting:
            self._fail(desk.waiting.popleft(), error)
        self._unblock(desk)

    # Losing the database ---------------------------------------------------------------------------------------

    async def _reconnect(self, error: BaseException) -> None:
        """Get a new writer, with the old one's server process gone; after a while tell everyone who waits."""
        _log.warning("the writer's connection was lost: %s", str(error).strip() or type(error).__name__)
        assert self._writer is not None
        await self._writer.close()
        loop = asyncio.get_running_loop()
        lost_at, pause = loop.time(), 0.02
        while True:
            try:
                self._writer, self._process = await self._log.connect_writer(self._process)
            except (psycopg.Error, OSError, TimeoutError) as problem:
                if loop.time() - lost_at > GRACE and (self.available or self.waiting):
                    _log.error("the database cannot be reached: %s", str(problem).strip())
                    self.available = False
                    self._abandon()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
            else:
                self.available = True
                self._work.set()
                _log.warning("the writer is connected again after %.1f s", loop.time() - lost_at)
                return

    def _abandon(self) -> None:
        """Answer everyone who waits that the outcome is not known, and begin with clean desks."""
        queued = [entry for batch in self._batches for entry in batch.entries]
        waiting = [entry for desk in self._desks.values() for entry in desk.waiting]
        units = list(self._units)
        self._batches.clear()
        self._units.clear()
        self._unloaded.clear()
        self._desks = {}
        for entry in queued:
            waiting += [entry, *(entry.followers or ())]
        for entry in waiting:
            self._fail(entry, Unavailable())
        self._fail_units(units, Unavailable())

    def _fail(self, entry: Entry, error: Exception) -> None:
        self.waiting -= 1
        entry.fail(error)

    def _fail_units(self, units: list[Unit], error: Exception) -> None:
        for unit in units:
            for entry in unit.entries:
                self._fail(entry, error)
            if unit.atomic is not None and not unit.atomic.done():
                unit.atomic.set_exception(error)

    def _drop(self, entries: list[Entry], error: Exception) -> None:
        """Fail entries of a batch that the log cannot take, with everything that was decided on top of them."""
        desks = {entry.desk: None for entry in entries if entry.desk is not None}
        for entry in self._withdraw(desks, entries):
            self._fail(entry, error)
        for desk in desks:
            desk.account = desk.committed
            self._leave(desk)
