"""The hash chain: the hash of every event of an account covers the hash of the event before it.

A hash covers the previous hash, the account, the version and every other column of the row except the position, byte
for byte. So it covers everything that an auditor relies on. The checkpoints over the whole log cover the positions
(proof/merkle.py). The SQL function ledger.link computes the same hash; a test compares the two.
"""

from hashlib import sha256
from struct import Struct
from typing import Any, NamedTuple

from ledger.postgres.arrays import LENGTHS

GENESIS = bytes(32)
"""The previous hash of an account's first event."""

_NULL = b"\xff\xff\xff\xff"
_VERSION, _COUNT = Struct(">iqi").pack, Struct(">ii").pack


class UnreadableEvent(Exception):
    """A row of the log that this program cannot decode, or that does not continue the chain of its account.

    The message names the position and the account, and says why.
    """

    def __init__(self, position: int, account_id: str, problem: Exception) -> None:
        whose = account_id if account_id.isprintable() else ascii(account_id)
        why = f"{type(problem).__name__}: {problem}"
        super().__init__(f"the event at position {position} of account {whose} cannot be read: {why}")
        self.position = position
        self.account_id = account_id


class NotChained(ValueError):
    """An event does not continue the chain of its account: it was not written by the ledger, or changed later."""

    def __init__(self) -> None:
        super().__init__("its hash does not continue the chain of its account")


class Record(NamedTuple):
    """One row of the log with all columns: what auditors read, and what is exported."""

    position: int
    account_id: str
    version: int
    topic: str
    state: bytes
    subject: str | None
    receipt: str | None
    fingerprint: bytes | None
    command_events: int | None
    hash: bytes

    def link(self, previous: bytes) -> bytes:
        """The hash that this row must have when `previous` is the hash of the event before it."""
        return link(previous, *self[1:9])


def link(
    previous: bytes,
    account_id: str,
    version: int,
    topic: str,
    state: bytes,
    subject: str | None,
    receipt: str | None,
    fingerprint: bytes | None,
    command_events: int | None,
) -> bytes:
    """The hash of an event: SHA-256 over its fields in this order, each preceded by its length in bytes.

    Lengths and `command_events` are 4 bytes, the version is 8, all big-endian and signed; the length of a null field is
    -1. Texts are UTF-8. `previous` is GENESIS for the first event of an account.
    """
    lengths = LENGTHS
    account, kind = account_id.encode(), topic.encode()
    parts = (
        lengths[len(previous)],
        previous,
        lengths[len(account)],
        account,
        _VERSION(8, version, len(kind)),
        kind,
        lengths[len(state)],
        state,
        _NULL if subject is None else _prefixed(subject.encode()),
        _NULL if receipt is None else _prefixed(receipt.encode()),
        _NULL if fingerprint is None else _prefixed(fingerprint),
        _NULL if command_events is None else _COUNT(4, command_events),
    )
    return sha256(b"".join(parts)).digest()


def _prefixed(field: bytes) -> bytes:
    return LENGTHS[len(field)] + field


def check_link(account_id: str, row: Any, previous: bytes, version: int) -> None:
    """Raise NotChained unless a row is the event of this version after the one with the hash `previous`."""
    signed = row.topic, row.state, row.subject, row.receipt, row.fingerprint, row.command_events
    if row.version != version or link(previous, account_id, version, *signed) != row.hash:
        raise NotChained
