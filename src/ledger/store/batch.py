"""One append: the rows that ledger.append takes, and what it answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.arrays import bigints, byteas, integers, texts


class Appended(NamedTuple):
    """What became of a batch: everything but the excluded accounts was appended from `first_position` on."""

    first_position: int
    stale: frozenset[str]
    """Accounts to which somebody else has written; nothing of theirs was appended."""
    used: frozenset[int]
    """Rows (from 0) whose receipt exists already."""


class Row(NamedTuple):
    """One row for ledger.append: an event, or (without a topic) a check."""

    account_id: str
    version: int
    topic: str | None
    state: bytes | None
    subject: str | None
    receipt: str | None
    fingerprint: bytes | None
    command_events: int | None


def check(account_id: str, version: int, receipt: str | None) -> Row:
    """No event: check that the account would be at `version` next and that `receipt` is unused."""
    return Row(account_id, version, None, None, None, receipt, None, None)


def parameters(rows: Sequence[Row]) -> dict[str, Any]:
    """The parameters of the statement `append`."""
    columns: Any = zip(*rows, strict=True) if rows else [()] * len(Row._fields)
    accounts, versions, topics, states, subjects, receipts, fingerprints, counts = columns
    return {
        "accounts": texts(accounts),
        "versions": bigints(versions),
        "topics": texts(topics),
        "states": byteas(states),
        "subjects": texts(subjects),
        "receipts": texts(receipts),
        "fingerprints": byteas(fingerprints),
        "counts": integers(counts),
    }
