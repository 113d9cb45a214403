"""Writes journals. Each account has its journal, which is closed after the account's last event."""

from collections.abc import Sequence
from typing import BinaryIO

from audit.export.journals.account_journal import Journal, Line
from audit.export.journals.notation import Notation
from ledger.store import Logged


class Journals:
    """Writes the journals of accounts in one notation."""

    def __init__(self, file: BinaryIO, notation: Notation, title: str) -> None:
        self.lines = 0
        self._file = file
        self._notation = notation
        self._journals: dict[str, Journal] = {}
        file.write(notation.heading(title).encode())

    def write(self, events: Sequence[Logged]) -> None:
        """Write the lines of a page. An empty page closes the journals of the accounts before it."""
        if not events:
            self.finish()
        for logged in events:
            journal = self._journals.get(logged.account_id)
            if journal is None:
                journal = self._journals[logged.account_id] = Journal(logged.account_id)
            self._write_lines(journal.add(logged))

    def finish(self) -> None:
        """Write the assertions at the end of each journal."""
        for journal in self._journals.values():
            self._write_lines(journal.close())
        self._journals.clear()

    def close(self) -> None:
        """Do nothing: the caller closes the file."""

    def _write_lines(self, lines: Sequence[Line]) -> None:
        self.lines += len(lines)
        self._file.write(self._notation.text(lines).encode())
