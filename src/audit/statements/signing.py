"""The checkpoints and keys with which statements and documents are signed, from the folder of the ledger."""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from ledger.proof.checkpoint import Checkpoint, read_checkpoint
from ledger.proof.checkpoint_folder import CheckpointFile
from ledger.proof.checkpointer import Checkpointer
from ledger.proof.files import FolderBusy
from ledger.proof.notes import SigningKey, VerifyingKey, text_of
from ledger.proof.signing_key import CheckpointKeys
from ledger.store import EventLog

PATIENCE = 5.0
"""Seconds that it waits while another process uses the folder of checkpoints."""
T = TypeVar("T")


class Keys(NamedTuple):
    """The key that signs, and how a reader comes to trust it."""

    signing: SigningKey
    first: VerifyingKey
    """The first trusted key. The notices connect it with the one that signs."""
    notices: tuple[str, ...]
    since: int
    """The size of the smallest checkpoint that the first trusted key, or a later one, may have signed."""


class SignedCheckpoint(NamedTuple):
    """A checkpoint, and its signed note."""

    checkpoint: Checkpoint
    note: str


_kept: WeakKeyDictionary[CheckpointKeys, tuple[object, Keys]] = WeakKeyDictionary()
"""The keys that were read last, and what their files looked like then: reading takes the lock of the folder."""


async def read_keys(checkpoint_keys: CheckpointKeys) -> Keys:
    """The keys of the folder. Raises KeyMissing, BadNote, OSError, and FolderBusy after PATIENCE."""
    files, (then, keys) = _files(checkpoint_keys), _kept.get(checkpoint_keys, (None, None))
    if keys is None or files is None or files != then:
        keys = await _unless_busy(lambda: asyncio.to_thread(_keys, checkpoint_keys))
        _kept[checkpoint_keys] = files, keys
    return keys


def _files(checkpoint_keys: CheckpointKeys) -> object:
    """What changes with the keys and the notices; None while a file is missing."""
    folder = checkpoint_keys.folder.path
    try:
        found = [path.stat() for path in (checkpoint_keys.path, folder / "first-key")]
        notices = len(list((folder / "notices").iterdir())) if (folder / "notices").is_dir() else 0
    except OSError:
        return None
    return notices, [(one.st_ino, one.st_mtime_ns, one.st_size) for one in found]


async def newest_checkpoint(log: EventLog, checkpoint_keys: CheckpointKeys, position: int) -> SignedCheckpoint | None:
    """The newest checkpoint; one is signed first if it does not cover a position. None of an empty log.

    Raises what the checkpointer raises when it must not sign.
    """
    newest = checkpoint_keys.folder.newest()
    if newest is None or newest.size < position:
        newest = await _unless_busy(lambda: _sign(log, checkpoint_keys))
    return _read(newest) if newest is not None else None


async def oldest_checkpoint(
    log: EventLog, checkpoint_keys: CheckpointKeys, position: int, since: int
) -> SignedCheckpoint | None:
    """The oldest checkpoint that covers a position, which stays the same while it is kept; not smaller than `since`.

    One is signed first if there is none. None of an empty log. Raises what the checkpointer raises when it must not.
    """

    folder, wanted = checkpoint_keys.folder, max(position, since)

    async def found() -> SignedCheckpoint | None:
        """Looks again after each wait: who held the folder has signed meanwhile."""
        with suppress(FileNotFoundError):  # it became superfluous after the folder was read
            filed = _covering(folder.kept() or (), wanted)
            if filed is not None:
                return _read(filed)
        filed = _covering(await asyncio.to_thread(folder.all), wanted) or await _sign(log, checkpoint_keys)
        return _read(filed) if filed is not None else None

    return await _unless_busy(found)


def _covering(there: Sequence[CheckpointFile], size: int) -> CheckpointFile | None:
    """The smallest of some checkpoints that has so many events; None if none has."""
    place = bisect_left(there, size, key=lambda one: one.size)
    return there[place] if place < len(there) else None


async def _sign(log: EventLog, checkpoint_keys: CheckpointKeys) -> CheckpointFile | None:
    return await Checkpointer(log, checkpoint_keys, lambda: True, seconds=1.0, events=1).sign(patience=0.0)


def _read(filed: CheckpointFile) -> SignedCheckpoint:
    note = filed.note()
    return SignedCheckpoint(read_checkpoint(text_of(note)), note.decode())


def _keys(checkpoint_keys: CheckpointKeys) -> Keys:
    with checkpoint_keys.folder.locked():
        notices = tuple(note.decode() for note in checkpoint_keys.folder.notices())
        signing = checkpoint_keys.signing_key()
        first = checkpoint_keys.trusted()[0]
        return Keys(signing, first.key, notices, first.first)


async def _unless_busy(work: Callable[[], Awaitable[T]]) -> T:
    """Do work that needs the folder, and wait while another process uses the folder. Raises FolderBusy."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            return await work()
        except FolderBusy:
            if monotonic() >= deadline:
                raise
            await asyncio.sleep(0.05)
