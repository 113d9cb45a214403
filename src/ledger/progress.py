"""Progress: how long work says how far it has got, whoever shows it."""

from typing import Protocol


class Progress(Protocol):
    """Something that shows progress."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """A step of `total` parts begins; the one before is over."""

    def reach(self, done: int) -> None:
        """So many parts of the step are done. It is cheap to say so often."""
