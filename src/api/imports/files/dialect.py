"""The dialect of a file: its encoding, its delimiter, its decimal sign and the ends of its lines, told or found.

What is not told is found in the first 256 KiB, so the same file has the same dialect each time that it is read.
"""

import csv
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.imports.files.cell_numbers import Decimal, readings
from api.imports.files.row import FileProblem

SAMPLE = 256 * 1024
"""The bytes at the beginning of a file in which its dialect is found."""
ENCODINGS = {
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "windows-1252": "cp1252",
}
"""The encodings by the names that an operator gives them."""
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

_MARKS = ((BOM_UTF8, "utf-8"), (BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be"))
_SEPARATOR = re.compile(r"sep=(.)?[;,\t]*\s*", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\n|\r")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass(frozen=True, slots=True)
class DialectOptions:
    """What the operator says of a file; None is found."""

    encoding: str | None = None
    """A name in ENCODINGS."""
    delimiter: str | None = None
    decimal: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written."""

    encoding: str
    """Python's name of it."""
    mark: bytes
    """The byte order mark at its beginning."""
    delimiter: str
    decimal: Decimal | None
    """None: nothing in the file says which it is, and some numbers could be meant in two ways."""
    separator_line: bool
    """Whether its first line is Excel's `sep=`, which names the delimiter."""
    line_end: str

    def __str__(self) -> str:
        named = {sign: name for name, sign in DELIMITERS.items()}.get(self.delimiter, repr(self.delimiter))
        decimal = {".": "point", ",": "comma", None: "unknown"}[self.decimal]
        encoding = next(name for name, python in ENCODINGS.items() if python == self.encoding)
        return f"{encoding.upper() if encoding.startswith('utf') else encoding}, delimiter {named}, decimal {decimal}"


def find_dialect(sample: bytes, options: DialectOptions) -> Dialect:
    """The dialect of a file that begins with `sample`. Raises FileProblem."""
    mark, encoding = _encoding(sample, options.encoding)
    text = sample[len(mark) :].decode(encoding, errors="replace")
    lines = _LINE_END.split(text)
    end = _LINE_END.search(text)
    separator = _SEPARATOR.fullmatch(lines[0])
    named = (separator[1] or "\t") if separator else None
    body = lines[1:] if separator else lines
    delimiter = options.delimiter or named or _delimiter(body)
    decimal = options.decimal or _decimal(body, delimiter)
    return Dialect(encoding, mark, delimiter, decimal, separator is not None, end[0] if end else "\n")


def _encoding(sample: bytes, told: str | None) -> tuple[bytes, str]:
    """The byte order mark and the encoding."""
    found = next(((mark, name) for mark, name in _MARKS if sample.startswith(mark)), None)
    if found is None:
        named = ENCODINGS[told or "utf-8"]
        if told is None and _looks_like_utf_16(sample):
            raise FileProblem("it looks like UTF-16 without a byte order mark: say --encoding utf-16-le or utf-16-be")
        return b"", "utf-16-le" if named == "utf-16" else named
    if told is not None and not found[1].startswith(ENCODINGS[told]):
        raise FileProblem(f"it begins with the byte order mark of {found[1].upper()}, and --encoding says {told}")
    return found


def _looks_like_utf_16(sample: bytes) -> bool:
    return len(sample) > 3 and 0 in sample[:2] and sample[:200].count(0) >= len(sample[:200]) // 3


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that the first line has most often outside of quotes."""
    header = _QUOTED.sub("", lines[0])
    return max(DELIMITERS.values(), key=header.count)  # of equals, the first: the comma


def _decimal(lines: Sequence[str], delimiter: str) -> Decimal | None:
    """The decimal sign that the numbers of a file have.

    A file with commas between its values has a decimal point, unless told otherwise: 1,396 is one thousand, as programs
    write it. With another delimiter, numbers that are one in only one way decide; without any, it is not known.
    """
    if delimiter == ",":
        return "."
    points = commas = unclear = 0
    for cell in _cells(lines[1:], delimiter):
        if cell.isdecimal() or not (set(cell) & set(".,")):
            continue
        point, comma = readings(cell)
        points += point is not None and comma is None
        commas += comma is not None and point is None
        unclear += point is not None and comma is not None and point != comma
    if points or commas:
        return "." if points >= commas else ","
    return None if unclear else "."


def _cells(lines: Sequence[str], delimiter: str) -> Iterator[str]:
    """The values in some lines, as far as they can be read: the last one may be cut off."""
    try:
        for record in csv.reader(lines[:-1] or lines, delimiter=delimiter):
            for cell in record:
                yield cell.strip()
    except csv.Error:
        return
