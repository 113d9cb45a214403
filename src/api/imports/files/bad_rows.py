"""Writes the rows that cannot be used into a file of their own, each with the reason, in the dialect of their own file.

So the file can be corrected in the program that made the first one, and then imported.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from api.imports.files.dialect import Dialect
from api.imports.files.row import FileProblem, Row

PROBLEM = "import_problem"
"""The column with the reason. It is the last one, and an import of the file has no use for it."""


class BadRows:
    """Makes the file with its first row, in place of an older one. Without any row there is no file afterwards."""

    def __init__(self, path: Path, most: int | None = None) -> None:
        """`most` is the most characters of all values in it; None for as many as there are."""
        self._path = path
        self._left = most
        self._partial = path.with_name(path.name + ".partial")
        self._file: TextIO | None = None

    def begin(self, dialect: Dialect, columns: Sequence[str]) -> None:
        """The rows that follow are of a file of this dialect, with these columns. Raises FileProblem."""
        self._dialect, self._columns = dialect, [name for name in columns if name != PROBLEM]
        self._kept = [index for index, name in enumerate(columns) if name != PROBLEM]

    def add(self, row: Row, problem: str) -> None:
        """Write a row. Raises FileProblem."""
        try:
            if self._file is None:
                self._file = self._open()
                self._write([*self._columns, PROBLEM])
            width = len(self._columns)
            if len(row.cells) == len(self._kept):
                cells = list(row.cells)
            else:
                cells = [row.cells[index] for index in self._kept if index < len(row.cells)]
            self._write([*cells, *[""] * (width - len(cells)), " ".join(problem.split())])
            self._count(row, cells, problem)
        except OSError as error:
            raise self._unwritable(error) from error

    def _count(self, row: Row, cells: Sequence[str], problem: str) -> None:
        if self._left is None:
            return
        self._left -= sum(map(len, cells)) + len(problem)
        if self._left < 0:
            if self._file is not None:
                self._file.close()
            raise FileProblem(f"too many rows cannot be used, among them {row.place}: {problem}")

    def end(self) -> None:
        """Put the file in its place. Raises FileProblem."""
        try:
            if self._file is None:
                self._path.unlink(missing_ok=True)
            else:
                self._file.close()
                self._partial.replace(self._path)
        except OSError as error:
            raise self._unwritable(error) from error

    def _open(self) -> TextIO:
        found = self._partial.open("w", encoding=self._dialect.encoding, errors="replace", newline="")
        if self._dialect.mark:
            found.write("\ufeff")
        if self._dialect.separator_line:
            found.write(f"sep={self._dialect.delimiter}{self._dialect.line_end}")
        self._writer = csv.writer(found, delimiter=self._dialect.delimiter, lineterminator=self._dialect.line_end)
        return found

    def _write(self, cells: Sequence[str]) -> None:
        self._writer.writerow(cells)

    def _unwritable(self, error: OSError) -> FileProblem:
        return FileProblem(f"the bad rows cannot be written to {self._path}: {error.strerror}")
