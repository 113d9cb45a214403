"""What carries out commands: the committer of this process, or the group of workers that it belongs to."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from ledger.commit.receipt_lookup import ReceiptLookup
from ledger.commit.submission import Outcome, Submission


class Figures(Protocol):
    """What can be asked about the commands of a process."""

    @property
    def available(self) -> bool:
        """Whether commands could be committed when that was last tried."""

    @property
    def waiting(self) -> int:
        """The number of commands that wait for their commit."""


class Executor(Protocol):
    """Carries out commands, here or in another process. Nobody above it knows which."""

    broken: asyncio.Event
    """Set when a programming error has ended it; from then on it accepts no commands."""

    @property
    def receipts(self) -> ReceiptLookup:
        """What looks up receipts for this process."""

    @property
    def admission(self) -> Figures:
        """The figures of the commands of this process."""

    async def start(self) -> None:
        """Begin to carry out commands. Raises psycopg.OperationalError when the database cannot be reached."""

    async def stop(self) -> None:
        """Finish the commands in flight, then stop. Commands that cannot be finished fail with Unavailable."""

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Accept a command and return the future of its outcome. Raises Overloaded or Unavailable when it cannot."""

    def submit_together(self, submissions: Sequence[Submission]) -> asyncio.Future[list[Outcome]]:
        """Accept an atomic batch: all of its commands are carried out, or none. Raises Overloaded or Unavailable."""

    async def load(self, account_ids: Iterable[str]) -> None:
        """Load accounts into the cache of this process. Raises Overloaded or Unavailable."""
