"""A file of prices, in which formulas look up: a CSV file whose first column has the names, such as models.

A name that ends in * stands for all that begin like it; the longest one counts. The name * alone stands for all others.
"""

from pathlib import Path
from typing import BinaryIO

from api.imports.files.cell_numbers import Number, ReadNumber, number_reader
from api.imports.files.row import FileProblem, RowProblem
from api.imports.files.usage_file import UsageFile, open_file, shown

MAX_ROWS = 100_000


class PriceFile:
    """The values of a price file by name and column: numbers, or texts as the file has them."""

    def __init__(self, columns: list[str], rows: dict[str, list[str]], read_number: ReadNumber) -> None:
        self.columns = columns
        self._read_number = read_number
        self._rows = rows
        self._prefixes = sorted((name[:-1] for name in rows if name.endswith("*")), key=len, reverse=True)
        self._found: dict[str, list[str] | None] = {}

    def has(self, column: str) -> bool:
        """Whether there is such a column beside the names."""
        return column in self.columns[1:]

    def value(self, name: str, column: str) -> Number | str | None:
        """The value of a name in a column; None if the file does not have the name."""
        if name not in self._found:
            if len(self._found) >= MAX_ROWS:
                self._found.clear()
            self._found[name] = self._row(name)
        row = self._found[name]
        return None if row is None else self._value(row[self.columns.index(column)])

    def _value(self, cell: str) -> Number | str:
        try:
            return self._read_number(cell)
        except RowProblem:
            return cell

    def _row(self, name: str) -> list[str] | None:
        if name in self._rows and not name.endswith("*"):
            return self._rows[name]
        prefix = next((prefix for prefix in self._prefixes if name.startswith(prefix)), None)
        return None if prefix is None else self._rows[prefix + "*"]


def read_prices(path: Path) -> PriceFile:
    """The file of prices. Raises FileProblem, whose message names the file."""
    try:
        with open_file(path) as opened:
            return prices_of(opened)
    except FileProblem as problem:
        raise FileProblem(f"the price file {path}: {problem}") from problem


def prices_of(opened: BinaryIO) -> PriceFile:
    """The prices in an open file. Raises FileProblem."""
    file = UsageFile(opened)
    rows: dict[str, list[str]] = {}
    for row in file.rows():
        if len(row.cells) != len(file.columns):
            raise FileProblem(
                f"{row.place} has {len(row.cells)} values, and the first line names {len(file.columns)} columns"
            )
        if row.cells[0] in rows:
            raise FileProblem(f"{row.place} has the name {row.cells[0]!r} again")
        if len(rows) == MAX_ROWS:
            raise FileProblem(f"it has more than {MAX_ROWS:,} rows")
        rows[row.cells[0]] = row.cells
    if len(file.columns) < 2:
        raise FileProblem(f"it has no prices: its only column is {shown(file.columns)}")
    return PriceFile(file.columns, rows, number_reader(file.dialect.decimal))
