"""Stream heads: the ends of the streams of accounts, with what is needed to append to them."""

from typing import NamedTuple

from ledger.domain.account import Account
from ledger.domain.events import Events, TextsErased
from ledger.store.records.chain import GENESIS
from ledger.store.snapshots import PROVEN_EVERY

FEW_RUNS = 2
"""Runs of lots and holds that are encoded within a millisecond, and of which few can be due."""

FEW_COUNTERS = 1_000
"""Counters of limits that are encoded within a millisecond."""


class StreamHead(NamedTuple):
    """An account's state, the hash of its last event, and the key of its texts (None: it has no texts).

    `proven` is the version of the newest event that is known to have a digest of the account's state; 0 when none is.
    """

    account: Account
    hash: bytes
    key: bytes | None
    proven: int = 0


def needs_digest(head: StreamHead | None, account: Account) -> bool:
    """Whether the last event of a command, after which its account is `account`, must have a digest of that state.

    To encode a state with thousands of lots and holds costs as much as thousands of events, so that it needs one more
    rarely: after an eighth as many events as it has lots and holds, at least, and half as many as it has counters.
    """
    unproven = account.version - (0 if head is None else head.proven)
    if unproven < PROVEN_EVERY:
        return False
    counters = 0 if account.limits is None else account.limits.size
    if 2 * unproven < counters:  # most events of an account with many counters: this spares them the next line
        return False
    return unproven >= (len(account.lots) + len(account.holds) + 4 * counters) // 8


def is_large(account: Account) -> bool:
    """Whether an account has so many lots, holds and counters that work on all of them is done in slices."""
    if len(account.lots.runs) + len(account.holds.runs) > FEW_RUNS:
        return True
    return account.limits is not None and account.limits.size > FEW_COUNTERS


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
    for event in events:  # every command calls this, and a generator takes three times as long
        if type(event) is TextsErased:
            return None
    return key
