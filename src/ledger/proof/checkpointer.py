"""The checkpointer: it signs a checkpoint of the log every few seconds, as long as there are new events.

It reads new events and computes their hashes again, stores the subtrees that they complete, and writes the signed
checkpoint to a folder outside the database. Before its first checkpoint, and whenever another process has written one,
it proves that the log begins with the newest checkpoint; if it does not, or if an event does not chain, it signs
nothing and reports the problem. A problem here never holds up the ledger: it is logged, stored in ledger.checkpointing,
and the checkpointer tries again.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic

import psycopg

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.checkpoint_folder import CheckpointFile
from ledger.proof.evidence import CheckpointMismatch, check, open_checkpoint_file
from ledger.proof.files import LOCK, FolderBusy
from ledger.proof.merkle import Frontier
from ledger.proof.notes import BadNote, sign
from ledger.proof.signing_key import CheckpointKeys, KeyMissing
from ledger.proof.status import signed_size
from ledger.proof.tree import SQL, STEP, VERIFIED, HoleInLog, Tree
from ledger.store.links import Links
from ledger.store.log import EventLog
from ledger.store.reader import Connection
from ledger.store.records.chain import UnreadableEvent

READ_EVERY = 1.0
"""Seconds between two reads of the log, which is also the shortest time between two checkpoints."""
LOG_EVERY = 10.0
"""Seconds between two lines of progress in the program's log."""
MAINTAIN_EVERY = 60.0
"""Seconds between two runs of maintenance: deleting surplus files, and checking the stored subtrees."""
PATIENCE = 10.0
"""Seconds for which an operator's command waits for the lock of the folder. A service does not wait: it tries later. It
reports a problem when the lock is held for longer."""
_RETRY = 5.0
_FINISH_WITHIN = 3.0
"""Seconds for the last checkpoint when the service stops."""
_PROBLEMS = (CheckpointMismatch, HoleInLog, UnreadableEvent, BadNote, KeyMissing)
_log = logging.getLogger("credit_ledger.checkpoints")


class Checkpointer:
    """Signs every `seconds`, or as soon as there are `events` new events, while `leads` returns True."""

    def __init__(
        self, log: EventLog, checkpoint_keys: CheckpointKeys, leads: Callable[[], bool], *, seconds: float, events: int
    ) -> None:
        self._log = log
        self._keys = checkpoint_keys
        self._leads = leads
        self._seconds = seconds
        self._events = events
        self._tree = GrowingTree(self._newest_checkpoint)
        self._signed = 0
        self._tried_at = -seconds
        self._thinned_at = -MAINTAIN_EVERY
        self._checked_at = monotonic()
        self._problem: str | None = None
        self._busy_since: float | None = None

    async def run(self) -> None:
        """Sign until cancelled, and once more then. It waits for a lost database."""
        try:
            while True:
                pause = min(READ_EVERY, self._seconds)
                try:
                    await self.run_once()
                except psycopg.Error as error:
                    _log.warning("checkpoints wait for the database: %s", str(error).strip() or type(error).__name__)
                    pause = _RETRY
                await asyncio.sleep(pause)
        except asyncio.CancelledError:
            with suppress(TimeoutError, psycopg.Error):
                async with asyncio.timeout(_FINISH_WITHIN):
                    await self._finish()
            raise

    async def run_once(self) -> None:
        """Read new events, and sign when it is time. Raises psycopg.Error."""
        if not self._leads():
            self._tree = GrowingTree(self._newest_checkpoint)  # the process that leads may change everything
            return
        async with self._log.connection() as connection:
            try:
                if monotonic() - self._checked_at >= MAINTAIN_EVERY:
                    self._checked_at = monotonic()
                    await self.check_subtrees(Tree(connection))
                new = await self._tree.follow(Tree(connection)) - self._signed
                if new >= self._events or (new and monotonic() - self._tried_at >= self._seconds):
                    self._tried_at = monotonic()
                    await self._sign_and_report(connection)
            except _PROBLEMS as problem:
                self._tree.proven = b""
                await self._report(connection, str(problem))

    async def check_subtrees(self, tree: Tree) -> None:
        """Check the stored subtrees. If some are missing or differ from what was signed, the next run rebuilds all."""
        frontier, newest = self._tree.frontier, self._newest_checkpoint()
        if self._problem is not None or frontier is None:
            return
        complete = await tree.stored_size() == frontier.size >> STEP << STEP
        if not complete or (newest and newest.size <= frontier.size and await tree.root(newest.size) != newest.root):
            self._tree = GrowingTree(self._newest_checkpoint)

    async def sign(self, patience: float = PATIENCE) -> CheckpointFile | None:
        """Sign the log as it is now, unless that is done. Returns the newest checkpoint; None for an empty log.

        While it is patient, it holds up the whole process: a service is not.

        Raises CheckpointMismatch, HoleInLog, UnreadableEvent, BadNote and KeyMissing when it must not sign, FolderBusy,
        OSError, and psycopg.Error.
        """
        async with self._log.connection() as connection:
            await self._tree.follow(Tree(connection))
            newest = await self._sign(connection, patience)
            if newest is not None:
                await self._report(connection, None, newest)
            return newest

    async def _finish(self) -> None:
        if self._tree.frontier is None or self._problem is not None:
            return  # this process did not lead, or must not sign
        async with self._log.connection() as connection:
            try:
                await self._tree.follow(Tree(connection))
                await self._sign_and_report(connection)
            except _PROBLEMS as problem:
                await self._report(connection, str(problem))

    async def _sign_and_report(self, connection: Connection) -> None:
        try:
            newest = await self._sign(connection)
        except FolderBusy:  # the process that holds the lock signs, unless it holds it for too long
            self._busy_since = self._busy_since or monotonic()
            if monotonic() - self._busy_since >= PATIENCE:
                await self._report(connection, self._held())
            return
        except OSError as error:
            await self._report(connection, f"no checkpoint can be written: {error}")
            return
        self._busy_since = None
        if newest is not None:
            self._signed = newest.size
            await self._report(connection, None, newest)

    def _held(self) -> str:
        lock = self._keys.folder.path / LOCK
        return f"another process has held the lock {lock} for more than {PATIENCE:.0f} seconds"

    def _newest_checkpoint(self) -> Checkpoint | None:
        try:
            newest = self._keys.folder.newest()
            return open_checkpoint_file(newest, self._keys.trusted()) if newest else None
        except (BadNote, OSError):
            return None  # `_sign` reports it

    async def _sign(self, connection: Connection, patience: float = 0.0) -> CheckpointFile | None:
        growing, folder, tree = self._tree, self._keys.folder, Tree(connection)
        frontier = growing.frontier
        assert frontier is not None, "the log is read first"
        await tree.confirm()
        with folder.locked(patience):
            self._keys.signed = await signed_size(connection)  # another service may have signed meanwhile
            key = await asyncio.to_thread(self._keys.signing_key)
            newest = folder.newest()
            if newest is not None and newest.note() != growing.proven:
                await check(tree, open_checkpoint_file(newest, self._keys.trusted()), await tree.end())
                growing.proven = newest.note()
            if frontier.size > (newest.size if newest else 0):
                note = sign(Checkpoint(folder.origin, frontier.size, frontier.root()).text, [key])
                newest = await asyncio.to_thread(folder.write, frontier.size, note)
                growing.proven = note
            if monotonic() - self._thinned_at >= MAINTAIN_EVERY:
                self._thinned_at = monotonic()
                await asyncio.to_thread(folder.thin, datetime.now(UTC))
        return newest

    async def _report(self, connection: Connection, problem: str | None, newest: CheckpointFile | None = None) -> None:
        """Log a change of the problem, and store the state in the database for readers who cannot see the folder."""
        if problem != self._problem:
            if problem is not None:
                _log.error("no checkpoint is signed: %s", problem)
            else:
                _log.info("checkpoints are signed again")
            self._problem = problem
        noted = {"size": newest and newest.size, "signed_at": newest and newest.at, "problem": problem}
        await connection.execute(SQL["note_checkpoint"], noted)


