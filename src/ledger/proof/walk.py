"""The proof: whether a log, fed record by record, is whole, bound by its hashes, and what its checkpoints say it is.

It trusts nothing but the checkpoints that it is given, and stops at the first place that does not hold. It opens no
file and asks no database, so the same lines judge a server, an exported bundle and one account's statement.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.merkle import Frontier, Node, leaves
from ledger.store.chain import GENESIS, Record
from ledger.store.codec import decode_exactly
from ledger.store.receipts import receipt_name

_NO_COMMAND = -1
"""Python's hash() is never this."""
_SHOWN = 200
_AT_ONCE = 1_000_000
"""Commands whose receipts are compared at once."""


class Place(NamedTuple):
    """Where something is. Where no single event can be blamed it lies somewhere from `position` to `upto`."""

    position: int | None = None
    account_id: str | None = None
    version: int | None = None
    upto: int | None = None
    file: str | None = None
    """A checkpoint, a line of a file; None for what is in a database."""

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
    """The first place that does not hold; its text is one sentence that names it.

    `what` is one word for what does not hold: position, version, hash, state, time, receipt, root, checkpoint, tree,
    line or statement.
    """

    def __init__(
        self, what: str, place: Place, problem: str, expected: str | int | None = None, found: str | int | None = None
    ) -> None:
        self.what, self.place, self.problem, self.expected, self.found = what, place, problem, expected, found
        said = problem if expected is None else f"{problem}; expected {shown(expected)}"
        said = said if found is None else f"{said}, found {shown(found)}"
        super().__init__(f"{place}: {said}" if any(place) else said)


def shown(value: str | int) -> str:
    """A value as it can be printed whatever is in it: files that are judged may be anybody's."""
    text = str(value)
    text = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return text if text.isprintable() else ascii(text)


class Head(NamedTuple):
    """How far the chain of one account has been followed: what its next event has to continue."""

    version: int
    hash: bytes
    receipt: int
    """The version of the last receipt; 0 before the first."""
    recorded_at: datetime | None


START = Head(0, GENESIS, 0, None)
"""The head of an account that has no event yet."""


def follow(record: Record, head: Head) -> Head:
    """The head after one more event of its account. Raises Breach."""
    version = head.version + 1
    if record.version != version:
        raise _at(record, "version", "the account's events are not consecutive", version, record.version)
    hash_ = record.link(head.hash)
    if record.hash != hash_:
        raise _at(
            record, "hash", "what is stored does not make the hash that is stored", hash_.hex(), record.hash.hex()
        )
    try:
        event, metadata = decode_exactly(record.topic, record.state)
    except Exception as error:  # bytes that nobody meant to be read may fail in any way
        raise _at(record, "state", f"the event cannot be read: {error}") from error
    if head.recorded_at is not None and event.recorded_at < head.recorded_at:
        before, now = head.recorded_at.isoformat(), event.recorded_at.isoformat()
        raise _at(record, "time", "it was recorded before the event that it follows", f"{before} or later", now)
    if record.receipt is None:
        return Head(version, hash_, head.receipt, event.recorded_at)
    key = record.account_id if metadata.operation == "open" else metadata.idempotency_key
    if key is None or record.receipt != receipt_name(metadata.operation, key):
        asked = f"{metadata.operation}:{key}"
        raise _at(record, "receipt", "its receipt is not the one of its command", asked, record.receipt)
    if not record.fingerprint:
        raise _at(record, "receipt", "its receipt does not say what was asked for")
    if record.command_events is None or not 1 <= record.command_events <= version - head.receipt:
        there = f"1 to {version - head.receipt}"
        raise _at(record, "receipt", "its command cannot have so many events", there, record.command_events)
    return Head(version, hash_, version, event.recorded_at)


class Walk:
    """Follows a whole log in the order of its positions, and meets the checkpoints on the way.

    It remembers a Head for each account and eight bytes for each command, about 400 bytes an account.
    """

    def __init__(self, checkpoints: Iterable[Checkpoint] = (), *, every: int = 0) -> None:
        """`checkpoints` in the order of their sizes; `every`: of how many levels of the tree one is remembered."""
        self._ahead = iter(checkpoints)
        self._next = next(self._ahead, None)
        self._heads: dict[str, Head] = {}
        self._commands = array("q")
        self._frontier = Frontier()
        self._every = every
        self.completed: dict[Node, bytes] = {}
        """Subtrees of every so many levels that are complete; whoever wants them takes them away."""
        self.position = 0
        """Up to where everything holds, checkpoints aside."""
        self.checkpoints = 0
        """Those that hold."""
        self.signed = 0
        """The size of the newest checkpoint that holds: up to there the log is what was signed."""

    @property
    def accounts(self) -> int:
        """Accounts that have been met."""
        return len(self._heads)

    def take(self, records: Sequence[Record]) -> None:
        """Follow the next records. Raises Breach at the first place that does not hold."""
        while self._next is not None and self._next.size <= self.position + len(records):
            cut = self._next.size - self.position
            self._follow(records[:cut])
            records = records[cut:]
            self._meet(self._next)
            self._next = next(self._ahead, None)
        self._follow(records)

    def _follow(self, records: Sequence[Record]) -> None:
        """Follow records between two checkpoints."""
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

    def _meet(self, checkpoint: Checkpoint) -> None:
        """Compare what the log comes to with what was signed when it was as long."""
        root = self._frontier.root()
        if root != checkpoint.root:
            raise Breach(
                "root",
                Place(self.signed + 1, upto=checkpoint.size),
                f"somewhere here the log is not what the checkpoint of {checkpoint.size} events was made of",
                f"root {checkpoint.root.hex()}",
                root.hex(),
            )
        self.signed = checkpoint.size
        self.checkpoints += 1

    def finish(self) -> None:
        """Say that the log ends here. Raises Breach when a checkpoint says that it went on."""
        if self._next is not None:
            raise Breach(
                "position",
                Place(self.position + 1),
                f"the log ends before this, and a checkpoint was made of {self._next.size} events",
            )

    def repeated(self) -> list[tuple[int, int]]:
        """Pairs of positions whose receipts may be the same; look there with `check_receipts`."""
        parts = 1 + len(self._commands) // _AT_ONCE
        return sorted(pair for part in range(parts) for pair in self._repeated(part, parts))

    def _repeated(self, part: int, parts: int) -> Iterator[tuple[int, int]]:
        """Those of one part: a set of all commands at once would take ten times the memory of the array."""
        chosen = [command for command in self._commands if command % parts == part and command != _NO_COMMAND]
        if len(set(chosen)) == len(chosen):
            return
        first: dict[int, int] = {}
        for position, command in enumerate(self._commands, 1):
            if command % parts == part and command != _NO_COMMAND and first.setdefault(command, position) != position:
                yield first[command], position


def check_receipts(first: Record, second: Record) -> None:
    """Raise Breach when two events have the same receipt: a command was recorded twice."""
    if first.receipt is not None and (first.account_id, first.receipt) == (second.account_id, second.receipt):
        raise _at(second, "receipt", f"its receipt stands at position {first.position} already: {first.receipt}")


def _hole(record: Record, position: int) -> Breach:
    problem = "there is no event here" if record.position > position else "a position is there twice"
    return Breach("position", Place(position), problem, f"position {position}", record.position)


def _at(record: Record, what: str, problem: str, expected: str | int | None = None, found: Any = None) -> Breach:
    return Breach(what, Place(record.position, record.account_id, record.version), problem, expected, found)
