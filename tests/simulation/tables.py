"""What the database keeps, and what each statement of the store does to it: a model of sql/ in plain Python.

It has the meaning of the statements and nothing of their making: lists and dictionaries in place of tables and
indexes. test_tables.py asks the same of it and of real servers. Connections, locks and all that can go wrong on the
way are server.py and driver.py.
"""

from collections.abc import Callable, Mapping, Sequence
from struct import unpack_from
from typing import Any, NamedTuple

import psycopg

from ledger.store.log import SQL

Parameters = Mapping[str, Any]
Rows = list[Any]


class Stored(NamedTuple):
    """One row of ledger.events."""

    position: int
    account: str
    version: int
    topic: str
    state: bytes
    subject: str | None
    receipt: str | None
    fingerprint: bytes | None
    command_events: int | None


class Verdict(NamedTuple):
    """The answer of ledger.append."""

    first_position: int
    stale: list[str]
    used: list[int]


class Folded(NamedTuple):
    """A row of the statement `load`."""

    account: str
    version: int
    topic: str
    state: bytes
    position: int | None


class Step(NamedTuple):
    """A row of the statement `load_at`."""

    version: int
    topic: str
    state: bytes


class Newest(NamedTuple):
    """A row of the statement `head`."""

    version: int
    position: int


class About(NamedTuple):
    """A row of the statement `about`."""

    account: str
    version: int
    topic: str
    state: bytes


class Receipt(NamedTuple):
    """A row of the statement `receipts`."""

    account: str
    receipt: str
    fingerprint: bytes
    version: int
    topic: str
    state: bytes
    position: int


class Snapshot(NamedTuple):
    """One row of ledger.snapshots."""

    version: int
    topic: str
    state: bytes


