"""The walk: it verifies a log record by record: no gaps, valid hashes, and agreement with the signed checkpoints.

It trusts only the checkpoints that it is given, and stops at the first error. It reads no file and no database, so the
same code verifies a server, an exported bundle and an account's statement.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.merkle import Frontier, Node, leaves
from ledger.store.records.chain import GENESIS, Record
from ledger.store.records.codec import decode_exactly
from ledger.store.records.receipts import receipt_name

_NO_COMMAND = -1
"""A value that Python's hash() never returns."""
_SHOWN = 200
_AT_ONCE = 1_000_000
"""The number of commands whose receipts are compared at once."""


class Place(NamedTuple):
    """A place in the log. When no single event can be named, it is the range from `position` to `upto`."""

    position: int | None = None
    account_id: str | None = None
    version: int | None = None
    upto: int | None = None
    file: str | None = None
    """The name of a checkpoint's file, or a line of a file; None for a place in a database."""

    def __str__(self) -> str:
        parts = [] if self.file is None else [shown(self.file)]
        if self.position is not None:
            parts.append(
                f"position {self.position}" if self.upto is None else f"positions {self.position} to {self.upto}"
            )
        if self.account_id is not None:
            parts.append(f"account {shown(self.account_id)}")
        if self.version is not None:
            parts.append(f"version {self.version}")
        return ", ".join(parts)


class Breach(Exception):
    """The first error that a verification finds; its message is one sentence that names the place.

    `what` names in one word what is wrong: position, version, hash, state, time, receipt, root, checkpoint, tree,
    line, statement, document, function, text or key.
    """

    def __init__(
        self, what: str, place: Place, problem: str, expected: str | int | None = None, found: str | int | None = None
    ) -> None:
        self.what, self.place, self.problem, self.expected, self.found = what, place, problem, expected, found
        text = problem if expected is None else f"{problem}; expected {shown(expected)}"
        text = text if found is None else f"{text}, found {shown(found)}"
        super().__init__(f"{place}: {text}" if any(place) else text)


def shown(value: str | int) -> str:
    """A value in printable form, at most _SHOWN characters of it: a verified file may contain anything."""
    text = str(value)
    text = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return text if text.isprintable() else ascii(text)


class Head(NamedTuple):
    """The end of the verified part of an account's chain: what its next event must continue."""

    version: int
    hash: bytes
    receipt: int
    """The version of the last event with a receipt; 0 before the first."""
    recorded_at: datetime | None


START = Head(0, GENESIS, 0, None)
"""The head of an account without events."""


def follow(record: Record, head: Head) -> Head:
    """Verify one more event of an account, and return the new head. Raises Breach."""
    version = head.version + 1
    if record.version != version:
        raise _at(record, "version", "the account's events are not consecutive", version, record.version)
    hash_ = record.link(head.hash)
    if record.hash != hash_:
        raise _at(record, "hash", "the stored hash does not match the stored event", hash_.hex(), record.hash.hex())
    try:
        event, metadata = decode_exactly(record.topic, record.state)
    except Exception as error:  # damaged bytes may fail in any way
        raise _at(record, "state", f"the event cannot be read: {error}") from error
    if head.recorded_at is not None and event.recorded_at < head.recorded_at:
        before, now = head.recorded_at.isoformat(), event.recorded_at.isoformat()
        raise _at(record, "time", "it was recorded before the previous event of its account", f"{before} or later", now)
    if record.receipt is None:
        return Head(version, hash_, head.receipt, event.recorded_at)
    key = record.account_id if metadata.operation == "open" else metadata.idempotency_key
    if key is None or record.receipt != receipt_name(metadata.operation, key):
        asked = f"{metadata.operation}:{key}"
        raise _at(record, "receipt", "its receipt does not belong to its command", asked, record.receipt)
    if not record.fingerprint:
        raise _at(record, "receipt", "its receipt has no fingerprint")
    if record.command_events is None or not 1 <= record.command_events <= version - head.receipt:
        there = f"1 to {version - head.receipt}"
        raise _at(record, "receipt", "its command cannot have so many events", there, record.command_events)
    return Head(version, hash_, version, event.recorded_at)


