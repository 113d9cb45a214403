"""The folder in which a ledger keeps its signed checkpoints and its notices, outside of the database.

    <folder>/<ledger id>/0000000000000012345.checkpoint    the log up to position 12345, named by its size
    <folder>/<ledger id>/latest                            a copy of the newest
    <folder>/<ledger id>/first-key                         the first verifying key
    <folder>/<ledger id>/notices/000001.notice             rotations of keys, abandoned checkpoints (notices.py)
    <folder>/<ledger id>/forsaken/000002/...               checkpoints that notice 2 abandons

A process that writes holds the folder's lock. Files appear whole or not at all.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time_ns
from typing import NamedTuple

from ledger.proof.checkpoint import origin_of
from ledger.proof.files import locked, make_folder, read_file, read_word, sync_folder, write_file
from ledger.proof.notes import LARGEST_KEY, LARGEST_NOTE, BadNote, VerifyingKey

SPACING = (
    (timedelta(hours=1), timedelta(0)),
    (timedelta(days=1), timedelta(minutes=1)),
    (timedelta(days=30), timedelta(hours=1)),
    (timedelta.max, timedelta(days=1)),
)
"""(age, spacing): all checkpoints of the last hour are kept, one a minute of the last day, one an hour of the last 30
days, and one a day after that."""

_SETTLED = 2_000_000_000
"""Nanoseconds after which the time of a folder's last change tells all changes: far more than a file system's tick."""
_NAME = re.compile(r"(\d{19})\.checkpoint")
_NOTICE = re.compile(r"(\d{6})\.notice")


class CheckpointFile(NamedTuple):
    """The file of a checkpoint of `size` events."""

    size: int
    path: Path

    def note(self) -> bytes:
        """The note in it. Raises BadNote unless it is a regular file of the size of a note, and OSError."""
        return read_file(self.path, LARGEST_NOTE)

    @property
    def at(self) -> datetime:
        """When it was written. Raises OSError."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)


class CheckpointFolder:
    """The folder of one ledger. Every method raises OSError when the disk fails."""

    def __init__(self, folder: Path, ledger_id: str) -> None:
        self.path = folder / ledger_id
        self.origin = origin_of(ledger_id)
        self._notices = self.path / "notices"
        self._kept: tuple[int | None, Sequence[CheckpointFile]] = (None, ())
        """When the folder had changed last, and what `all` found then; None if that is not known."""

    @contextmanager
    def locked(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the folder's lock until the block ends; the folder is made if it does not exist.

        Raises ledger.proof.files.FolderBusy when another process still holds the lock after `patience` seconds.
        """
        make_folder(self.path)
        with locked(self.path, patience):
            yield

    def all(self) -> list[CheckpointFile]:
        """The files of all checkpoints, the smallest first."""
        changed = self._changed()
        if changed is None:
            return []
        named = ((_NAME.fullmatch(path.name), path) for path in self.path.iterdir())
        found = sorted(CheckpointFile(int(name[1]), path) for name, path in named if name)
        self._kept = (changed if time_ns() - changed > _SETTLED else None, tuple(found))
        return found

    def kept(self) -> Sequence[CheckpointFile] | None:
        """What `all` found last; None if the folder has changed since: it may have thousands of files.

        What was found just after a change is not kept, because the clock of the file system may not tell the next one.
        """
        changed, found = self._kept
        return found if changed is not None and changed == self._changed() else None

    def _changed(self) -> int | None:
        """When a file was last added, removed or renamed, in nanoseconds; None when there is no folder."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def newest(self) -> CheckpointFile | None:
        """The file of the largest checkpoint; None when there is none."""
        return max(self.all(), default=None)

    def write(self, size: int, note: bytes) -> CheckpointFile:
        """Write a checkpoint of `size` events, and make it the latest."""
        filed = CheckpointFile(size, self.path / f"{size:019}.checkpoint")
        write_file(self.path / "latest", note)  # first, so that it is never older than the newest
        write_file(filed.path, note)
        return filed

    def thin(self, now: datetime) -> int:
        """Delete the checkpoints that SPACING does not keep, and return their number. It never deletes the newest."""
        removed = list(surplus([(filed, filed.at) for filed in self.all()], now))
        for filed in removed:
            filed.path.unlink(missing_ok=True)
        return len(removed)

    def first_key(self) -> VerifyingKey | None:
        """The first verifying key; None when the folder has no such file. Raises BadNote."""
        path = self.path / "first-key"
        return VerifyingKey.parse(read_word(path, LARGEST_KEY)) if path.exists() else None

    def write_first_key(self, key: VerifyingKey) -> None:
        """Write the first verifying key."""
        write_file(self.path / "first-key", f"{key.text}\n".encode())

    def notices(self) -> list[bytes]:
        """All notices, in order. Raises BadNote when one is missing or cannot be one."""
        if not self._notices.is_dir():
            return []
        found = ((_NOTICE.fullmatch(path.name), path) for path in self._notices.iterdir())
        numbered = sorted((int(name[1]), path) for name, path in found if name)
        for expected, (number, _) in enumerate(numbered, 1):
            if number != expected:
                raise BadNote(f"notice {expected} is missing from {self._notices}")
        return [read_file(path, LARGEST_NOTE) for _, path in numbered]

    def write_notice(self, number: int, note: bytes) -> Path:
        """Write notice `number`, and return its path."""
        make_folder(self._notices)
        path = self._notices / f"{number:06}.notice"
        write_file(path, note)
        return path

    def abandon(self, some: Sequence[CheckpointFile], number: int) -> Path:
        """Move checkpoints that notice `number` abandons to their own folder, and return it. Update the latest one."""
        place = self.path / "forsaken" / f"{number:06}"
        make_folder(place)
        for filed in some:
            filed.path.rename(place / filed.path.name)
        sync_folder(place)
        sync_folder(self.path)
        newest = self.newest()
        if newest is None:
            (self.path / "latest").unlink(missing_ok=True)
        else:
            write_file(self.path / "latest", newest.note())
        return place


def surplus(some: Sequence[tuple[CheckpointFile, datetime]], now: datetime) -> Iterator[CheckpointFile]:
    """Those of some checkpoints, the smallest first, that SPACING does not keep. The newest is never among them."""
    kept: datetime | None = None
    for filed, at in some[:-1]:
        apart = next(spacing for age, spacing in SPACING if now - at <= age)
        # One for each minute, hour or day of the clock, so that the choice does not depend on when this runs.
        if kept is not None and apart and _slot(at, apart) == _slot(kept, apart):
            yield filed
        else:
            kept = at


def _slot(at: datetime, apart: timedelta) -> int:
    return int(at.timestamp() // apart.total_seconds())
