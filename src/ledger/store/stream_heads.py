"""Stream heads: the ends of the streams of accounts, with what is needed to append to them."""

from typing import NamedTuple

from ledger.domain.account import Account
from ledger.domain.events import Events, TextsErased
from ledger.store.records.chain import GENESIS
from ledger.store.snapshots import PROVEN_EVERY


class StreamHead(NamedTuple):
    """An account's state, the hash of its last event, and the key of its texts (None: it has no texts).

    `proven` is the version of the newest event that is known to have a digest of the account's state; 0 when none is.
    """

    account: Account
    hash: bytes
    key: bytes | None
    proven: int = 0


def needs_digest(head: StreamHead | None, version: int) -> bool:
    """Whether the event of this version, which follows `head`, must have a digest of the account's state."""
    return version - (0 if head is None else head.proven) >= PROVEN_EVERY


def version_of(head: StreamHead | None) -> int:
    """The version of an account; 0 when it does not exist."""
    return 0 if head is None else head.account.version


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
