"""The checkpointer: signs a checkpoint of the log every few seconds, as long as there is something new.

It reads the hashes of new events, keeps the subtrees that they complete, and files the checkpoint outside of the
database. Before it signs for the first time, and whenever somebody else has filed one meanwhile, it proves that the log
begins with what the newest checkpoint says; if not, it signs nothing and says so. What goes wrong here never holds up
the ledger: it is logged, noted in ledger.checkpointing, and tried again.
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
from ledger.proof.files import FolderBusy
from ledger.proof.merkle import Frontier
from ledger.proof.notes import BadNote, sign
from ledger.proof.signing_key import Custody, KeyMissing
from ledger.proof.tree import PAGE, SQL, STEP, HoleInLog, Tree
from ledger.store.log import Connection, EventLog

LOOK_EVERY = 1.0
"""Seconds between two looks at the log, and so the least between two checkpoints."""
SAY_EVERY = 10.0
"""Seconds between two lines of progress."""
CARE_EVERY = 60.0
"""Seconds between two looks at whether files are to be thinned out, and whether what is kept is still there."""
PATIENCE = 10.0
"""Seconds that an operator waits for the folder; a service comes back to it by itself."""
_RETRY = 5.0
_LAST_WORD = 3.0
"""Seconds for the checkpoint of what was recorded last, when the service stops."""
_PROBLEMS = (CheckpointMismatch, HoleInLog, BadNote, KeyMissing)
_log = logging.getLogger("credit_ledger.checkpoints")


class Checkpointer:
    """Signs while `leads` says that this process does: every `seconds`, or when there are `events` new ones."""

    def __init__(
        self, log: EventLog, custody: Custody, leads: Callable[[], bool], *, seconds: float, events: int
    ) -> None:
        self._log = log
        self._custody = custody
        self._leads = leads
        self._seconds = seconds
        self._events = events
        self._growth = GrowingTree(self._vouched)
        self._signed = 0
        self._tried_at = -seconds
        self._thinned_at = -CARE_EVERY
        self._cared_at = monotonic()
        self._problem: str | None = None

    async def run(self) -> None:
        """Sign until cancelled, what was recorded last included; a lost database is waited for."""
        try:
            while True:
                pause = min(LOOK_EVERY, self._seconds)
                try:
                    await self.look()
                except psycopg.Error as error:
                    _log.warning("checkpoints wait for the database: %s", str(error).strip() or type(error).__name__)
                    pause = _RETRY
                await asyncio.sleep(pause)
        except asyncio.CancelledError:
            with suppress(TimeoutError, psycopg.Error):
                async with asyncio.timeout(_LAST_WORD):
                    await self._finish()
            raise

    async def look(self) -> None:
        """Read what is new, and sign when it is time. Raises what the database raises."""
        if not self._leads():
            self._growth = GrowingTree(self._vouched)  # who leads meanwhile may do anything
            return
        async with self._log.connection() as connection:
            try:
                if monotonic() - self._cared_at >= CARE_EVERY:
                    self._cared_at = monotonic()
                    await self.care(Tree(connection))
                new = await self._growth.follow(Tree(connection)) - self._signed
                if new >= self._events or (new and monotonic() - self._tried_at >= self._seconds):
                    self._tried_at = monotonic()
                    await self._file(connection)
            except _PROBLEMS as problem:
                self._growth.proven = b""
                await self._say(connection, str(problem))

    async def care(self, tree: Tree) -> None:
        """Make the kept subtrees anew at the next look, if some were deleted or are not what was signed."""
        frontier, vouched = self._growth.frontier, self._vouched()
        if self._problem is not None or frontier is None:
            return
        whole = await tree.whole() == frontier.size >> STEP << STEP
        if not whole or (vouched and vouched.size <= frontier.size and await tree.root(vouched.size) != vouched.root):
            self._growth = GrowingTree(self._vouched)

    async def sign(self) -> CheckpointFile | None:
        """Sign the log as it is now, unless that is done; returns the newest checkpoint, None for an empty log.

        Raises CheckpointMismatch, HoleInLog, BadNote and KeyMissing when it must not, FolderBusy, OSError, and what the
        database raises.
        """
        async with self._log.connection() as connection:
            tree = Tree(connection)
            await self._growth.follow(tree)
            newest = await self._sign(tree, PATIENCE)
            if newest is not None:
                await self._say(connection, None, newest)
            return newest

    async def _finish(self) -> None:
        if self._growth.frontier is None or self._problem is not None:
            return  # it did not lead, or it must not sign
        async with self._log.connection() as connection:
            try:
                await self._growth.follow(Tree(connection))
                await self._file(connection)
            except _PROBLEMS as problem:
                await self._say(connection, str(problem))

    async def _file(self, connection: Connection) -> None:
        try:
            newest = await self._sign(Tree(connection))
        except FolderBusy:
            return  # whoever is at it does the same
        except OSError as error:
            await self._say(connection, f"no checkpoint can be written: {error}")
            return
        if newest is not None:
            self._signed = newest.size
            await self._say(connection, None, newest)

    def _vouched(self) -> Checkpoint | None:
        try:
            newest = self._custody.folder.newest()
            return open_checkpoint_file(newest, self._custody.trusted()) if newest else None
        except (BadNote, OSError):
            return None  # said when it is time to sign

    async def _sign(self, tree: Tree, patience: float = 0.0) -> CheckpointFile | None:
        growth, folder = self._growth, self._custody.folder
        frontier = growth.frontier
        assert frontier is not None, "the log is read first"
        await tree.confirm()
        with folder.locked(patience):
            key = await asyncio.to_thread(self._custody.signing_key)
            newest = folder.newest()
            if newest is not None and newest.path.read_bytes() != growth.proven:
                await check(tree, open_checkpoint_file(newest, self._custody.trusted()), await tree.end())
                growth.proven = newest.path.read_bytes()
            if frontier.size > (newest.size if newest else 0):
                note = sign(Checkpoint(folder.origin, frontier.size, frontier.root()).text, [key])
                newest = await asyncio.to_thread(folder.write, frontier.size, note)
                growth.proven = note
            if monotonic() - self._thinned_at >= CARE_EVERY:
                self._thinned_at = monotonic()
                await asyncio.to_thread(folder.thin, datetime.now(UTC))
        return newest

    async def _say(self, connection: Connection, problem: str | None, newest: CheckpointFile | None = None) -> None:
        """Log what is new of a problem, and note it for those who cannot see the folder."""
        if problem != self._problem:
            if problem is not None:
                _log.error("no checkpoint is signed: %s", problem)
            else:
                _log.info("checkpoints are signed again")
            self._problem = problem
        noted = {"size": newest and newest.size, "signed_at": newest and newest.at, "problem": problem}
        await connection.execute(SQL["note_checkpoint"], noted)


class GrowingTree:
    """The tree of the log as far as it was read. `vouched` says up to where a signed checkpoint vouches for it."""

    def __init__(self, vouched: Callable[[], Checkpoint | None]) -> None:
        self.frontier: Frontier | None = None
        self.proven = b""
        """The newest checkpoint in the folder, when it is known that this tree begins with it."""
        self._vouched = vouched
        self._last = b""

    async def follow(self, tree: Tree) -> int:
        """Read to the end of the log and keep what is completed; returns where that is. Raises HoleInLog."""
        end = await tree.end()
        if self.frontier is None or not await self._unchanged(tree, self.frontier, end):
            self.proven = b""
            self.frontier = await _begin(tree, self._vouched(), end)
            if (size := self.frontier.size) > 0:
                [self._last] = await tree.leaves(size - 1, size)
        said = monotonic()
        while (size := self.frontier.size) < end:
            began = monotonic()
            more = await tree.leaves(size, min(end, size + PAGE))
            grown = self.frontier.grow(more)
            await tree.keep(size, grown.completed)
            self.frontier, self._last = grown.frontier, more[-1]
            if monotonic() - said >= SAY_EVERY:
                said = monotonic()
                _log.info("the tree over the log has %s of %s events", f"{grown.frontier.size:,}", f"{end:,}")
            if len(more) == PAGE:  # far behind: whoever waits for an answer comes first
                await asyncio.sleep(monotonic() - began)
        return self.frontier.size

    async def _unchanged(self, tree: Tree, frontier: Frontier, end: int) -> bool:
        """Whether the log still goes as far as it was read, with the same event there."""
        if frontier.size == 0:
            return True
        return frontier.size <= end and await tree.leaves(frontier.size - 1, frontier.size) == [self._last]


async def _begin(tree: Tree, vouched: Checkpoint | None, end: int) -> Frontier:
    """The tree as far as what is kept can be believed: it is of this log, and has the root that was signed.

    Otherwise what is kept is deleted, and made anew from the events.
    """
    if vouched is not None and vouched.size <= end and await tree.whole() and await tree.sound():
        frontier = await tree.frontier(vouched.size)
        if frontier.root() == vouched.root:
            # Back to where a page of events completes whole subtrees, so that what is kept has no gap.
            return await tree.frontier(min(vouched.size, await tree.whole()) >> STEP << STEP)
        _log.warning("the kept subtrees are not those that were signed; they are made anew from the events")
    await tree.forget()
    return Frontier()
