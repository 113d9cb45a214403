"""Reading of payloads: only the paths that are asked for, and leniently.

A provider adds fields and values when it likes. So nothing is refused for what it has besides, a value of another type
than expected counts as missing, and what cannot be done without is named by its path: Incomplete.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import orjson

from billing.facts import Incomplete

ValueT = TypeVar("ValueT")
WHOLE_BODY = "$"
LONGEST_TEXT = 255
"""Characters of an id or a code that is read."""
LARGEST_WHOLE = 2**53 - 1
_ADDRESS = re.compile(r"https?://[!-~]{1,4000}")
_MOST_DIGITS = 15
"""Fewer than 2^53 - 1 has: every such text is a number that is allowed."""
_LATEST = 253_402_300_799
"""The last second of the year 9999, since 1970."""


def parsed(body: bytes) -> "Payload":
    """The payload of a body. Raises Incomplete when it is not a JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Incomplete(WHOLE_BODY)
    return Payload(value)


@dataclass(frozen=True, slots=True)
class Payload:
    """A value of a payload, and the path at which it was found.

    A path has dots between its names, and numbers for places in lists: `data.object.items.data.0.price.id`. Where
    several paths are given, they are those of different versions of the provider, and the first that has something
    counts. Each kind of value comes in two forms: one that answers None, and a needed one that raises Incomplete with
    the first path.
    """

    value: object
    path: str = ""

    def at(self, path: str) -> "Payload":
        """What is at a path; None is in it when there is nothing."""
        value = self.value
        for name in path.split("."):
            if isinstance(value, dict):
                value = value.get(name)
            elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
                value = value[int(name)]
            else:
                value = None
        return Payload(value, self._full(path))

    def each(self, path: str) -> Iterator["Payload"]:
        """Everything in the list at a path; nothing when there is no list."""
        found = self.at(path)
        if isinstance(found.value, list):
            yield from (Payload(value, f"{found.path}.{place}") for place, value in enumerate(found.value))

    def text(self, *paths: str) -> str | None:
        """A text of 1 to 255 characters; a whole number counts as the text of it."""
        return next((text for path in paths if (text := _text(self.at(path).value))), None)

    def texts(self, path: str) -> list[str]:
        """All texts in the list at a path."""
        return [text for one in self.each(path) if (text := _text(one.value))]

    def needed_text(self, *paths: str) -> str:
        """A text of 1 to 255 characters. Raises Incomplete."""
        return self._needed(self.text(*paths), paths)

    def address(self, *paths: str) -> str | None:
        """An address as a browser can open it, of at most 4,000 characters."""
        return next((found for path in paths if (found := _address(self.at(path).value))), None)

    def reference(self, *paths: str) -> str | None:
        """The id of something, whether it is there as its id or as a whole object with an id."""
        return self.text(*(path for given in paths for path in (given, f"{given}.id")))

    def needed_reference(self, *paths: str) -> str:
        """The id of something. Raises Incomplete."""
        return self._needed(self.reference(*paths), paths)

    def whole(self, *paths: str) -> int | None:
        """A whole number from 0 to 2^53 - 1."""
        return next((whole for path in paths if (whole := _whole(self.at(path).value)) is not None), None)

    def needed_whole(self, *paths: str) -> int:
        """A whole number from 0 to 2^53 - 1. Raises Incomplete."""
        return self._needed(self.whole(*paths), paths)

    def digits(self, *paths: str) -> int | None:
        """A whole number that is given as a text of digits."""
        return next((int(text) for path in paths if (text := self.text(path)) and _is_whole(text)), None)

    def needed_digits(self, *paths: str) -> int:
        """A whole number that is given as a text of digits. Raises Incomplete."""
        return self._needed(self.digits(*paths), paths)

    def time(self, *paths: str) -> datetime | None:
        """A time in UTC, given as ISO 8601 or in seconds since 1970."""
        return next((time for path in paths if (time := _time(self.at(path).value))), None)

    def needed_time(self, *paths: str) -> datetime:
        """A time in UTC. Raises Incomplete."""
        return self._needed(self.time(*paths), paths)

    def is_true(self, path: str) -> bool:
        """Whether there is a JSON `true`."""
        return self.at(path).value is True

    def missing(self, path: str) -> Incomplete:
        """The error that nothing usable is at a path."""
        return Incomplete(self._full(path))

    def _needed(self, value: ValueT | None, paths: tuple[str, ...]) -> ValueT:
        if value is None:
            raise self.missing(paths[0])
        return value

    def _full(self, path: str) -> str:
        return f"{self.path}.{path}" if self.path else path


def _text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        value = str(value)
    if isinstance(value, str) and value.isprintable() and 1 <= len(value) <= LONGEST_TEXT:
        return value
    return None


def _address(value: object) -> str | None:
    return value if isinstance(value, str) and _ADDRESS.fullmatch(value) else None


def _whole(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_WHOLE:
        return value
    return None


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _time(value: object) -> datetime | None:
    seconds = _whole(value)
    if seconds is not None:
        return datetime.fromtimestamp(seconds, UTC) if seconds <= _LATEST else None
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found and (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
