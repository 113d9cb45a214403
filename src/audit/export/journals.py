"""Journals of double entries for plain-text accounting: one book for each account, closed after its last event."""

from collections.abc import Sequence
from typing import BinaryIO

from audit.export.account_journal import Journal, Line
from audit.export.notation import Notation
from ledger.store import Logged


class Journals:
    """Writes the journals of accounts in some notation."""

    def __init__(self, file: BinaryIO, notation: Notation, title: str) -> None:
        self.lines = 0
        self._file = file
        self._notation = notation
        self._books: dict[str, Journal] = {}
        file.write(notation.heading(title).encode())

    def write(self, events: Sequence[Logged]) -> None:
        """The lines of a page; an empty one closes the books of the accounts so far."""
        if not events:
            self.finish()
        for logged in events:
            book = self._books.get(logged.account_id)
            if book is None:
                book = self._books[logged.account_id] = Journal(logged.account_id)
            self._say(book.add(logged))

    def finish(self) -> None:
        """The balances at the end."""
        for book in self._books.values():
            self._say(book.close())
        self._books.clear()

    def close(self) -> None:
        """Nothing is held but the file itself."""

    def _say(self, lines: Sequence[Line]) -> None:
        self.lines += len(lines)
        self._file.write(self._notation.text(lines).encode())
