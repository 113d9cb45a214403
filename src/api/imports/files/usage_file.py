"""Reads a CSV file of usage, row by row, in bounded memory.

It checks the form of the file and names the place of a fault. It does not know what the columns mean.
"""

import csv
import re
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

from api.imports.files.dialect import SAMPLE, Dialect, DialectOptions, find_dialect
from api.imports.files.incidental_rows import IncidentalRows
from api.imports.files.row import FileProblem, Row

MAX_LINE = 1024 * 1024
"""The most bytes of one line, so that a file without line ends cannot fill the memory."""
MAX_RECORD = MAX_LINE
"""The most bytes of one row: the quotes of its values may span many lines."""
MAX_COLUMNS = 1_000

_BLOCK = 64 * 1024
_SHOWN_NAMES = 20
_SHOWN_LENGTH = 60
_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?")
_TOLD = DialectOptions()


class UsageFile:
    """An open CSV file: its columns, then its rows, once. Raises FileProblem.

    `incidental` counts what is no row of usage: blank lines, repeated headers and totals. They are left out.
    """

    def __init__(self, file: BinaryIO, options: DialectOptions = _TOLD) -> None:
        self.bytes_read = 0
        self._record_bytes = 0
        """Those of the record that is being read."""
        self.size = _size(file)
        sample = file.read(SAMPLE)
        self.dialect: Dialect = find_dialect(sample, options)
        self._reader = csv.reader(self._lines(file, sample), delimiter=self.dialect.delimiter, strict=True)
        self._lines_before = int(self.dialect.separator_line)
        self.columns = _header(_stripped(next(self._records(), [])))
        self.incidental = IncidentalRows(self.columns)

    def rows(self) -> Iterator[Row]:
        """The rows after the header. A row may have more or fewer values than columns. Raises FileProblem."""
        number = 0
        for record in self._records():
            if not _counts(record):
                self.incidental.blank_lines += 1
                continue
            row = Row(number, self._line, _stripped(record))
            number += 1
            if not self.incidental.takes(row):
                yield row

    @property
    def _line(self) -> int:
        return self._reader.line_num + self._lines_before

    def _records(self) -> Iterator[list[str]]:
        try:
            for record in self._reader:
                self._record_bytes = 0
                yield record
        except csv.Error as error:
            raise FileProblem(f"line {self._line} is not CSV: {_in_plain_words(error)}") from error

    def _lines(self, file: BinaryIO, sample: bytes) -> Iterator[str]:
        """The decoded lines. They are decoded one by one, so that a message can name the faulty line."""
        dialect, blocks = self.dialect, self._blocks(file, sample)
        encoding = dialect.encoding
        if encoding.startswith("utf-16"):
            blocks, encoding = _as_utf_8(blocks, encoding), "utf-8"
        for number, line in enumerate(_split(blocks), 1):
            if len(line) >= MAX_LINE:
                raise FileProblem(f"line {number} has more than {MAX_LINE:,} bytes: is this a CSV file?")
            self._record_bytes += len(line)
            if self._record_bytes > MAX_RECORD:
                size = f"more than {MAX_RECORD:,} bytes"
                raise FileProblem(f"the row that goes on in line {number} has {size}: is a closing quote missing?")
            if number > 1 or not dialect.separator_line:
                yield _decode(line, number, encoding)

    def _blocks(self, file: BinaryIO, sample: bytes) -> Iterator[bytes]:
        """The bytes of the file without the byte order mark."""
        beginning = sample[len(self.dialect.mark) :]
        self.bytes_read = len(sample)
        yield beginning
        while block := file.read(_BLOCK):
            self.bytes_read += len(block)
            yield block


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


def _size(file: BinaryIO) -> int:
    size = file.seek(0, SEEK_END)
    file.seek(0)
    return size


def _as_utf_8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The same text in UTF-8, in which a line end is one byte."""
    decoder = getincrementaldecoder(encoding)()
    try:
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise FileProblem(f"it is not {encoding.upper()}: {error}") from error


def _split(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a text with their ends: LF, CR LF, or CR alone. A line that is too long is cut off and the last."""
    rest = b""
    for block in blocks:
        if not block:
            continue
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


def _decode(line: bytes, number: int, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        wrong = f"byte {error.start + 1} of the line is 0x{line[error.start]:02x}"
        if encoding == "cp1252":
            raise FileProblem(f"line {number} is not Windows-1252 ({wrong})") from error
        raise FileProblem(
            f"line {number} is not UTF-8 ({wrong}): save it again as 'CSV UTF-8', or say --encoding windows-1252"
        ) from error


def _header(names: list[str]) -> list[str]:
    if not any(names):
        raise FileProblem("the first line must name the columns, and it is empty")
    if len(names) > MAX_COLUMNS:
        raise FileProblem(f"the first line names {len(names):,} columns; at most {MAX_COLUMNS:,} are read")
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise FileProblem(f"the first line names a column more than once: {shown(twice)}")
    return names
