"""Tables of entries: one row for each change of a balance, made from the log. This file writes CSV."""

import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, NamedTuple, Protocol

from ledger.store import Logged
from projections.engine.runner import facts_of
from projections.models.history.entry_answer import Entry, entry_from
from projections.models.history.entry_lines import ALL_COLUMNS, line
from projections.models.history.projection import entries_of
from projections.models.spreadsheet import csv_line

NAMED = ("position", "account_id")
"""The columns before those of the history of an account."""


class Sink(Protocol):
    """Writes an export page by page. An empty page ends the accounts of the pages before it."""

    lines: int
    """The number of written rows or lines."""

    def write(self, events: Sequence[Logged]) -> None:
        """Write a page. Raises UnreadableEvent and OSError."""

    def finish(self) -> None:
        """Write what is left after the last page. Raises OSError."""

    def close(self) -> None:
        """Release the file, which the caller closes. Raises OSError."""


class Period(NamedTuple):
    """The time from one instant on and before another. None: without that end."""

    begin: datetime | None
    end: datetime | None

    def has(self, at: datetime) -> bool:
        """Whether a moment is in the period."""
        return (self.begin is None or at >= self.begin) and (self.end is None or at < self.end)


class NamedEntry(Entry):
    """An entry of an account among many; NAMED are the fields that it has more."""

    position: int
    account_id: str


def entries_in(events: Sequence[Logged], period: Period) -> Iterator[NamedEntry]:
    """The entries of some events."""
    for fact in facts_of(events):
        if fact.changes and period.has(fact.event.recorded_at):
            for row in entries_of(fact):
                yield {"position": fact.position, "account_id": fact.account_id, **entry_from(row)}


class CsvEntries:
    """Writes entries as CSV in UTF-8, with the columns of an account's history after those in NAMED."""

    def __init__(self, file: BinaryIO, period: Period) -> None:
        self.lines = 0
        self._period = period
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._text.write(csv_line((*NAMED, *ALL_COLUMNS)))

    def write(self, events: Sequence[Logged]) -> None:
        """Write the rows of a page."""
        for shown in entries_in(events, self._period):
            self._text.write(csv_line([shown["position"], shown["account_id"], *line(shown)]))
            self.lines += 1

    def finish(self) -> None:
        """Do nothing: nothing is left to write."""

    def close(self) -> None:
        """Release the file."""
        self._text.detach()