class Walk:
    """Verifies a whole log in the order of its positions, and compares it with each checkpoint on the way.

    It keeps a Head for each account, about 400 bytes, and eight bytes for each command.
    """

    def __init__(self, checkpoints: Iterable[Checkpoint] = (), *, every: int = 0) -> None:
        """`checkpoints` are sorted by size. `every`: collect completed subtrees of every so many levels; 0 for none."""
        self._ahead = iter(checkpoints)
        self._next = next(self._ahead, None)
        self._heads: dict[str, Head] = {}
        self._commands = array("q")
        self._frontier = Frontier()
        self._every = every
        self.completed: dict[Node, bytes] = {}
        """Completed subtrees of the chosen levels; the caller removes those that it has processed."""
        self.position = 0
        """The last verified position, not counting checkpoints."""
        self.checkpoints = 0
        """The number of verified checkpoints."""
        self.signed = 0
        """The size of the newest verified checkpoint: up to there, the log is what was signed."""

    @property
    def accounts(self) -> int:
        """The number of accounts seen."""
        return len(self._heads)

    def take(self, records: Sequence[Record]) -> None:
        """Verify the next records. Raises Breach at the first error."""
        while self._next is not None and self._next.size <= self.position + len(records):
            cut = self._next.size - self.position
            self._follow(records[:cut])
            records = records[cut:]
            self._compare(self._next)
            self._next = next(self._ahead, None)
        self._follow(records)

    def _follow(self, records: Sequence[Record]) -> None:
        """Verify records between two checkpoints."""
        heads, commands = self._heads, self._commands
        for record in records:
            if record.position != self.position + 1:
                raise _hole(record, self.position + 1)
            account = record.account_id
            heads[account] = follow(record, heads.get(account, START))
            commands.append(hash((account, record.receipt)) if record.receipt is not None else _NO_COMMAND)
            self.position += 1
        before = self._frontier.size
        self._frontier, completed = self._frontier.grow(leaves([record.hash for record in records]))
        for level in range(self._every, len(completed), self._every) if self._every else ():
            first = before >> level
            self.completed |= {Node(level, first + n): hash_ for n, hash_ in enumerate(completed[level])}

    def _compare(self, checkpoint: Checkpoint) -> None:
        """Compare the root of the log up to here with the root that was signed."""
        root = self._frontier.root()
        if root != checkpoint.root:
            raise Breach(
                "root",
                Place(min(self.signed + 1, checkpoint.size), upto=checkpoint.size),
                f"in this range the log differs from the one that the checkpoint of {checkpoint.size} events signs",
                f"root {checkpoint.root.hex()}",
                root.hex(),
            )
        self.signed = checkpoint.size
        self.checkpoints += 1

    def finish(self) -> None:
        """Finish: the log ends here. Raises Breach when a checkpoint is of a longer log."""
        self.take(())  # a checkpoint of no event is due even in an empty log
        if self._next is not None:
            raise Breach(
                "position",
                Place(self.position + 1),
                f"the log ends before this position, but a checkpoint has {self._next.size} events",
            )

    def repeated(self) -> list[tuple[int, int]]:
        """Pairs of positions whose receipts may be equal; check each pair with `check_receipts`."""
        parts = 1 + len(self._commands) // _AT_ONCE
        return sorted(pair for part in range(parts) for pair in self._repeated(part, parts))

    def _repeated(self, part: int, parts: int) -> Iterator[tuple[int, int]]:
        """The pairs of one part: a set of all commands at once would take ten times the memory of the array."""
        chosen = [command for command in self._commands if command % parts == part and command != _NO_COMMAND]
        if len(set(chosen)) == len(chosen):
            return
        first: dict[int, int] = {}
        for position, command in enumerate(self._commands, 1):
            if command % parts == part and command != _NO_COMMAND and first.setdefault(command, position) != position:
                yield first[command], position


def check_receipts(first: Record, second: Record) -> None:
    """Raise Breach when two events have the same receipt, which means that a command was recorded twice."""
    if first.receipt is not None and (first.account_id, first.receipt) == (second.account_id, second.receipt):
        raise _at(second, "receipt", f"position {first.position} has the same receipt: {first.receipt}")


def _hole(record: Record, position: int) -> Breach:
    problem = (
        "there is no event at this position" if record.position > position else "two events have the same position"
    )
    return Breach("position", Place(position), problem, f"position {position}", record.position)


def _at(record: Record, what: str, problem: str, expected: str | int | None = None, found: Any = None) -> Breach:
    return Breach(what, Place(record.position, record.account_id, record.version), problem, expected, found)
