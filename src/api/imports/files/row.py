"""A row of a usage file, and what is wrong with one."""

from typing import NamedTuple


class FileProblem(Exception):
    """The file cannot be used. The message says where and why."""


class RowProblem(Exception):
    """One row cannot be used. The message says why; the caller adds the place of the row."""


class Row(NamedTuple):
    """One record below the header, its values without the spaces around them."""

    number: int
    """From 0. Lines that are empty, or have nothing but spaces, do not count."""
    line: int
    """The line of the file, from 1, on which the record ends, as an editor counts."""
    cells: list[str]

    @property
    def place(self) -> str:
        """The place of the row, for messages."""
        return f"row {self.number} (line {self.line})"


def short(text: str) -> str:
    """The beginning of a text, for messages."""
    return repr(text) if len(text) <= 60 else repr(text[:60]) + "..."
