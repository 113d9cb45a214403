"""Reads a CSV file of usage, row by row, in bounded memory.

It checks the form of the file and names the place of a fault. It does not know what the columns mean.
"""

import csv
import os
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAX_LINE = 1024 * 1024
"""The most bytes of one line, so that a file without line ends cannot fill the memory."""
MAX_COLUMNS = 1_000

_BLOCK = 64 * 1024
_SHOWN_NAMES = 20
_SHOWN_LENGTH = 60
_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?")


class FileProblem(Exception):
    """The file cannot be used. The message says where and why."""


class RowProblem(Exception):
    """One row cannot be used. The message says why; the caller adds the place of the row."""


class Row(NamedTuple):
    """One record below the header, its values without the spaces around them."""

    number: int
    """From 0. Lines that are empty, or have nothing but spaces, do not count."""
    line: int
    """The line of the file, from 1, on which the record ends, as an editor counts."""
    cells: list[str]

    @property
    def place(self) -> str:
        """The place of the row, for messages."""
        return f"row {self.number} (line {self.line})"


class UsageFile:
    """An open CSV file: its columns, then its rows, once. UTF-8, with or without a byte order mark."""

    def __init__(self, file: BinaryIO) -> None:
        self.bytes_read = 0
        self.size = os.fstat(file.fileno()).st_size
        self._reader = csv.reader(self._lines(file), strict=True)
        self.columns = _header(_stripped(next(self._records(), [])))

    def rows(self) -> Iterator[Row]:
        """The rows after the header. A row may have more or fewer values than columns. Raises FileProblem."""
        for number, record in enumerate(filter(_counts, self._records())):
            yield Row(number, self._reader.line_num, _stripped(record))

    def _records(self) -> Iterator[list[str]]:
        try:
            yield from self._reader
        except csv.Error as error:
            raise FileProblem(f"line {self._reader.line_num} is not CSV: {_in_plain_words(error)}") from error

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        """The decoded lines. They are decoded one by one, so that a message can name the faulty line."""
        for number, line in enumerate(_split(file), 1):
            self.bytes_read += len(line)
            if len(line) >= MAX_LINE:
                raise FileProblem(f"line {number} has more than {MAX_LINE:,} bytes: is this a CSV file?")
            yield _decode(line.removeprefix(BOM_UTF8) if number == 1 else line, number)


def open_file(path: Path) -> BinaryIO:
    """The file, ready for UsageFile. Raises FileProblem unless it is one that can be read twice."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise FileProblem(f"it cannot be opened: {error.strerror}") from error
    if file.seekable():
        return file
    file.close()
    raise FileProblem("it is not a file on disk: it is read twice, first to check it and then to record it")


def shown(names: Sequence[str]) -> str:
    """The names of columns for a message: a few if there are many, and a hint if they look like values."""
    some = ", ".join(
        repr(name if len(name) <= _SHOWN_LENGTH else name[:_SHOWN_LENGTH] + "...") for name in names[:_SHOWN_NAMES]
    )
    more = len(names) - _SHOWN_NAMES
    guess = " (is the line that names the columns missing?)" if any(map(_NUMBER.fullmatch, names)) else ""
    return f"{some} and {more} more{guess}" if more > 0 else f"{some}{guess}"


def _counts(record: list[str]) -> bool:
    """Whether a record counts as a row: its line has more than spaces. A pair of quotes is an empty value."""
    return bool(record) and not (len(record) == 1 and record[0].isspace())


def _stripped(record: list[str]) -> list[str]:
    return [cell.strip() for cell in record]


def _split(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file with their ends: LF, CR LF, or CR alone. A line that is too long is cut off and the last."""
    rest = b""
    while block := file.read(_BLOCK):
        lines = (rest + block).splitlines(keepends=True)
        rest = lines.pop()  # the line may continue, or the LF after its CR may follow
        yield from lines
        if len(rest) >= MAX_LINE:
            break
    if rest:
        yield rest


def _in_plain_words(error: csv.Error) -> str:
    """The message of Python's CSV reader in plain words."""
    text = str(error)
    if text.startswith("unexpected end"):
        return "a quoted value has no end"
    if "expected after" in text:
        return "a value continues after its closing quote; write a quote within a value twice"
    if text.startswith("field larger"):
        return f"a value has more than {csv.field_size_limit():,} characters"
    return text


def _decode(line: bytes, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        if number == 1 and line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise FileProblem("it is UTF-16, and must be UTF-8: save it again as 'CSV UTF-8'") from error
        wrong = f"byte {error.start + 1} of the line is 0x{line[error.start]:02x}"
        raise FileProblem(f"line {number} is not UTF-8 ({wrong}): save it again as 'CSV UTF-8'") from error


def _header(names: list[str]) -> list[str]:
    if not any(names):
        raise FileProblem("the first line must name the columns, and it is empty")
    if len(names) > MAX_COLUMNS:
        raise FileProblem(f"the first line names {len(names):,} columns; at most {MAX_COLUMNS:,} are read")
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise FileProblem(f"the first line names a column more than once: {shown(twice)}")
    return names
