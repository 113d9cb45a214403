"""The status of the checkpoints: whether the log begins with its newest signed checkpoint."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.evidence import CheckpointMismatch, compare
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import CheckpointKeys
from ledger.proof.tree import SQL, Tree
from ledger.store.identity import ledger_id
from ledger.store.reader import Connection


async def checkpoint_keys_in(connection: Connection, signing: Path, checkpoints: Path) -> CheckpointKeys:
    """The checkpoint keys of the ledger in a database. The folders may also hold those of other ledgers."""
    folder = CheckpointFolder(checkpoints, await ledger_id(connection))
    return CheckpointKeys(signing, folder, await signed_size(connection))


async def signed_size(connection: Connection) -> int:
    """The size of the newest checkpoint that any service on this database has signed; 0 when there is none."""
    row = await (await connection.execute(SQL["checkpointing"])).fetchone()
    return row[0] if row else 0


class CheckpointStatus(NamedTuple):
    """The status of the checkpoints at one moment."""

    size: int | None
    """The size of the newest checkpoint in the folder; None when there is none or it cannot be read."""
    position: int
    """The position of the last event of the log."""
    holds: bool | None
    """Whether the log begins with that checkpoint; None when there is none to compare with."""
    problem: str | None
    noted: int
    """The size of the newest checkpoint that any service on this database has signed."""
    signed_at: datetime | None
    """When it was signed."""


class CheckpointWatch:
    """Compares the log with its newest checkpoint."""

    def __init__(self, signing: Path, checkpoints: Path) -> None:
        self._signing = signing
        self._checkpoints = checkpoints
        self._keys: CheckpointKeys | None = None

    async def status(self, connection: Connection) -> CheckpointStatus:
        """The status now. Raises psycopg.Error."""
        self._keys = keys = self._keys or await checkpoint_keys_in(connection, self._signing, self._checkpoints)
        row = await (await connection.execute(SQL["checkpointing"])).fetchone()
        noted, signed_at, reported = row or (0, None, None)
        keys.signed = noted
        tree = Tree(connection)
        try:
            missing = await asyncio.to_thread(keys.missing)
            trusted = await asyncio.to_thread(keys.trusted)
            end, newest, problem = await compare(tree, keys.folder, trusted)
        except (OSError, BadNote) as error:
            unreadable = f"the checkpoints cannot be read: {error}"
            return CheckpointStatus(None, await tree.end(), None, unreadable, noted, signed_at)
        text = f"{problem} in {newest.path.name}" if newest and isinstance(problem, CheckpointMismatch) else problem
        holds = problem is None if newest else None
        told = str(text) if text else missing or reported
        return CheckpointStatus(newest and newest.size, end, holds, told, noted, signed_at)
