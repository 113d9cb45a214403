"""The admission: how many commands are under way, and whether more are let in."""

import asyncio
from collections.abc import Iterable

from ledger.commit.submission import Outcome, Overloaded, Submission, Unavailable, Unit

PATIENCE = 10.0
"""Seconds that a stop waits for what is in flight; a database that is stuck must not keep a service from stopping."""


class AdmissionControl:
    """Counts commands in and out. Every command that was let in is answered or failed exactly once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.waiting = 0
        self.trouble: type[Unavailable] | None = Unavailable
        """Why nothing is let in; None while the database is there."""
        self._closing = False
        self._drained = asyncio.Event()

    @property
    def available(self) -> bool:
        """Whether the database was there when it was last needed."""
        return self.trouble is None

    def admit(self, count: int) -> None:
        """Let some commands in. Raises Unavailable, or Overloaded when too many are waiting already."""
        if self.trouble is not None:
            raise self.trouble  # a new one each time: an exception remembers every place that it was raised in
        if self._closing:
            raise Unavailable
        if self.waiting + count > self._limit:
            raise Overloaded
        self.waiting += count

    def answer(self, submission: Submission, outcome: Outcome) -> None:
        """Give a submission its outcome."""
        submission.answer(outcome)
        self._one_less()

    def fail(self, submission: Submission, error: Exception) -> None:
        """Say that a submission has no outcome."""
        submission.fail(error)
        self._one_less()

    def fail_units(self, units: Iterable[Unit], error: Exception) -> None:
        """Say it of whole units."""
        for unit in units:
            for submission in unit.submissions:
                self.fail(submission, error)
            if unit.atomic is not None and not unit.atomic.done():
                unit.atomic.set_exception(error)

    def _one_less(self) -> None:
        self.waiting -= 1
        if self._closing and not self.waiting:
            self._drained.set()

    async def close(self) -> bool:
        """Let nothing in any more and wait until everything is answered; False when that takes longer than PATIENCE."""
        self._closing = True
        if not self.waiting:
            return True
        try:
            await asyncio.wait_for(self._drained.wait(), PATIENCE if self.available else 0)
        except TimeoutError:
            return False
        return True
