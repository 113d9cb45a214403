"""The checkpoints and keys with which statements and documents are signed, from the folder of the ledger."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NamedTuple, TypeVar

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


async def read_keys(checkpoint_keys: CheckpointKeys) -> Keys:
    """The keys of the folder. Raises KeyMissing, BadNote, OSError, and FolderBusy after PATIENCE."""
    return await _unless_busy(lambda: asyncio.to_thread(_keys, checkpoint_keys))


async def newest_checkpoint(log: EventLog, checkpoint_keys: CheckpointKeys, position: int) -> SignedCheckpoint | None:
    """The newest checkpoint; one is signed first if it does not cover a position. None of an empty log.

    Raises what the checkpointer raises when it must not sign.
    """
    newest = checkpoint_keys.folder.newest()
    if newest is None or newest.size < position:
        newest = await _sign(log, checkpoint_keys)
    return _read(newest) if newest is not None else None


async def oldest_checkpoint(
    log: EventLog, checkpoint_keys: CheckpointKeys, position: int, since: int
) -> SignedCheckpoint | None:
    """The oldest checkpoint that covers a position, which stays the same while it is kept; not smaller than `since`.

    One is signed first if there is none. None of an empty log. Raises what the checkpointer raises when it must not.
    """
    covering = [one for one in await asyncio.to_thread(checkpoint_keys.folder.all) if one.size >= max(position, since)]
    found = min(covering, default=None) or await _sign(log, checkpoint_keys)
    return _read(found) if found is not None else None


async def _sign(log: EventLog, checkpoint_keys: CheckpointKeys) -> CheckpointFile | None:
    return await _unless_busy(Checkpointer(log, checkpoint_keys, lambda: True, seconds=1.0, events=1).sign)


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
