"""Submissions: commands on their way through the committer, and what becomes of them."""

from __future__ import annotations

from asyncio import Future
from collections import deque
from typing import NamedTuple

from ledger.domain.account import Account
from ledger.domain.commands import Command
from ledger.domain.errors import AccountExists, KeyReused, Refusal
from ledger.domain.events import Events
from ledger.store.codec import Metadata
from ledger.store.log import Executed
from ledger.store.receipts import differing_fields, receipt_name, same_body
from ledger.store.stream_heads import StreamHead


class Overloaded(Exception):
    """Too many commands are waiting; try again in a moment, with the same key."""


class Unavailable(Exception):
    """The database cannot be reached, so the outcome is not known; try again with the same key."""


class StorageFull(Unavailable):
    """The database has no room left to record anything; make room, then try again with the same key."""


class NoSession(Unavailable):
    """The database is reached through a pooler that keeps no session; connect to it directly, then try again."""


class ExpectedVersions(NamedTuple):
    """The versions at which a command may find its account; None: any, if the account exists."""

    versions: tuple[int, ...] | None

    def holds_at(self, version: int) -> bool:
        """Whether it may be at this version, 0 if it does not exist."""
        return version > 0 if self.versions is None else version in self.versions


class Recorded(NamedTuple):
    """A command that is in the log: its events, and the version and position of the last one.

    `replayed` says that it was there before. An expiry check that came to nothing has no events.
    """

    account_id: str
    version: int
    position: int
    events: Events
    replayed: bool


Outcome = Recorded | Refusal


class Submission:
    """One command that waits for its outcome."""

    __slots__ = (
        "account_id",
        "after",
        "command",
        "events",
        "expected",
        "fingerprint",
        "followers",
        "head",
        "key",
        "metadata",
        "outcome",
        "queue",
        "receipt",
        "refusal",
    )

    def __init__(
        self,
        command: Command,
        metadata: Metadata,
        fingerprint: bytes = b"",
        expected: ExpectedVersions | None = None,
    ) -> None:
        self.command = command
        self.account_id = command.account_id
        self.metadata = metadata
        key = metadata.idempotency_key
        if metadata.operation == "open":
            key = command.account_id  # an account is opened once, under whatever key
        self.receipt = None if key is None else receipt_name(metadata.operation, key)
        self.fingerprint = fingerprint
        self.expected = expected
        self.outcome: Future[Outcome] | None = None
        self.queue: AccountQueue | None = None
        self.events: Events = ()
        self.refusal: Refusal | None = None
        self.after: Account | None = None
        self.key: bytes | None = None
        """The key of its texts, if it has any."""
        self.head: StreamHead | None = None
        """Where its account's stream ends after it, once that is on its way to the log."""
        self.followers: list[Submission] | None = None

    def recorded(self, position: int) -> Recorded:
        """The outcome when its events are in the log, the last one at `position`."""
        return Recorded(self.account_id, self.version, position, self.events, replayed=False)

    def executed(self, position: int) -> Executed:
        """What its receipt will say."""
        events, metadata = self.events, self.metadata
        return Executed(self.account_id, self.version, position, events, metadata, self.fingerprint)

    def answer(self, outcome: Outcome) -> None:
        """Give the outcome to whoever still waits for it."""
        if self.outcome is not None and not self.outcome.done():
            self.outcome.set_result(outcome)

    def fail(self, error: Exception) -> None:
        """Say that there is no outcome."""
        if self.outcome is not None and not self.outcome.done():
            self.outcome.set_exception(error)

    def replay(self, executed: Executed) -> Outcome:
        """The outcome when the key of this submission was used by `executed`: its answer again, or why not."""
        mine = executed.metadata.request_id == self.metadata.request_id
        before = executed.fingerprint
        if mine or before is None or same_body(before, self.fingerprint):
            return Recorded(executed.account_id, executed.version, executed.position, executed.events, not mine)
        return self.reused(executed.metadata, before, executed.version)

    def reused(self, before: Metadata, fingerprint: bytes, version: int) -> Refusal:
        """The refusal of another body under a key that was used by version `version`."""
        fields = differing_fields(self.metadata.operation, fingerprint, self.fingerprint)
        key = self.metadata.idempotency_key or ""
        if key != before.idempotency_key or key == self.receipt_key_of_opening:
            return AccountExists(self.account_id, fields)
        return KeyReused(key, version, fields)

    @property
    def receipt_key_of_opening(self) -> str | None:
        """The key that an opening has when the caller named none: its account."""
        return self.account_id if self.metadata.operation == "open" else None

    @property
    def version(self) -> int:
        """The account's version after this submission was decided."""
        return self.after.version if self.after is not None else 0


class AccountQueue:
    """One account while commands for it are in flight.

    `head` is where its stream ends after everything decided so far, `committed` after everything that is in the log.
    While `blocks` is not 0 new submissions wait: the state is being loaded or a unit is under way.
    """

    __slots__ = ("account_id", "blocks", "committed", "head", "in_batches", "keys", "waiting")

    def __init__(self, account_id: str, head: StreamHead | None) -> None:
        self.account_id = account_id
        self.head = head
        self.committed = head
        self.blocks = 0
        self.in_batches = 0
        self.keys: dict[str, Submission] = {}
        """Submissions in batches by their receipts, for those that come with the same key meanwhile."""
        self.waiting: deque[Submission] = deque()


class UnitOfWork(NamedTuple):
    """Submissions that are decided under the append lock: one that needs it, or an atomic batch."""

    submissions: list[Submission]
    atomic: Future[list[Outcome]] | None
    """Where the answer of an atomic batch goes; None for a single submission."""
