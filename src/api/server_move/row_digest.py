"""A digest of rows, whatever their order: two tables with the same digest have the same rows."""

from hashlib import sha256

_ALL = 2**256 - 1


class RowDigest:
    """How many rows there were, and the sum of their SHA-256 modulo 2^256. The order of the rows does not count."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, row: bytes | bytearray | memoryview) -> None:
        """Add one row, in the text format of COPY."""
        self.rows += 1
        self._sum = (self._sum + int.from_bytes(sha256(row).digest())) & _ALL

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowDigest) and (self.rows, self._sum) == (other.rows, other._sum)

    def __hash__(self) -> int:
        return hash((self.rows, self._sum))

    def __str__(self) -> str:
        return f"{self._sum:064x}"
