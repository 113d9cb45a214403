"""Finds numbers in callers' JSON that cannot be stored exactly. It reads the text again, because orjson rounds them.

An integer must fit into 64 bits, signed or unsigned. Any other number must be equal to the shortest text of its double:
that text is what is stored, and what the fingerprint is made of.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

LEAST, LARGEST = -(2**63), 2**64 - 1
_DIGITS = len(str(LARGEST))


class Inexact(NamedTuple):
    """A number that cannot be stored, as it was written."""

    text: str


class Place(NamedTuple):
    """A number that cannot be stored: its path of names and indexes in the document, and its text."""

    path: tuple[str | int, ...]
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


def inexact_numbers(document: bytes) -> list[Place]:
    """The numbers of a document that cannot be stored, among them those that strict JSON does not have, such as NaN.

    The list is empty when the document is not JSON apart from that, or is nested deeper than any body may be.
    """
    try:
        value = json.loads(document.decode(), parse_int=_integer, parse_float=_float, parse_constant=Inexact)
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
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    for path, part in waiting:
        if isinstance(part, Inexact):
            yield Place(path, part.text)
        elif isinstance(part, Mapping):
            waiting += [((*path, name), below) for name, below in part.items() if _matters(below)]
        elif isinstance(part, list):
            waiting += [((*path, index), below) for index, below in enumerate(part) if _matters(below)]


def _matters(value: Any) -> bool:
    return isinstance(value, dict | list | Inexact)
