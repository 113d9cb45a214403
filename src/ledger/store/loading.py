"""Folds the rows of the statements `load` and `load_at`, and decides which snapshots are believed.

What decisions are made from is proven: an event counts only if its hash continues the chain of its account, and a
snapshot only if an event of that chain has the digest of its state, and its balance is that of the event and the sum of
its lots and holds. An account whose snapshot is not believed is folded from its events.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ledger.domain.account import Account, evolve
from ledger.domain.amounts import Balance
from ledger.domain.lots import total
from ledger.store.chain import GENESIS, NotChained, UnreadableEvent, link
from ledger.store.codec import decode_event, decode_snapshot, digest_in, encode_snapshot, state_digest
from ledger.store.stream_heads import StreamHead, hash_of

_SLICE = 100
"""The number of events that are folded before other tasks run."""
_log = logging.getLogger("credit_ledger.log")


class Loaded(NamedTuple):
    """What was loaded of an account.

    `head` is its end (None: it does not exist), `folded` the number of rows folded, `behind` whether there may be more.
    `provable` is the newest state among those that a snapshot can have. `problem` is the event at which loading ended.
    """

    head: StreamHead | None
    folded: int
    behind: bool
    provable: StreamHead | None = None
    problem: UnreadableEvent | None = None


class Pages(NamedTuple):
    """Accounts as far as they were loaded, and those whose snapshot is not believed, of which nothing was loaded."""

    loaded: dict[str, Loaded]
    doubted: list[str]


def known_accounts(heads: Mapping[str, StreamHead | None]) -> dict[str, Any]:
    """The known heads of accounts, as parameters of the statement `load`."""
    return {
        "accounts": list(heads),
        "known": [head.account.version if head else 0 for head in heads.values()],
        "hashes": [hash_of(head) for head in heads.values()],
    }


async def fold_rows(rows: Sequence[Any], known: Mapping[str, StreamHead | None], page: int) -> Pages:
    """Fold rows into heads, starting from the known ones. An account with `page` rows may have more."""
    found = {name: Loaded(head, 0, behind=False) for name, head in known.items()}
    doubted: list[str] = []
    for number, row in enumerate(rows, 1):
        name, before = row.account, found[row.account]
        if not row.stands and not before.folded:
            before = before._replace(head=None)
        if row.version is not None and before.problem is None and name not in doubted:
            if row.snapshot is None:
                before = _followed(name, row, before)
            elif (account := believed(name, row)) is not None:
                before = before._replace(head=StreamHead(account, row.hash, row.key, row.version))
            else:
                doubted.append(name)
            before = before._replace(folded=before.folded + 1)
        found[name] = before
        if number % _SLICE == 0:
            await asyncio.sleep(0)
    loaded = {name: one._replace(behind=one.folded >= page and not one.problem) for name, one in found.items()}
    return Pages({name: one for name, one in loaded.items() if name not in doubted}, doubted)


def _followed(account_id: str, row: Any, before: Loaded) -> Loaded:
    try:
        head = follow(account_id, row, before.head)
    except Exception as problem:  # damaged bytes may fail in any way
        return before._replace(problem=UnreadableEvent(row.position, account_id, problem))
    return before._replace(head=head, provable=head if head.proven == head.account.version else before.provable)


def follow(account_id: str, row: Any, head: StreamHead | None) -> StreamHead:
    """The head of an account after one more event. Raises NotChained, and anything for bytes that are damaged."""
    version = head.account.version + 1 if head is not None else 1
    check_link(account_id, row, hash_of(head), version)
    account = evolve(head.account if head is not None else None, decode_event(row.topic, row.state))
    proven = head.proven if head is not None else 0
    digest = digest_in(row.state)
    if digest is not None and digest == state_digest(encode_snapshot(account)):
        proven = version
    return StreamHead(account, row.hash, row.key, proven)


def check_link(account_id: str, row: Any, previous: bytes, version: int) -> None:
    """Raise NotChained unless a row is the event of this version after the one with the hash `previous`."""
    signed = row.topic, row.state, row.subject, row.receipt, row.fingerprint, row.command_events
    if row.version != version or link(previous, account_id, version, *signed) != row.hash:
        raise NotChained


def believed(account_id: str, row: Any) -> Account | None:
    """The state in a snapshot, if it is what its event says; else None. A damaged one is logged."""
    digest = digest_in(row.state)
    if digest is None:
        return None  # its event is from before there were digests
    try:
        check_link(account_id, row, row.previous or GENESIS, row.version)
        account = decode_snapshot(row.snapshot)
        event = decode_event(row.topic, row.state)
        named = account.account_id == account_id and account.version == row.version
        adds_up = account.balance == event.balance == _sum(account)
        if named and adds_up and digest == state_digest(row.snapshot):
            return account
        problem = "it is not what its event says"
    except Exception as error:  # damaged bytes may fail in any way
        problem = f"{type(error).__name__}: {error}"
    _log.error("the snapshot of account %s at version %d is not believed: %s", account_id, row.version, problem)
    return None


def _sum(account: Account) -> Balance:
    """What the lots and holds of an account add up to."""
    held = [part for hold in account.holds.values() for part in hold.draws]
    subscription = sum(lot.remaining for lot in account.lots if lot.kind == "subscription")
    permanent = sum(lot.remaining for lot in account.lots if lot.kind == "permanent")
    return Balance(
        subscription + total(held, "subscription"),
        permanent + total(held, "permanent"),
        total(held),
        account.lots[0].expires_at if account.lots else None,
    )
