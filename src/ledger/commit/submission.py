"""Submissions: commands on their way through the committer, and their outcomes."""

from __future__ import annotations

from asyncio import Future
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol, TypeVar

from ledger.domain.account import Account
from ledger.domain.commands import Command, RecordPayment, payment_key
from ledger.domain.errors import AccountClosed, AccountExists, KeyReused, Refusal
from ledger.domain.events import Event, Events, PaymentRecorded
from ledger.store.batch import Row
from ledger.store.reader import Executed
from ledger.store.records.codec import Metadata
from ledger.store.records.receipts import differing_fields, receipt_name, same_body
from ledger.store.snapshots import Snapshot
from ledger.store.stream_heads import StreamHead


class Overloaded(Exception):
    """Too many commands are waiting. The caller may try again in a moment, with the same key."""


class Unavailable(Exception):
    """The database cannot be reached, so the outcome is unknown. The caller may try again, with the same key."""


class StorageFull(Unavailable):
    """The database has no storage left. When an operator has freed some, the caller may try again with the same key."""


class NoSession(Unavailable):
    """A connection pooler keeps no sessions. The operator must connect to PostgreSQL directly, or change the pooler."""


class ExpectedVersions(NamedTuple):
    """The versions at which a command accepts its account; None accepts any version of an account that exists."""

    versions: tuple[int, ...] | None

    def holds_at(self, version: int) -> bool:
        """Whether the command accepts an account at `version`; 0 stands for an account that does not exist."""
        return version > 0 if self.versions is None else version in self.versions


class Recorded(NamedTuple):
    """The outcome of a command that is in the log: its events, and the version and position of the last one.

    `replayed` says that the command was in the log before. An expiry check that finds nothing due has no events.
    """

    account_id: str
    version: int
    position: int
    events: Events
    replayed: bool


Outcome = Recorded | Refusal
Value_contra = TypeVar("Value_contra", contravariant=True)


