"""Admission control: it counts the commands in flight and decides whether to accept more."""

import asyncio
from collections.abc import Iterable

from ledger.commit.submission import Outcome, Overloaded, Submission, Unavailable, UnitOfWork

PATIENCE = 10.0
"""Seconds that a stop waits for commands in flight; a database that hangs must not keep a service from stopping."""


class AdmissionControl:
    """Counts commands in and out. It answers or fails every accepted command exactly once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.waiting = 0
        self.error_type: type[Unavailable] | None = Unavailable
        """The error with which `admit` refuses all commands; None while the database can be reached."""
        self._closing = False
        self._drained = asyncio.Event()

    @property
    def available(self) -> bool:
        """Whether the database could be reached when it was last used."""
        return self.error_type is None

    def admit(self, count: int) -> None:
        """Accept `count` commands. Raises Unavailable, or Overloaded when too many commands are waiting."""
        if self.error_type is not None:
            raise self.error_type  # a new instance each time: an exception keeps the traceback of every raise
        if self._closing:
            raise Unavailable
        if self.waiting + count > self._limit:
            raise Overloaded
        self.waiting += count

    def answer(self, submission: Submission, outcome: Outcome) -> None:
        """Give a submission its outcome, and count it out."""
        submission.answer(outcome)
        self._count_out()

    def fail(self, submission: Submission, error: Exception) -> None:
        """Give a submission the error that says why it has no outcome, and count it out."""
        submission.fail(error)
        self._count_out()

    def fail_units(self, units: Iterable[UnitOfWork], error: Exception) -> None:
        """Fail all submissions of some units of work, and their atomic batches."""
        for unit in units:
            for submission in unit.submissions:
                self.fail(submission, error)
            if unit.atomic is not None and not unit.atomic.done():
                unit.atomic.set_exception(error)

    def release(self, count: int) -> None:
        """Count out commands that somebody else carries out."""
        self.waiting -= count
        if self._closing and not self.waiting:
            self._drained.set()

    def _count_out(self) -> None:
        self.waiting -= 1
        if self._closing and not self.waiting:
            self._drained.set()

    async def close(self) -> bool:
        """Accept no more commands, and wait until all are answered; False when that takes longer than PATIENCE."""
        self._closing = True
        if not self.waiting:
            return True
        try:
            await asyncio.wait_for(self._drained.wait(), PATIENCE if self.available else 0)
        except TimeoutError:
            return False
        return True
