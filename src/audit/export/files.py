"""Files of exports: written completely or not at all."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

STDOUT = Path("-")


@contextmanager
def whole_file(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file that replaces `path` when the block succeeds, and is removed when the block raises.

    `-` is standard output. A path that is no regular file, such as a pipe, is written to directly. `mode` is for new
    files. Raises OSError.
    """
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if not is_regular(path):
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            sync(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_regular(path: Path) -> bool:
    """Whether a path is a regular file or does not exist. Anything else can only be written to."""
    return path != STDOUT and (path.is_file() or not path.exists())


def sync(file: BinaryIO) -> None:
    """Wait until the written bytes are on disk."""
    file.flush()
    os.fsync(file.fileno())
