"""One append: the rows that ledger.append takes, and what it answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ledger.postgres.arrays import bigints, byteas, integers, texts
from ledger.store.chain import GENESIS, link


class Appended(NamedTuple):
    """What became of a batch: everything but the excluded accounts was appended from `first_position` on."""

    first_position: int
    stale: frozenset[str]
    """Accounts that do not end where the batch goes on: somebody else has written. Nothing of theirs was appended."""
    used: frozenset[int]
    """Rows (from 0) whose receipt exists already."""


class Row(NamedTuple):
    """One row for ledger.append: an event, or (without a topic) a check.

    `previous` is the hash that the account has to end with before the batch; only its first row there says it.
    """

    account_id: str
    version: int
    topic: str | None
    state: bytes | None
    subject: str | None
    receipt: str | None
    fingerprint: bytes | None
    command_events: int | None
    previous: bytes | None = None
    hash: bytes | None = None


def check(account_id: str, version: int, receipt: str | None, previous: bytes | None = None) -> Row:
    """No event: check that the account would be at `version` next and that `receipt` is unused."""
    return Row(account_id, version, None, None, None, receipt, None, None, previous, None)


def chained(rows: Iterable[Row], ends: dict[str, bytes]) -> list[Row]:
    """Rows with their hashes. `ends` is the hash of each account's last event in the log, and what it is after them."""
    begun: set[str] = set()
    result = []
    for row in rows:
        end = ends.get(row.account_id, GENESIS)
        hash_ = None
        if row.topic is not None and row.state is not None:
            hash_ = ends[row.account_id] = link(end, row.account_id, row.version, row.topic, row.state, *row[4:8])
        result.append(row._replace(previous=None if row.account_id in begun else end, hash=hash_))
        begun.add(row.account_id)
    return result


def parameters(rows: Sequence[Row], new_keys: Mapping[str, bytes]) -> dict[str, Any]:
    """The parameters of the statement `append`: its rows, and the text keys of accounts that had none."""
    columns: Any = zip(*rows, strict=True) if rows else [()] * len(Row._fields)
    accounts, versions, topics, states, subjects, receipts, fingerprints, counts, previouses, hashes = columns
    return {
        "accounts": texts(accounts),
        "versions": bigints(versions),
        "topics": texts(topics),
        "states": byteas(states),
        "subjects": texts(subjects),
        "receipts": texts(receipts),
        "fingerprints": byteas(fingerprints),
        "counts": integers(counts),
        "previouses": byteas(previouses),
        "hashes": byteas(hashes),
        "key_accounts": texts(list(new_keys)),
        "new_keys": byteas(list(new_keys.values())),
    }
