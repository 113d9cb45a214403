"""Stream heads: the ends of the streams of accounts, with what is needed to append to them."""

from typing import NamedTuple

from ledger.domain.account import Account
from ledger.domain.events import Events, TextsErased
from ledger.store.chain import GENESIS


class StreamHead(NamedTuple):
    """An account's state, the hash of its last event, and the key of its texts (None: it has no texts)."""

    account: Account
    hash: bytes
    key: bytes | None
    proven: int = 0
    """The version of the newest event that has a digest of the account's state, as far as it is known; else 0."""


PROVEN_EVERY = 100
"""The number of events of an account after which one has a digest of its state, so that a snapshot can be proven."""


def needs_digest(head: StreamHead | None, version: int) -> bool:
    """Whether the event of this version, after `head`, is due to have a digest of the account's state."""
    return version - (head.proven if head is not None else 0) >= PROVEN_EVERY


def hash_of(head: StreamHead | None) -> bytes:
    """The hash to which the next event of an account is chained."""
    return GENESIS if head is None else head.hash


def key_of(head: StreamHead | None) -> bytes | None:
    """The key of an account's texts; None when it has none."""
    return None if head is None else head.key


def account_of(head: StreamHead | None) -> Account | None:
    """The state of an account; None when it does not exist."""
    return None if head is None else head.account


def key_after(events: Events, key: bytes | None) -> bytes | None:
    """The key of an account's texts after some events; None when an erasure destroyed it."""
    return None if any(type(event) is TextsErased for event in events) else key