class Waiting(Protocol[Value_contra]):
    """Whoever waits for outcomes: a future, or the connection on which a command came."""

    def done(self) -> bool:
        """Whether nothing is waited for any more."""

    def set_result(self, value: Value_contra, /) -> None:
        """Take what was waited for."""

    def set_exception(self, error: Exception, /) -> None:
        """Take the error that says why there is none."""


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
        "rows",
        "since",
        "snapshot",
        "took",
        "trace",
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
        self.outcome: Waiting[Outcome] | None = None
        self.queue: AccountQueue | None = None
        self.events: Events = ()
        self.refusal: Refusal | None = None
        self.after: Account | None = None
        self.key: bytes | None = None
        """The key with which the texts of this command are sealed; None when it has no texts."""
        self.head: StreamHead | None = None
        """Where its account's stream ends after this submission, once its events are in a batch."""
        self.snapshot: Snapshot | None = None
        """The state of its account after it, if its last event has the digest of that state."""
        self.rows: list[Row] | None = None
        """The rows of its events; None when nobody wants them."""
        self.followers: list[Submission] | None = None
        self.since = 0
        """When the committer accepted it, by `monotonic_ns`."""
        self.took = 0
        """Nanoseconds in which the fast lane decided it."""
        self.trace: str | None = None
        """The `traceparent` of the request that sent it, if its stages are traced. It is never recorded."""

    @property
    def receipts(self) -> tuple[str, ...]:
        """The names under which its key may have been used: a payment without a key had its id alone, before."""
        command, receipt = self.command, self.receipt
        if receipt is None:
            return ()
        if isinstance(command, RecordPayment) and self.metadata.idempotency_key == payment_key(command):
            return receipt, receipt_name(self.metadata.operation, command.payment_id)
        return (receipt,)

    def repeats(self, executed: Executed) -> bool:
        """Whether the command that used one of its receipts used its key."""
        if executed.metadata.idempotency_key == self.metadata.idempotency_key or self.metadata.operation == "open":
            return True
        command = self.command
        return isinstance(command, RecordPayment) and any(
            isinstance(event, PaymentRecorded) and (event.provider, event.status) == (command.provider, command.status)
            for event in executed.events
        )

    def recorded(self, position: int) -> Recorded:
        """The outcome when its events are in the log, the last one at `position`."""
        return Recorded(self.account_id, self.version, position, self.events, replayed=False)

    def executed(self, position: int) -> Executed:
        """The command as its receipt will show it, with its last event at `position`."""
        events, metadata = self.events, self.metadata
        return Executed(self.account_id, self.version, position, events, metadata, self.fingerprint)

    def answer(self, outcome: Outcome) -> None:
        """Set the outcome, unless the caller has stopped waiting."""
        if self.outcome is not None and not self.outcome.done():
            self.outcome.set_result(outcome)

    def fail(self, error: Exception) -> None:
        """Set the error that says why there is no outcome, unless the caller has stopped waiting."""
        if self.outcome is not None and not self.outcome.done():
            self.outcome.set_exception(error)

    def replay(self, executed: Executed, account: Account | None) -> Outcome:
        """The outcome when `executed` has used the key before: the original answer again, or a refusal.

        `account` is the account now. An opening needs it, because that of a closed account is refused.
        """
        same_request = executed.metadata.request_id == self.metadata.request_id
        if self.opens_closed(account, executed.metadata):
            return AccountClosed(self.account_id, account.successor if account else None)
        before = executed.fingerprint
        if same_request or before is None or same_body(before, self.fingerprint):
            return Recorded(executed.account_id, executed.version, executed.position, executed.events, not same_request)
        return self.reused(executed.metadata, before, executed.version)

    def reused(self, before: Metadata, fingerprint: bytes, version: int) -> Refusal:
        """The refusal because the command of version `version` used the same key with another body."""
        fields = differing_fields(self.metadata.operation, fingerprint, self.fingerprint)
        key = self.metadata.idempotency_key or ""
        opening = self.metadata.operation == "open"
        if opening and (key != before.idempotency_key or key == self.receipt_key_of_opening):
            return AccountExists(self.account_id, fields)
        return KeyReused(before.idempotency_key or key, version, fields)

    def opens_closed(self, account: Account | None, before: Metadata) -> bool:
        """Whether it asks to open a closed account, and is not itself the command that opened it (`before`)."""
        if not self.opens or account is None or account.standing != "closed":
            return False
        return self.metadata.request_id != before.request_id

    @property
    def opens(self) -> bool:
        """Whether it opens an account: the outcome of a repeated opening depends on the account too."""
        return self.metadata.operation == "open"

    @property
    def receipt_key_of_opening(self) -> str | None:
        """The key of an opening whose caller gave none: its account id. None for other operations."""
        return self.account_id if self.opens else None

    @property
    def version(self) -> int:
        """The account's version after this submission was decided."""
        return self.after.version if self.after is not None else 0

    def numbered_events(self) -> Iterator[tuple[int, Event]]:
        """Its events with their versions."""
        return zip(range(self.version - len(self.events) + 1, self.version + 1), self.events, strict=True)


class AccountQueue:
    """One account that has commands in flight.

    `head` is where its stream ends after all decided commands, `committed` after all events that are in the log. While
    `blocks` is not 0, new submissions wait: the account is being loaded (`loading`), or a unit of work is waiting or
    under way.
    """

    __slots__ = ("account_id", "blocks", "committed", "head", "in_batches", "keys", "loading", "waiting")

    def __init__(self, account_id: str, head: StreamHead | None) -> None:
        self.account_id = account_id
        self.head = head
        self.committed = head
        self.blocks = 0
        self.loading: Future[Exception | None] | None = None
        """While its state is loaded; then why it was not, or None."""
        self.in_batches = 0
        self.keys: dict[str, Submission] = {}
        """The submissions in batches, by their receipts: later submissions with the same key follow them."""
        self.waiting: deque[Submission] = deque()


class UnitOfWork(NamedTuple):
    """Submissions that are decided together: a single one, or all submissions of an atomic batch."""

    submissions: list[Submission]
    atomic: Waiting[list[Outcome]] | None
    """Who waits for an atomic batch's outcomes; None for a single submission."""
