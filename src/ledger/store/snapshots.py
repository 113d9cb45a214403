"""Snapshots: states of accounts that are kept, so that an account is not folded from its first event each time.

Decisions are made from them, so each one is proven. Every PROVEN_EVERY events, the last event of a command has the
digest of the account's state after it, and the hash chain covers the event. Only such a state is kept, and what is kept
is believed only while it agrees with its event. Otherwise the account is folded from its events: a snapshot changes the
cost, never the meaning.
"""

import logging
from hashlib import sha256
from typing import Any, NamedTuple

from ledger.domain.account import Account
from ledger.domain.amounts import Balance
from ledger.domain.lots import first_expiry, total
from ledger.slices import Steps
from ledger.store.records.chain import GENESIS, check_link
from ledger.store.records.codec import decode_event, snapshot_decoding

PROVEN_EVERY = 10
"""The number of events of an account after which the next command's last event has a digest of its state."""
NO_SNAPSHOT = ""
"""A format that no snapshot has: with it, the statements that load accounts read events only."""
_FIELD = b',"state_digest":"'
_END = b'"}'
_DIGITS = 64
_log = logging.getLogger("credit_ledger.log")


class Snapshot(NamedTuple):
    """An account's encoded state after the event of a version, and the hash of that event, which has its digest."""

    account_id: str
    version: int
    state: bytes
    hash: bytes


def state_digest(state: bytes) -> str:
    """The digest of an encoded state: its SHA-256 in hexadecimal digits."""
    return sha256(state).hexdigest()


def digest_in(state: bytes) -> str | None:
    """The digest in the stored bytes of an event; None for nearly all. It is the last field of their JSON."""
    before, digits = len(_FIELD) + _DIGITS + len(_END), _DIGITS + len(_END)
    if state[-before:-digits] != _FIELD or not state.endswith(_END):
        return None
    return state[-digits : -len(_END)].decode("ascii", "replace")


def believed(account_id: str, row: Any) -> Steps[Account | None]:
    """The steps to the state in a snapshot if it is what its event says; else None, and the log says why.

    `row` is the event's row, with the hash before it (`previous`) and the kept state (`snapshot`).
    """
    try:
        account = yield from snapshot_decoding(row.snapshot)
        problem = _problem(account_id, row, account)
        if problem is None:
            return account
    except Exception as error:  # damaged bytes may fail in any way
        problem = f"{type(error).__name__}: {error}"
    _log.error("the snapshot of account %s at version %d is not believed: %s", account_id, row.version, problem)
    return None


def _problem(account_id: str, row: Any, account: Account) -> str | None:
    check_link(account_id, row, row.previous or GENESIS, row.version)
    digest = digest_in(row.state)
    if digest is None:
        return "its event has no digest of a state"
    if digest != state_digest(row.snapshot):
        return "its event has another digest"
    if (account.account_id, account.version) != (account_id, row.version):
        return "it is of another account or version"
    if account.balance != decode_event(row.topic, row.state).balance:
        return "its event has another balance"
    if account.balance != _sum(account):
        return "its lots and holds do not add up to its balance"
    return None


def _sum(account: Account) -> Balance:
    """What the lots and holds of an account add up to."""
    held = [part for hold in (*account.holds, *account.disputed) for part in hold.draws]
    subscription = sum([lot.remaining for lot in account.lots if lot.kind == "subscription"])
    permanent = sum([lot.remaining for lot in account.lots if lot.kind == "permanent"])
    return Balance(
        subscription + total(held, "subscription"),
        permanent + total(held, "permanent"),
        total(held),
        first_expiry(account.lots),
    )