class Tables:
    """The log, and the snapshots."""

    def __init__(self) -> None:
        self.log: list[Stored] = []
        self.streams: dict[str, list[Stored]] = {}
        self.receipts: dict[tuple[str, str], Stored] = {}
        self.snapshots: dict[str, dict[int, Snapshot]] = {}
        self.ask: dict[str, Callable[[Parameters], Rows]] = {
            SQL["load"]: self._load,
            SQL["load_at"]: self._load_at,
            SQL["head"]: self._head,
            SQL["about"]: self._about,
            SQL["receipts"]: self._receipts,
            SQL["save_snapshots"]: self._save_snapshots,
        }
        """Every statement that neither appends nor is about connections, by its text."""

    # Appending -----------------------------------------------------------------------------------------------------

    def append(self, given: Parameters) -> tuple[Verdict, list[Stored]]:
        """What ledger.append answers, and the rows that are there when it is committed. Changes nothing itself."""
        batch = list(zip(*(unpacked(given[name]) for name in COLUMNS), strict=True))
        first: dict[str, int] = {}
        for account, version, *_ in batch:
            first[account] = min(version, first.get(account, version))
        stale = [account for account, version in first.items() if self._is_stale(account, version)]
        used = [n for n, row in enumerate(batch, 1) if row[5] is not None and (row[0], row[5]) in self.receipts]
        excluded = {*stale, *(batch[n - 1][0] for n in used if batch[n - 1][2] is not None)}
        position = len(self.log)
        rows: list[Stored] = []
        for row in batch:
            if row[2] is not None and row[0] not in excluded:
                position += 1
                rows.append(Stored(position, *row))
        self._check_unique(rows)
        return Verdict(len(self.log) + 1, stale, used), rows

    def _is_stale(self, account: str, version: int) -> bool:
        stream = self.streams.get(account)
        return version != (len(stream) + 1 if stream else min(version, 1))

    def _check_unique(self, rows: list[Stored]) -> None:
        versions = [(row.account, row.version) for row in rows]
        receipts = [(row.account, row.receipt) for row in rows if row.receipt is not None]
        if len(set(versions)) < len(versions) or len(set(receipts)) < len(receipts):
            raise psycopg.errors.UniqueViolation("duplicate key value violates unique constraint")

    def commit(self, rows: list[Stored]) -> None:
        """Make rows of `append` part of the log. Nothing else was committed in between: their maker held the lock."""
        for row in rows:
            assert row.position == len(self.log) + 1, "appended without the lock"
            self.log.append(row)
            self.streams.setdefault(row.account, []).append(row)
            if row.receipt is not None:
                self.receipts[row.account, row.receipt] = row

    # Asking --------------------------------------------------------------------------------------------------------

    def _load(self, given: Parameters) -> Rows:
        found: Rows = []
        pairs = zip(given["accounts"], given["known"], strict=True)
        for account, known in sorted(pairs):
            snapshot = self._snapshot(account, given["snapshot"], 2**62) if known == 0 else None
            after = known
            if snapshot is not None:
                found.append(Folded(account, *snapshot, None))
                after = snapshot.version
            for row in self.streams.get(account, ())[after : after + given["limit"]]:
                found.append(Folded(account, row.version, row.topic, row.state, row.position))
        return found

    def _load_at(self, given: Parameters) -> Rows:
        account, after, upto = given["account"], given["after"], given["upto"]
        snapshot = self._snapshot(account, given["snapshot"], upto) if after == 0 else None
        found: Rows = []
        if snapshot is not None:
            found.append(Step(*snapshot))
            after = snapshot.version
        rows = self.streams.get(account, [])[after : min(after + given["limit"], upto)]
        return found + [Step(row.version, row.topic, row.state) for row in rows]

    def _snapshot(self, account: str, topic: str, upto: int) -> Snapshot | None:
        kept = self.snapshots.get(account, {}).values()
        return max((one for one in kept if one.topic == topic and one.version <= upto), default=None)

    def _head(self, given: Parameters) -> Rows:
        stream = self.streams.get(given["account"])
        return [Newest(stream[-1].version, stream[-1].position)] if stream else []

    def _about(self, given: Parameters) -> Rows:
        found: Rows = []
        for account, subject, version in zip(given["accounts"], given["subjects"], given["versions"], strict=True):
            for row in self.streams.get(account, ()):
                times = (row.version == version) + (row.subject is not None and row.subject == subject)
                found += [About(account, row.version, row.topic, row.state)] * times
        return sorted(found, key=lambda row: (row.account, row.version))

    def _receipts(self, given: Parameters) -> Rows:
        found: Rows = []
        for key in zip(given["accounts"], given["receipts"], strict=True):
            last = self.receipts.get(key)
            if last is not None:
                assert last.fingerprint is not None
                assert last.command_events is not None
                for row in self.streams[last.account][last.version - last.command_events : last.version]:
                    found.append(Receipt(*key, last.fingerprint, row.version, row.topic, row.state, row.position))
        return sorted(found, key=lambda row: (row.account, row.receipt, row.version))

    def _save_snapshots(self, given: Parameters) -> Rows:
        columns = (given[name] for name in ("accounts", "versions", "topics", "states"))
        for account, version, topic, state in zip(*columns, strict=True):
            self.snapshots.setdefault(account, {}).setdefault(version, Snapshot(version, topic, state))
        return []


COLUMNS = ("accounts", "versions", "topics", "states", "subjects", "receipts", "fingerprints", "counts")
"""The parameters of `append`, in the order of the columns of Stored after the position."""

_TEXT, _BYTEA, _BIGINT, _INTEGER = 25, 17, 20, 23


def unpacked(array: bytes) -> Sequence[Any]:
    """The values of an array as PostgreSQL reads it (array_recv): arrays.py, the other way round."""
    dimensions, _, element = unpack_from(">iii", array)
    if not dimensions:
        return []
    (length,) = unpack_from(">i", array, 12)
    values: list[Any] = []
    at = 20
    for _ in range(length):
        (size,) = unpack_from(">i", array, at)
        at += 4
        if size < 0:
            values.append(None)
            continue
        field = bytes(array[at : at + size])
        at += size
        if element == _TEXT:
            values.append(field.decode())
        elif element == _BYTEA:
            values.append(field)
        else:
            assert element in {_BIGINT, _INTEGER}
            values.append(int.from_bytes(field, "big", signed=True))
    assert at == len(array)
    return values
