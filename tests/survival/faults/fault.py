"""What a fault is to the harness."""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from ledger.progress import Progress
from tests.survival.figures import Figures
from tests.survival.ground import Ground
from tests.survival.plan import Plan


class Missing(Exception):
    """What a fault needs is not on this machine; the message says what."""


Run = Callable[[int, Plan, Ground, Progress], Coroutine[Any, Any, Figures]]
"""Strikes so many times by a plan, with progress, and says what it came to."""


class Fault(NamedTuple):
    """One row of the table: what happens, how often, and how it is run."""

    name: str
    """On the command line."""
    words: str
    """In the table."""
    unit: str
    """What the times are: kills, crashes, commands."""
    long: int
    short: int
    """Times in the long form, and in scripts/test."""
    run: Run
