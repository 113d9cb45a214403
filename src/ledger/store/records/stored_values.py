"""Reads the values of stored events strictly: a value of another type than the ledger writes raises an error.

Who may append may write any JSON object that chains. What decides on it computes with its values, so a text in place of
an amount, or a time without an offset, must fail here, where the event is known, and not in the middle of a decision.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

from ledger.domain.amounts import MAX_AMOUNT, Kind
from ledger.domain.texts import Sealed

Read = Callable[[Any], Any]
"""Returns a value, or raises TypeError or ValueError."""

_KINDS: dict[str, Kind] = {"subscription": "subscription", "permanent": "permanent"}
"""All lots in memory share these two strings."""


def time(text: str) -> datetime:
    """A moment in UTC."""
    value = datetime.fromisoformat(text)
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError(f"the time {text} has no offset")
    return value.astimezone(UTC)


def number(value: Any) -> int:
    """An integer whose sums stay exact."""
    if type(value) is not int or not -MAX_AMOUNT <= value <= MAX_AMOUNT:
        raise TypeError(f"{value!r:.64} is not an integer from -{MAX_AMOUNT} to {MAX_AMOUNT}")
    return value


def text(value: Any) -> str:
    """A text."""
    if type(value) is not str:
        raise TypeError(f"{value!r:.64} is not a text")
    return value


def kind(value: Any) -> Kind:
    """A kind of credits."""
    return _KINDS[value]


def reader_of(hint: Any) -> Read:
    """The reader of the fields of an event that have this type hint."""
    if hint is int:
        return number
    if hint is str:
        return text
    types, literals, entries = set[type](), set[str](), set[type]()
    for part in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        match get_origin(part) or part:
            case origin if origin is Literal:
                literals |= set(get_args(part))
            case origin if issubclass(origin, Mapping):
                types.add(dict)
                entries = {one for one in get_args(get_args(part)[1]) if one is not Any}
            case origin:
                types.add(str if origin is Sealed else cast("type", origin))

    def read(value: Any) -> Any:
        if type(value) is str and literals:
            if value not in literals:
                raise ValueError(f"{value!r:.64} is not one of {', '.join(sorted(literals))}")
        elif type(value) not in types:
            raise TypeError(f"{value!r:.64} is of another type than the ledger writes")
        elif type(value) is dict and entries and not {type(one) for one in value.values()} <= entries:
            raise TypeError(f"{value!r:.64} has a value of another type than the ledger writes")
        return value

    return read
