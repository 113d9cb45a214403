"""Evidence against the log: does it still begin with what its checkpoints were made of?

After a backup is restored it may not, and then the ledger must not continue as if nothing had happened.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.checkpoint_folder import CheckpointFile, CheckpointFolder
from ledger.proof.notes import BadNote
from ledger.proof.notices import Trusted, open_checkpoint
from ledger.proof.tree import HoleInLog, Tree


class CheckpointMismatch(Exception):
    """The log does not begin with what a checkpoint was made of; the message says where they differ."""


class LogBehind(CheckpointMismatch):
    """The log ends before the checkpoint does."""


class LogChanged(CheckpointMismatch):
    """The log has other events than the checkpoint was made of."""


class Compared(NamedTuple):
    """The result of comparing a log with its newest checkpoint."""

    end: int
    """The position of the last event of the log."""
    newest: CheckpointFile | None
    problem: CheckpointMismatch | BadNote | None
    """Why the log and the checkpoint do not match; None when they do, or when there is no checkpoint."""


async def check(tree: Tree, checkpoint: Checkpoint, end: int) -> None:
    """Raise LogBehind or LogChanged unless the log of `end` events begins with what `checkpoint` was made of."""
    if checkpoint.size > end:
        raise LogBehind(f"the log ends at position {end:,}, and the checkpoint has {checkpoint.size:,} events")
    try:
        root = await tree.root(checkpoint.size)
    except HoleInLog as hole:
        raise LogChanged(str(hole)) from hole
    if root != checkpoint.root:
        raise LogChanged(f"the first {checkpoint.size:,} events of the log are not those of the checkpoint")


def open_checkpoint_file(filed: CheckpointFile, trusted: Sequence[Trusted]) -> Checkpoint:
    """Read the checkpoint in a file. Raises BadNote, which names the file, and OSError."""
    try:
        checkpoint = open_checkpoint(filed.note(), trusted)
        if checkpoint.size != filed.size:
            raise BadNote(f"it is a checkpoint of {checkpoint.size:,} events under the name of another")
    except BadNote as problem:
        raise BadNote(f"{filed.path.name}: {problem}") from None
    return checkpoint


async def compare(tree: Tree, folder: CheckpointFolder, trusted: Sequence[Trusted]) -> Compared:
    """Compare the log with its newest checkpoint. Raises OSError and psycopg.Error."""
    newest = folder.newest()  # read before the end of the log, so that a new checkpoint is not ahead of the log
    end = await tree.end()
    problem: CheckpointMismatch | BadNote | None = None
    if newest is not None:
        try:
            await check(tree, open_checkpoint_file(newest, trusted), end)
        except (CheckpointMismatch, BadNote) as found:
            problem = found
    return Compared(end, newest, problem)


async def largest_matching_size(tree: Tree, folder: CheckpointFolder, trusted: Sequence[Trusted], end: int) -> int:
    """The size of the largest checkpoint with which the log of `end` events begins; 0 when there is none.

    It searches by bisection: checkpoints that are consistent with each other match up to the first changed event.
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
    """`tree`, which uses the stored subtrees, when they match the log; else `plain`, which uses the events alone."""
    try:
        return tree if await tree.subtrees_match_log() else plain
    except HoleInLog:
        return plain
