"""The batch that fills while the last one is being committed."""

from collections.abc import Container
from itertools import compress

from ledger.desks import Desk
from ledger.entries import Entry
from ledger.past import subject_of
from ledger.store.batch import Batch
from ledger.store.codec import encode

MAX_ROWS = 2_000
"""Rows of one append: more would make the wait for a commit felt."""


class OpenBatch:
    """Entries that were decided, with the rows that append them."""

    __slots__ = ("by_row", "entries", "rows")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.rows = Batch()
        self.by_row: list[Entry] = []

    @property
    def full(self) -> bool:
        """Whether the next entry belongs into another batch."""
        return len(self.by_row) >= MAX_ROWS

    def add(self, entry: Entry) -> None:
        """Add an entry that was decided: its events, or a check for its refusal."""
        self.entries.append(entry)
        events = entry.events
        version = entry.version - len(events)
        if not events:
            self.rows.add_check(entry.account_id, version + 1, entry.receipt)
            self.by_row.append(entry)
            return
        for event in events:
            version += 1
            topic, state = encode(event, entry.metadata)
            self.rows.add_event(entry.account_id, version, topic, state, subject_of(event))
            self.by_row.append(entry)
        if entry.receipt is not None:
            self.rows.sign(entry.receipt, entry.fingerprint, len(events))

    def withdraw(self, desks: Container[Desk | None]) -> list[Entry]:
        """Take out and return the entries of some desks."""
        gone = [entry for entry in self.entries if entry.desk in desks]
        if gone:
            stays = [entry.desk not in desks for entry in self.by_row]
            self.entries = [entry for entry in self.entries if entry.desk not in desks]
            self.by_row = list(compress(self.by_row, stays))
            for name in self.rows.__slots__:
                setattr(self.rows, name, list(compress(getattr(self.rows, name), stays)))
        return gone
