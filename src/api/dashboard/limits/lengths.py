"""Lengths of time as people write them: `90 minutes`, `5 hours`, `1 day 12 h`."""

import re

from api.dashboard.formatting import plural
from ledger.domain.periods import LONGEST_TIMED, SHORTEST_TIMED

_SIZES = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_SHORT = {
    "w": "week",
    "d": "day",
    "h": "hour",
    "hr": "hour",
    "m": "minute",
    "min": "minute",
    "s": "second",
    "sec": "second",
}
_PART = re.compile(r"(\d{1,9})\s*([a-z]+)\s*,?\s*", re.ASCII | re.IGNORECASE)


def seconds_of(text: str) -> int:
    """The seconds of a length. Raises ValueError with a sentence."""
    parts, rest = _PART.findall(text), _PART.sub("", text).strip()
    sizes = [_size(noun.lower()) for _, noun in parts]
    if rest or not parts or None in sizes:
        raise ValueError("Enter how long a window lasts, such as 90 minutes, 5 hours or 30 days.")
    seconds = sum(int(count) * size for (count, _), size in zip(parts, sizes, strict=True) if size)
    if not SHORTEST_TIMED <= seconds <= LONGEST_TIMED:
        raise ValueError(f"A window lasts from {length_of(SHORTEST_TIMED)} to {length_of(LONGEST_TIMED)}.")
    return seconds


def length_of(seconds: int) -> str:
    """A length in the largest unit in which it is a whole number, such as `5 hours`."""
    noun, size = next((noun, size) for noun, size in _SIZES.items() if noun != "week" and seconds % size == 0)
    return plural(seconds // size, noun)


def _size(noun: str) -> int | None:
    noun = noun.removesuffix("s") or noun
    return _SIZES.get(_SHORT.get(noun, noun))
