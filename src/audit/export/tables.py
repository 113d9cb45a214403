"""Tables of entries: one row for each change of a balance, made from the log itself. Here as CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, NamedTuple, Protocol

from ledger.store import Logged
from projections.engine.runner import facts_of
from projections.models.history.entry_answer import Entry, entry
from projections.models.history.entry_lines import COLUMNS, USAGE, as_text, line
from projections.models.history.projection import entries_of

NAMED = ("position", "account_id")
"""The columns before those of an account's own history."""


class Sink(Protocol):
    """What takes an export, page by page. An empty page ends the accounts of the pages before it."""

    lines: int
    """Rows, entries or directives that were written."""

    def write(self, events: Sequence[Logged]) -> None:
        """Take in a page. Raises UnreadableEvent and OSError."""

    def finish(self) -> None:
        """Write what is left: that was all. Raises OSError."""

    def close(self) -> None:
        """Let go of the file, which somebody else closes. Raises OSError."""


class Period(NamedTuple):
    """What was recorded from one instant on and before another."""

    begin: datetime | None
    end: datetime | None

    def has(self, at: datetime) -> bool:
        """Whether a moment is in it."""
        return (self.begin is None or at >= self.begin) and (self.end is None or at < self.end)


class NamedEntry(Entry):
    """An entry of an account among many; NAMED are the fields that it has more."""

    position: int
    account_id: str


def entries_in(events: Sequence[Logged], period: Period) -> Iterator[NamedEntry]:
    """The entries of some events; `usage` is as the event has it."""
    for fact in facts_of(events):
        if fact.changes and period.has(fact.event.recorded_at):
            usage = getattr(fact.event, "usage", None)
            for row in entries_of(fact):
                shown = entry({**row._asdict(), "usage": usage})
                yield {"position": fact.position, "account_id": fact.account_id, **shown}


class CsvEntries:
    """Entries as CSV in UTF-8, in the columns of an account's history behind its name."""

    def __init__(self, file: BinaryIO, period: Period) -> None:
        self.lines = 0
        self._period = period
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._text)
        self._writer.writerow((*NAMED, *COLUMNS, *USAGE))

    def write(self, events: Sequence[Logged]) -> None:
        """The rows of a page."""
        for shown in entries_in(events, self._period):
            self._writer.writerow([shown["position"], as_text(shown["account_id"]), *line(shown)])
            self.lines += 1

    def finish(self) -> None:
        """Nothing is left."""

    def close(self) -> None:
        """Let go of the file."""
        self._text.detach()
