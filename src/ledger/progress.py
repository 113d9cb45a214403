"""Progress: the interface through which long work reports how far it is."""

from typing import Protocol


class Progress(Protocol):
    """Shows the progress of long work."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """Begin a step of `total` parts, counted in `unit`; the previous step ends."""

    def reach(self, done: int) -> None:
        """Report that `done` parts of the step are done. It may be called often, because it costs little."""
