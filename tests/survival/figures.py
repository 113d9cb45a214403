"""What a run came to."""

from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN = 5
"""Examples of each kind of wrong that are told."""


@dataclass
class Figures:
    """Counts, and a sentence for each thing that should not be. A command is one key of one operation and account."""

    commands: int = 0
    requests: int = 0
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    """Commands of which at least one attempt had no known outcome."""
    settled: int = 0
    """Those of them that a retry settled."""
    events: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What is worth to be said beside the figures."""

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, done twice or wrong."""
        return not (self.lost or self.duplicated or self.wrong)

    def __add__(self, other: "Figures") -> "Figures":
        """Those of two runs."""
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})

    def told(self) -> str:
        """For whoever watches a run."""
        counts = (
            f"{self.commands:,} commands in {self.requests:,} requests: {self.acknowledged:,} acknowledged,"
            f" {self.refused:,} refused, {self.unknown:,} unknown of which {self.settled:,} were settled by a retry;"
            f" {self.events:,} events"
        )
        kinds = {"lost": self.lost, "duplicated": self.duplicated, "wrong": self.wrong}
        lines = [line for name, found in kinds.items() for line in _examples(name, found)]
        return "\n".join([counts, *lines, *self.remarks])


def _examples(name: str, found: list[str]) -> Iterable[str]:
    yield f"{len(found):,} {name}"
    yield from (f"  {sentence}" for sentence in found[:SHOWN])
    if len(found) > SHOWN:
        yield f"  and {len(found) - SHOWN:,} more"
