"""Writes files so that they exist whole or not at all, even when the process is killed or the disk is full."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from time import monotonic, sleep
from typing import BinaryIO

TEMPORARY = ".tmp"
"""The end of the name of a file that is not complete yet."""
_PAUSE = 0.02


class FolderBusy(Exception):
    """Another process is writing to the folder."""


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write or replace a file, so that it survives a crash of the machine. Raises OSError, and then changes nothing.

    Only one process at a time may write to a path (see `locked`).
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the files that were created, renamed or removed in a folder survive a crash. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, mode: int = 0o755) -> None:
    """Make a folder and its parents, unless it exists. Raises OSError."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=mode, exist_ok=True)
        sync_folder(folder.parent)


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder until the block or the process ends: only its holder may write to the folder.

    It deletes incomplete files of earlier holders. Raises FolderBusy after `patience` seconds, and OSError.
    """
    with (folder / ".lock").open("ab") as file:
        deadline = monotonic() + patience
        while not _taken(file):
            if monotonic() >= deadline:
                raise FolderBusy(f"another process writes to {folder} at this moment")
            sleep(_PAUSE)
        for left in folder.glob(f".*{TEMPORARY}"):
            left.unlink(missing_ok=True)
        yield


def _taken(file: BinaryIO) -> bool:
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
