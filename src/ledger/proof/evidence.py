"""Whether the log is still what its checkpoints say: nothing changed, nothing removed, the end not cut off.

After an older backup was restored it is not, and then the ledger must not go on as if nothing had happened.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.checkpoint_folder import CheckpointFile, CheckpointFolder
from ledger.proof.notes import BadNote
from ledger.proof.notices import Trusted, open_checkpoint
from ledger.proof.tree import HoleInLog, Tree


class CheckpointMismatch(Exception):
    """The log is not the one that a checkpoint was made of; the message says what was found."""


class LogBehind(CheckpointMismatch):
    """The log ends before the checkpoint."""


class LogChanged(CheckpointMismatch):
    """The log has other events than the checkpoint."""


class Compared(NamedTuple):
    """A log and the newest of its checkpoints."""

    end: int
    """The position of the last event."""
    newest: CheckpointFile | None
    problem: CheckpointMismatch | BadNote | None
    """None: the log is what the checkpoint says."""


async def check(tree: Tree, checkpoint: Checkpoint, end: int) -> None:
    """Raise LogBehind or LogChanged unless the log begins with what a checkpoint was made of."""
    if checkpoint.size > end:
        raise LogBehind(f"the log ends at position {end:,}, and the checkpoint has {checkpoint.size:,} events")
    try:
        root = await tree.root(checkpoint.size)
    except HoleInLog as hole:
        raise LogChanged(str(hole)) from hole
    if root != checkpoint.root:
        raise LogChanged(f"the first {checkpoint.size:,} events of the log are not those of the checkpoint")


def open_checkpoint_file(filed: CheckpointFile, trusted: Sequence[Trusted]) -> Checkpoint:
    """The checkpoint in a file. Raises BadNote, which names the file, and OSError."""
    try:
        checkpoint = open_checkpoint(filed.path.read_bytes(), trusted)
        if checkpoint.size != filed.size:
            raise BadNote(f"it is a checkpoint of {checkpoint.size:,} events under the name of another")
    except BadNote as problem:
        raise BadNote(f"{filed.path.name}: {problem}") from None
    return checkpoint


async def compare(tree: Tree, folder: CheckpointFolder, trusted: Sequence[Trusted]) -> Compared:
    """The log beside its newest checkpoint. Raises OSError, and what the database raises."""
    newest = folder.newest()  # before the end of the log: what is signed meanwhile is not ahead of it
    end = await tree.end()
    problem: CheckpointMismatch | BadNote | None = None
    if newest is not None:
        try:
            await check(tree, open_checkpoint_file(newest, trusted), end)
        except (CheckpointMismatch, BadNote) as found:
            problem = found
    return Compared(end, newest, problem)


async def holding(tree: Tree, folder: CheckpointFolder, trusted: Sequence[Trusted], end: int) -> int:
    """The size of the newest checkpoint that the log begins with; 0 when there is none.

    Of checkpoints that are consistent with each other those hold that are made before what was changed.
    """
    filed = folder.all()
    low, high = 0, len(filed)
    while low < high:
        middle = (low + high) // 2
        try:
            await check(tree, open_checkpoint_file(filed[middle], trusted), end)
        except (CheckpointMismatch, BadNote):
            high = middle
        else:
            low = middle + 1
    return filed[low - 1].size if low else 0


async def reliable_tree(tree: Tree, plain: Tree) -> Tree:
    """The tree to judge a log by: with the kept subtrees if they are of this log, else from the events alone."""
    try:
        return tree if await tree.sound() else plain
    except HoleInLog:
        return plain
