"""Finds numbers in callers' JSON that cannot be stored exactly. It reads the text again, because orjson rounds them.

An integer must fit into 64 bits, signed or unsigned. Any other number must be equal to the shortest text of its double:
that text is what is stored, and what the fingerprint is made of.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

LEAST, LARGEST = -(2**63), 2**64 - 1
_DIGITS = len(str(LARGEST))
_DEEPEST = 1_100
"""Levels of nesting, a few more than the 1,024 that orjson reads."""
_LEVELS = 16
"""The levels of nesting that a path names. A part below them has the path of the one there: longer paths, for every
part of a document, would cost more than to read it."""


Path = tuple[str | int, ...]
"""Names and indexes, from the outermost part of a document on."""


class Inexact(NamedTuple):
    """A number that cannot be stored, as it was written."""

    text: str


class Place(NamedTuple):
    """A number that cannot be stored: its path (see `below`) in the document, and its text."""

    path: Path
    text: str


def holds_float(value: Any) -> bool:
    """Whether a parsed value contains a float. Without one no number was rounded."""
    waiting = [value]
    for part in waiting:
        kind = type(part)
        if kind is dict:
            waiting += part.values()
        elif kind is list:
            waiting += part
        elif kind is float:
            return True
    return False


def read_exactly(document: bytes, **hooks: Any) -> Any:
    """Read JSON by way of the standard library, which tells more than orjson, nested as deep as orjson reads it.

    Raises ValueError, and RecursionError for what is nested deeper.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + _DEEPEST)
    try:
        return json.loads(document.decode(), **hooks)
    finally:
        sys.setrecursionlimit(before)


def inexact_numbers(document: bytes) -> list[Place]:
    """The numbers of a document that cannot be stored, among them those that strict JSON does not have, such as NaN.

    The list is empty when the document is not JSON apart from that, or is nested deeper than orjson reads.
    """
    try:
        value = read_exactly(document, parse_int=_integer, parse_float=_float, parse_constant=Inexact)
    except (ValueError, RecursionError):
        return []
    return list(_places(value))


def _integer(text: str) -> int | Inexact:
    if len(text) <= _DIGITS and LEAST <= (value := int(text)) <= LARGEST:
        return value
    return Inexact(text)


def _float(text: str) -> float | Inexact:
    value = float(text)
    if repr(value) == text:
        return value
    try:
        return value if Decimal(text) == Decimal(repr(value)) else Inexact(text)
    except InvalidOperation:  # an exponent beyond all reason
        return Inexact(text)


def _places(value: Any) -> Iterator[Place]:
    waiting: list[tuple[Path, Any]] = [((), value)]
    for path, part in waiting:
        if isinstance(part, Inexact):
            yield Place(path, part.text)
        elif isinstance(part, Mapping):
            waiting += [(below(path, name), value) for name, value in part.items() if _matters(value)]
        elif isinstance(part, list):
            waiting += [(below(path, index), value) for index, value in enumerate(part) if _matters(value)]


def _matters(value: Any) -> bool:
    return isinstance(value, dict | list | Inexact)


def below(path: Path, name: str | int) -> Path:
    """The path of the part of a document that has a name, or an index, in the part with a path."""
    return (*path, name) if len(path) < _LEVELS else path
