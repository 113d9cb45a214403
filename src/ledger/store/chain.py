"""The hash chain: every event of an account is bound to the one before it.

A hash covers the hash before it, the account, the version and every column of the row but the position, byte for byte,
so nothing that an auditor relies on is left outside of it. Positions are bound by the checkpoints over the whole log
(merkle.py). The same rule in SQL is the function ledger.link; a test compares the two.
"""

from hashlib import sha256
from struct import pack
from typing import NamedTuple

from ledger.postgres.arrays import LENGTHS

GENESIS = bytes(32)
"""What stands in the place of the hash before the first event of an account."""

_NULL = b"\xff\xff\xff\xff"
_SHORT = len(LENGTHS)


class Record(NamedTuple):
    """One row of the log, whole: what an auditor gets to see, and what is exported."""

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
        """What its hash has to be after the hash of the event before it."""
        return link(
            previous,
            self.account_id,
            self.version,
            self.topic,
            self.state,
            self.subject,
            self.receipt,
            self.fingerprint,
            self.command_events,
        )


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
    """The hash of an event: SHA-256 over its fields in this order, each after its length in bytes.

    Lengths and `command_events` are 4 bytes, the version 8, all big-endian and signed; the length of what is null is
    -1. Texts are UTF-8. `previous` is GENESIS for the first event of an account.
    """
    parts = (
        _prefixed(previous),
        _prefixed(account_id.encode()),
        pack(">iq", 8, version),
        _prefixed(topic.encode()),
        _prefixed(state),
        _NULL if subject is None else _prefixed(subject.encode()),
        _NULL if receipt is None else _prefixed(receipt.encode()),
        _NULL if fingerprint is None else _prefixed(fingerprint),
        _NULL if command_events is None else pack(">ii", 4, command_events),
    )
    return sha256(b"".join(parts)).digest()


def _prefixed(field: bytes) -> bytes:
    size = len(field)
    return (LENGTHS[size] if size < _SHORT else pack(">i", size)) + field
