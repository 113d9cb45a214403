"""The batch that fills while the last one is being committed."""

from collections.abc import Container

from ledger.desks import Desk
from ledger.entries import Entry
from ledger.past import subject_of
from ledger.store.batch import Row, check
from ledger.store.codec import encode

MAX_ROWS = 2_000
"""Rows of one append: more would make the wait for a commit felt."""


class OpenBatch:
    """Entries that were decided, with the rows that append them."""

    __slots__ = ("by_row", "entries", "rows")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.rows: list[Row] = []
        self.by_row: list[Entry] = []

    @property
    def full(self) -> bool:
        """Whether the next entry belongs into another batch."""
        return len(self.rows) >= MAX_ROWS

    def add(self, entry: Entry) -> None:
        """Add an entry that was decided: its events, the last one with the receipt, or a check for its refusal."""
        self.entries.append(entry)
        events = entry.events
        count = len(events)
        version = entry.version - count
        if not count:
            self._add_row(entry, check(entry.account_id, version + 1, entry.receipt))
            return
        signature = (None, None, None) if entry.receipt is None else (entry.receipt, entry.fingerprint, count)
        for event in events:
            version += 1
            count -= 1
            topic, state = encode(event, entry.metadata)
            row = (entry.account_id, version, topic, state, subject_of(event))
            self._add_row(entry, Row(*row, None, None, None) if count else Row(*row, *signature))

    def _add_row(self, entry: Entry, row: Row) -> None:
        self.rows.append(row)
        self.by_row.append(entry)

    def withdraw(self, desks: Container[Desk | None]) -> list[Entry]:
        """Take out and return the entries of some desks."""
        gone = [entry for entry in self.entries if entry.desk in desks]
        if gone:
            self.entries = [entry for entry in self.entries if entry.desk not in desks]
            staying = [
                (row, entry) for row, entry in zip(self.rows, self.by_row, strict=True) if entry.desk not in desks
            ]
            self.rows = [row for row, _ in staying]
            self.by_row = [entry for _, entry in staying]
        return gone
