"""Records of a file that are no usage: the header again, totals, and rows of nothing but delimiters.

People join exports, and programs add a line with the sum. Such a record keeps its number, so that the rows after it
have the same keys as in an import that counted it.
"""

import re
from collections.abc import Sequence

from api.imports.files.row import Row

_TOTAL = re.compile(
    r"(?:grand |sub ?-?|sum )?totals?|sum|summe|gesamt(?:summe|ergebnis|betrag)?|zwischensumme|insgesamt|"
    r"total général|totaux|sous-total|somme|suma|total general|totale(?: complessivo)?|"
    r"soma|totaal|razem|итого|合計|总计",
    re.IGNORECASE,
)


class IncidentalRows:
    """Counts the records of one file that are no usage."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self.blank_lines = 0
        self.empty_records = 0
        """Records of delimiters only."""
        self.repeated_headers = 0
        self.totals: list[Row] = []
        """The first few records with totals."""
        self.total_count = 0

    @property
    def blank(self) -> int:
        """Lines and records without any value."""
        return self.blank_lines + self.empty_records

    def takes(self, row: Row) -> bool:
        """Count a record if it is no usage; whether it is none."""
        first = next(filter(None, row.cells), None)
        if first is None:
            if len(row.cells) < 2:
                return False  # a pair of quotes in a file of one column is a value
            self.empty_records += 1
        elif row.cells[0] == self._columns[0] and row.cells == self._columns:
            self.repeated_headers += 1
        elif len(first) < 30 and _is_total(first, row.cells, len(self._columns)):
            self.total_count += 1
            if len(self.totals) < 5:
                self.totals.append(row)
        else:
            return False
        return True


def _is_total(first: str, cells: Sequence[str], width: int) -> bool:
    """Whether the first value says so, and the record lacks values: an account may be called Total too."""
    return _TOTAL.fullmatch(first.rstrip(": ")) is not None and (len(cells) < width or "" in cells)
