"""One append: the rows that the SQL function ledger.append takes, and what it returns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ledger.postgres.arrays import bigints, byteas, integers, texts
from ledger.store.records.chain import GENESIS, link


class Appended(NamedTuple):
    """The result of an append. All rows but those of excluded accounts are in the log, from `first_position` on."""

    first_position: int
    stale: frozenset[str]
    """Accounts whose stream does not end where the batch continues: another process wrote. They are excluded."""
    used: frozenset[int]
    """The indices (from 0) of rows whose receipt already exists."""


class Row(NamedTuple):
    """One row for ledger.append: an event or, when `topic` is None, a check.

    `previous` is the hash with which the account must end before the batch; only the account's first row has it.
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
    """A row that appends nothing: it checks that the next version is `version`, and that `receipt` is unused."""
    return Row(account_id, version, None, None, None, receipt, None, None, previous, None)


def chained(rows: Iterable[Row], ends: dict[str, bytes]) -> list[Row]:
    """The rows with their hashes. `ends` has the hash of each account's last event, and is updated by the rows."""
    seen: set[str] = set()
    result = []
    for row in rows:
        end = ends.get(row.account_id, GENESIS)
        hash_ = None
        if row.topic is not None and row.state is not None:
            hash_ = ends[row.account_id] = link(end, row.account_id, row.version, row.topic, row.state, *row[4:8])
        result.append(row._replace(previous=None if row.account_id in seen else end, hash=hash_))
        seen.add(row.account_id)
    return result


def parameters(rows: Sequence[Row], new_keys: Mapping[str, bytes]) -> dict[str, Any]:
    """The parameters of the statement `append`. `new_keys` are text keys for accounts that had none."""
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
