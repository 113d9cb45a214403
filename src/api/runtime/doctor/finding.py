"""Findings: what was looked at, whether it is as it should be, and what to do if it is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]
_MOST = 3
"""Things of a kind that one line names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line about one thing."""

    check: str
    """What was looked at, in one word."""
    state: State
    """`problem`: the service does not start, does not serve or does not protect what it records."""
    found: str
    advice: str | None = None
    """What to do; None if nothing is."""

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.state:8} {self.check:12} {self.found}" + (f": {self.advice}" if self.advice else "")


def listed(names: Sequence[str]) -> str:
    """Some names as a text: the first ones, and how many more there are."""
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more:,} more" if more > 0 else "")