class GrowingTree:
    """The tree of the log, up to where it was read. `newest_checkpoint` gives the newest one that can be trusted."""

    def __init__(self, newest_checkpoint: Callable[[], Checkpoint | None]) -> None:
        self.frontier: Frontier | None = None
        self.proven = b""
        """The note of the newest checkpoint, when this tree is proven to begin with it; else empty."""
        self._newest_checkpoint = newest_checkpoint
        self._last = b""
        self._links = Links()

    async def follow(self, tree: Tree) -> int:
        """Read to the end of the log, verify its chains, and store the completed subtrees. Returns the position there.

        Raises HoleInLog, and UnreadableEvent for an event that does not continue the chain of its account.
        """
        end = await tree.end()
        if self.frontier is None or not await self._unchanged(tree, self.frontier, end):
            self.proven = b""
            self.frontier = await _begin(tree, self._newest_checkpoint(), end)
            if (size := self.frontier.size) > 0:
                [self._last] = await tree.leaves(size - 1, size)
        logged_at = monotonic()
        while (size := self.frontier.size) < end:
            began = monotonic()
            more = await tree.verified_leaves(size, min(end, size + VERIFIED), self._links)
            grown = self.frontier.grow(more)
            await tree.store_subtrees(size, grown.completed)
            self.frontier, self._last = grown.frontier, more[-1]
            if monotonic() - logged_at >= LOG_EVERY:
                logged_at = monotonic()
                _log.info("the tree over the log has %s of %s events", f"{grown.frontier.size:,}", f"{end:,}")
            if len(more) == VERIFIED:  # far behind the log: leave as much time to other queries
                await asyncio.sleep(monotonic() - began)
        return self.frontier.size

    async def _unchanged(self, tree: Tree, frontier: Frontier, end: int) -> bool:
        """Whether the log still has the last event that was read, at the same position."""
        if frontier.size == 0:
            return True
        return frontier.size <= end and await tree.leaves(frontier.size - 1, frontier.size) == [self._last]


async def _begin(tree: Tree, newest: Checkpoint | None, end: int) -> Frontier:
    """The tree as far as its stored subtrees are trustworthy: they match the log and the root of `newest`.

    If they do not, it deletes them and returns the empty tree; `follow` then makes them again from the events.
    """
    if newest is not None and newest.size <= end and await tree.stored_size() and await tree.subtrees_match_log():
        frontier = await tree.frontier(newest.size)
        if frontier.root() == newest.root:
            # Back to the end of a complete stored subtree, so that the stored subtrees have no gap.
            return await tree.frontier(min(newest.size, await tree.stored_size()) >> STEP << STEP)
        _log.warning("the stored subtrees differ from those that were signed; they are made again from the events")
    await tree.delete_subtrees()
    return Frontier()
