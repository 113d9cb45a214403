"""Files that are written: whole or not at all, or from where the last run ended."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

STDOUT = Path("-")


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, and leaves nothing behind when it does not.

    `-` is standard output; what is no regular file, such as a pipe, is written to as it is. `mode` is for new files.
    Raises OSError.
    """
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if not is_plain(path):
        with path.open("wb") as file:
            yield file
        return
    coming = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with os.fdopen(os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            sync(file)
        coming.replace(path)
    finally:
        coming.unlink(missing_ok=True)


def is_plain(path: Path) -> bool:
    """Whether a path is that of a regular file, or of none yet; what is not can be written to and nothing else."""
    return path != STDOUT and (path.is_file() or not path.exists())


def sync(file: BinaryIO) -> None:
    """Return when what was written is on disk."""
    file.flush()
    os.fsync(file.fileno())
