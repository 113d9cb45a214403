"""Writes files so that they exist whole or not at all, even when the process is killed or the disk is full.

It reads regular files up to a size, because a file may come from anybody: a pipe would never end.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from time import monotonic, sleep
from typing import IO, BinaryIO

from ledger.proof.notes import BadNote

TEMPORARY = ".tmp"
"""The end of the name of a file that is not complete yet."""
LOCK = ".lock"
"""The name of the lock file of a folder."""
_PAUSE = 0.02


class FolderBusy(Exception):
    """Another process is writing to the folder."""


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading. Raises BadNote for anything else, such as a pipe, and OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadNote(f"{path.name} is not a regular file")
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises BadNote for any other, and OSError."""
    with open_file(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise BadNote(f"{path.name} has more than {most:,} bytes")
    return content


def read_word(path: Path, most: int) -> str:
    """The text of a file, without line ends after it. Raises BadNote and OSError."""
    try:
        return read_file(path, most).decode().rstrip("\n")
    except UnicodeDecodeError:
        raise BadNote(f"{path.name} is not a text in UTF-8") from None


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write or replace a file, so that it survives a crash of the machine. Raises OSError, and then changes nothing.

    Its mode does not depend on the umask: by default everybody may read it, because it is meant for auditors.

    Only one process at a time may write to a path (see `locked`).
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
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
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(mode)
        sync_folder(folder.parent)


def open_lock(path: Path) -> IO[bytes]:
    """Open a file to lock it, made if it does not exist. Only its owner may read it, because readers may lock it.

    The mode of a file of an earlier version is corrected. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    found = os.fstat(descriptor)
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != 0o600:
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "r+b", buffering=0)


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder until the block or the process ends: only its holder may write to the folder.

    It deletes incomplete files of earlier holders. Raises FolderBusy after `patience` seconds, and OSError.
    """
    with open_lock(folder / LOCK) as file:
        deadline = monotonic() + patience
        while not _taken(file):
            if monotonic() >= deadline:
                raise FolderBusy(f"another process writes to {folder} at this moment")
            sleep(_PAUSE)
        for left in folder.glob(f".*{TEMPORARY}"):
            left.unlink(missing_ok=True)
        yield


def _taken(file: IO[bytes]) -> bool:
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
