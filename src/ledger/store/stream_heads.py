"""Heads: where the streams of accounts end, as whoever appends must know it."""

from typing import NamedTuple

from ledger.domain.account import Account
from ledger.domain.events import Events, TextsErased
from ledger.store.chain import GENESIS


class StreamHead(NamedTuple):
    """An account's state, the hash of its last event, and the key of its texts (None: it has no texts)."""

    account: Account
    hash: bytes
    key: bytes | None


def hash_of(head: StreamHead | None) -> bytes:
    """What the next event of an account is chained to."""
    return GENESIS if head is None else head.hash


def key_of(head: StreamHead | None) -> bytes | None:
    """The key of an account's texts, if it has one."""
    return None if head is None else head.key


def account_of(head: StreamHead | None) -> Account | None:
    """The state of an account; None when it does not exist."""
    return None if head is None else head.account


def key_after(events: Events, key: bytes | None) -> bytes | None:
    """The key of an account's texts after some events: an erasure destroys it."""
    return None if any(type(event) is TextsErased for event in events) else key
