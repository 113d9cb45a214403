"""The counts of an import while it runs."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from api.imports.rating import NotCharged, Rated
from ledger.domain.errors import Refusal

LISTED = 20
"""The most refused rows that a report names. It counts all."""

Stop = Literal["interrupted", "refused", "unavailable"]


@dataclass(slots=True)
class Tally:
    """The counts of one run."""

    opened: int = 0
    deducted: int = 0
    replayed: int = 0
    skipped: int = 0
    """Rows that cost 0 credits."""
    empty: int = 0
    """Rows without any value of which the amount is made."""
    undated: int = 0
    """Rows that are recorded without the time of their usage, because it is out of bounds; it is in their metadata."""
    bad: int = 0
    """Rows that cannot be used, and are left out."""
    uncollected: int = 0
    """Recorded rows, of this run or an earlier one, that cost more than was available."""
    credits_deducted: int = 0
    credits_replayed: int = 0
    credits_uncollected: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refused_rows: list[tuple[Rated, Refusal]] = field(default_factory=list)
    stopped: Stop | None = None

    @property
    def rows(self) -> int:
        """The number of rows with a known outcome."""
        return self.deducted + self.replayed + self.skipped + self.empty + self.bad + self.refused.total()

    def deduct(self, rated: Rated, *, replayed: bool, uncollected: int = 0) -> None:
        """Count a row that this run, or an earlier one (`replayed`), has recorded."""
        if replayed:
            self.replayed += 1
            self.credits_replayed += rated.amount - uncollected
        else:
            self.deducted += 1
            self.credits_deducted += rated.amount - uncollected
        self.uncollected += uncollected > 0
        self.credits_uncollected += uncollected

    def leave_out(self, why: NotCharged) -> None:
        """Count a row that costs nothing."""
        if why == "free":
            self.skipped += 1
        else:
            self.empty += 1

    def refuse(self, rated: Rated, refusal: Refusal) -> None:
        """Count a row that the ledger refused."""
        self.refused[refusal.code] += 1
        if len(self.refused_rows) < LISTED:
            self.refused_rows.append((rated, refusal))
