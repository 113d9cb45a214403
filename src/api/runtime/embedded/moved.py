"""Whether the ledger of a data directory was moved to a server, or is being moved at this moment.

A move holds the lock `postgres.move`, and leaves the file `postgres.moved` when it is done. Nobody may use the embedded
database then: the server would not have what it records.
"""

import fcntl
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import orjson

from api.runtime.embedded.server import EmbeddedPostgresError
from ledger.proof.files import open_lock, sync_folder, write_file

MOVE_LOCK = "postgres.move"
MARK = "postgres.moved"


@dataclass(frozen=True, slots=True)
class MovedLedger:
    """Where the ledger of a data directory is now."""

    ledger_id: str
    to: str
    """The URL of its database, without a password."""
    at: str
    """When it was moved, in ISO 8601."""
    events: int


def moved_ledger(folder: Path) -> MovedLedger | None:
    """What the mark of a move says; None when the ledger was not moved. Raises OSError."""
    try:
        return MovedLedger(**orjson.loads((folder / MARK).read_bytes()))
    except FileNotFoundError:
        return None


def mark_moved(folder: Path, moved: MovedLedger) -> None:
    """Close the embedded database, for good unless `forget_move` opens it again. Raises OSError."""
    write_file(folder / MARK, orjson.dumps(asdict(moved), option=orjson.OPT_INDENT_2), mode=0o600)


def forget_move(folder: Path) -> None:
    """Let the embedded database be used again. Raises OSError."""
    (folder / MARK).unlink()
    sync_folder(folder)


def refuse_moved(folder: Path) -> None:
    """Raise EmbeddedPostgresError if the ledger was moved, or is being moved. The caller holds the start lock."""
    moved = moved_ledger(folder)
    if moved is not None:
        raise EmbeddedPostgresError(
            f"the ledger in {folder} was moved to {moved.to} on {moved.at}: set CREDIT_LEDGER_DATABASE_URL to that "
            "database, with its password (`credit-ledger move --abandon` gives the move up)"
        )
    with open_lock(folder / MOVE_LOCK) as lock:
        if not _taken(lock, fcntl.LOCK_SH):
            raise EmbeddedPostgresError(
                f"the ledger in {folder} is being moved to a server: wait until `credit-ledger move` has ended"
            )


def keep_others_out(lock: IO[bytes], users: Path) -> None:
    """Take the lock of a move until its file is closed, unless a process holds the lock of the `users` of the database.

    The caller holds the start lock. Raises EmbeddedPostgresError while another process uses or moves the database.
    """
    with open_lock(users) as others:
        if not _taken(lock, fcntl.LOCK_EX) or not _taken(others, fcntl.LOCK_EX):
            raise EmbeddedPostgresError(
                f"another process uses the ledger in {users.parent}: stop the service, and wait until all commands end"
            )


def _taken(lock: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
