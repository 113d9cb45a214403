"""Numbers in callers' JSON that cannot be kept exactly: they are found in the text, because a JSON reader rounds them.

An integer must fit into 64 bits, signed or unsigned. Any other number must be the one that a double stands for: what is
stored of it, and so what its fingerprint is made of, is the shortest text of that double.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

LEAST, LARGEST = -(2**63), 2**64 - 1
_DIGITS = len(str(LARGEST))


class Inexact(NamedTuple):
    """A number as it was written."""

    text: str


class Place(NamedTuple):
    """Where in a document a number stands that cannot be kept: the names and indexes that lead to it, and its text."""

    path: tuple[str | int, ...]
    text: str


def holds_float(value: Any) -> bool:
    """Whether a parsed value has a float in it: only then can a number have been rounded."""
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
    """The numbers of a document that cannot be kept, also where a strict reader refuses it for one, such as NaN.

    What is not JSON even so has none, nor has what is nested deeper than anything that is taken.
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
