"""What a run is doing, on stderr: stdout is for the report alone."""

import sys
import time

_BEGAN = time.monotonic()


class Spoiled(Exception):
    """A measurement that does not count, or cannot be made. Its text says why, for whoever ran it."""


def say(text: str) -> None:
    """One line, with the seconds since the start before it."""
    print(f"[{time.monotonic() - _BEGAN:4.0f} s] {text}", file=sys.stderr, flush=True)
