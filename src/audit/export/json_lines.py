"""Files of JSON Lines that grow. The end of their complete lines is where the next export continues."""

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from ledger.proof.lines import from_line
from ledger.store import Record

MAX_LINE = 64 * 1024 * 1024
"""The most bytes of one line, so that a file without line ends cannot fill the memory."""

_BLOCK = 64 * 1024
_BEGIN = b'{"account_id":'
"""The beginning of every line."""


class BadLine(Exception):
    """A line is not an event as an export writes it. The message names the line and says why."""

    def __init__(self, line: int | str, problem: str) -> None:
        self.why = problem
        super().__init__(f"line {line}: {problem}")


class Line(NamedTuple):
    """An event, the number of its line, from 1, and where the line ends, in bytes."""

    number: int
    record: Record
    end: int


class FileEnd(NamedTuple):
    """The end of the complete lines of a file, in bytes, with the first and the last event."""

    size: int
    first: Record | None
    last: Record | None


def lines_of(file: BinaryIO) -> Iterator[Line]:
    """The events of a file, from its beginning. Raises BadLine."""
    file.seek(0)
    end = 0
    for number, text in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
        end += len(text)
        yield Line(number, _read(number, text), end)


def find_end(file: BinaryIO) -> FileEnd:
    """The end of a file that an export has written or begun to write. Raises BadLine."""
    size = _end_of_line_before(file, file.seek(0, os.SEEK_END))
    file.seek(size)
    incomplete = file.read(len(_BEGIN))
    if incomplete != _BEGIN[: len(incomplete)]:
        raise BadLine("at its end", "it is not the beginning of an event")
    if not size:
        return FileEnd(0, None, None)
    file.seek(0)
    first = _read(1, file.readline(MAX_LINE))
    begin = _end_of_line_before(file, size - 1)
    file.seek(begin)
    return FileEnd(size, first, _read("at its end", file.read(size - begin)))


def _read(number: int | str, text: bytes) -> Record:
    if not text.endswith(b"\n"):
        raise BadLine(number, "it is incomplete: the export was interrupted; export again to continue")
    try:
        return from_line(text)
    except ValueError as problem:
        raise BadLine(number, str(problem)) from problem


def _end_of_line_before(file: BinaryIO, end: int) -> int:
    """The end of the last line that ends at or before `end`; 0 if there is none."""
    while end > 0:
        begin = max(0, end - _BLOCK)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
