"""What the database keeps, and what each statement of the store does to it: a model of sql/ in plain Python.

It has the meaning of the statements and nothing of their making: lists and dictionaries in place of tables and
indexes. test_tables.py asks the same of it and of real servers. Connections, locks and all that can go wrong on the
way are server.py and driver.py.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from struct import unpack_from
from typing import Any, NamedTuple

import orjson
import psycopg

from ledger.store.reader import SQL
from ledger.store.records.chain import GENESIS
from ledger.store.snapshots import digest_in, state_digest

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
    hash: bytes


def _lapses(row: Stored, grant: int) -> bool:
    """Whether credits of a grant lapsed in an event."""
    named = f'"grt_{grant}"'.encode() in row.state
    return named and (row.topic == "CreditsExpired" or (row.topic in _RETURNING and b'"fate":"lapsed"' in row.state))


_RETURNING = {"HoldCaptured", "HoldExpired", "HoldReleased", "DeductionReversed", "TransferReversed"}


class Change(NamedTuple):
    """What an append changes when it is committed."""

    rows: list[Stored]
    erased: list[str]
    """Accounts of which the text key is destroyed."""
    keys: list[tuple[str, bytes]]
    """Accounts that get a text key."""


NO_CHANGE = Change([], [], [])


class Verdict(NamedTuple):
    """The answer of ledger.append."""

    first_position: int
    stale: list[str]
    used: list[int]


class Columns(NamedTuple):
    """The columns with which an event is verified."""

    position: int
    version: int
    topic: str
    state: bytes
    subject: str | None
    receipt: str | None
    fingerprint: bytes | None
    command_events: int | None
    hash: bytes
    previous: bytes | None


NO_EVENT = (None, None, None, None, None, None, None, None, None, None)


class Folded(NamedTuple):
    """A row of the statements `load` and `load_at`."""

    account: str
    stands: bool
    position: int | None
    version: int | None
    topic: str | None
    state: bytes | None
    subject: str | None
    receipt: str | None
    fingerprint: bytes | None
    command_events: int | None
    hash: bytes | None
    previous: bytes | None
    snapshot: bytes | None
    key: bytes | None


class Newest(NamedTuple):
    """A row of the statement `newest_events`."""

    account: str
    version: int
    position: int
    hash: bytes


class About(NamedTuple):
    """A row of the statement `related_events`."""

    account: str
    position: int
    version: int
    topic: str
    state: bytes
    subject: str | None
    receipt: str | None
    fingerprint: bytes | None
    command_events: int | None
    hash: bytes
    previous: bytes | None


class Claimed(NamedTuple):
    """A row of the statement `payments_of_others`."""

    account: str
    provider: str
    subject: str
    other: str


class Receipt(NamedTuple):
    """A row of the statement `receipts`."""

    account: str
    used: str
    position: int
    version: int
    topic: str
    state: bytes
    subject: str | None
    receipt: str | None
    fingerprint: bytes | None
    command_events: int | None
    hash: bytes
    previous: bytes | None
    key: bytes | None


class Snapshot(NamedTuple):
    """One row of ledger.snapshots."""

    version: int
    topic: str
    state: bytes
    hash: bytes | None


class Tables:
    """The log, the keys of texts, and the snapshots."""

    def __init__(self) -> None:
        self.log: list[Stored] = []
        self.streams: dict[str, list[Stored]] = {}
        self.receipts: dict[tuple[str, str], Stored] = {}
        self.text_keys: dict[str, bytes] = {}
        self.snapshots: dict[str, dict[int, Snapshot]] = {}
        self.ask: dict[str, Callable[[Parameters], Rows]] = {
            SQL["load"]: self._load,
            SQL["load_at"]: self._load_at,
            SQL["newest_events"]: self._newest_events,
            SQL["related_events"]: self._related_events,
            SQL["payments_of_others"]: self._payments_of_others,
            SQL["receipts"]: self._receipts,
            SQL["save_snapshots"]: self._save_snapshots,
            SQL["confirm"]: _nothing,  # there is no standby
            SQL["as_who_logged_in"]: _nothing,  # everybody may do everything
            SQL["as_before"]: _nothing,
        }
        """Every statement that neither appends nor is about connections, by its text."""

    # Appending -----------------------------------------------------------------------------------------------------

    def append(self, given: Parameters, earlier: Change) -> tuple[Verdict, Change]:
        """What ledger.append answers, and what is changed when its transaction is committed. Changes nothing itself.

        `earlier` is what earlier appends of the transaction change.
        """
        if not (earlier.rows or earlier.keys):
            return self._append(given)
        verdict, change = self._with(earlier)._append(given)
        kept = [(account, key) for account, key in earlier.keys if account not in change.erased]
        return verdict, Change(earlier.rows + change.rows, earlier.erased + change.erased, kept + change.keys)

    def _with(self, change: Change) -> "Tables":
        """A copy after a change."""
        other = copy(self)
        other.log, other.receipts, other.text_keys = [*self.log], dict(self.receipts), dict(self.text_keys)
        other.streams = {account: [*rows] for account, rows in self.streams.items()}
        other.snapshots = dict(self.snapshots)
        other.commit(change)
        return other

    def _append(self, given: Parameters) -> tuple[Verdict, Change]:
        batch = [_Given(*row) for row in zip(*(unpacked(given[name]) for name in COLUMNS), strict=True)]
        stale = [row.account for row in batch if row.previous is not None and self._is_stale(row)]
        used = [n for n, row in enumerate(batch, 1) if row.receipt and (row.account, row.receipt) in self.receipts]
        excluded = {*stale, *(batch[n - 1].account for n in used if batch[n - 1].topic is not None)}
        taken = [row for row in batch if row.topic is not None and row.account not in excluded]
        rows = [Stored(len(self.log) + n, *row[:8], row.hash) for n, row in enumerate(taken, 1)]  # type: ignore[arg-type]
        erased = [row.account for row in taken if row.topic == "TextsErased"]
        keys = zip(unpacked(given["key_accounts"]), unpacked(given["new_keys"]), strict=True)
        change = Change(rows, erased, [(account, key) for account, key in keys if account not in excluded])
        self._check(change)
        return Verdict(len(self.log) + 1, stale, used), change

    def _is_stale(self, row: "_Given") -> bool:
        stream = self.streams.get(row.account)
        if stream is None:
            return row.version > 1 or row.previous != GENESIS
        return row.version != stream[-1].version + 1 or row.previous != stream[-1].hash

    def _check(self, change: Change) -> None:
        """The constraints of the tables."""
        versions = [(row.account, row.version) for row in change.rows]
        receipts = [(row.account, row.receipt) for row in change.rows if row.receipt is not None]
        keys = [account for account, _ in change.keys]
        keys += [account for account in self.text_keys if account not in change.erased and account in keys]
        if any(len(set(names)) < len(names) for names in (versions, receipts, keys)):
            raise psycopg.errors.UniqueViolation("duplicate key value violates unique constraint")
        if any(row.hash is None for row in change.rows):
            raise psycopg.errors.NotNullViolation('null value in column "hash"')

    def commit(self, change: Change) -> None:
        """Make a change of `append`. Nothing else was committed in between: its maker held the lock."""
        for row in change.rows:
            assert row.position == len(self.log) + 1, "appended without the lock"
            self.log.append(row)
            self.streams.setdefault(row.account, []).append(row)
            if row.receipt is not None:
                self.receipts[row.account, row.receipt] = row
        for account in change.erased:
            self.text_keys.pop(account, None)
            self.snapshots.pop(account, None)
        self.text_keys.update(change.keys)

    # Asking --------------------------------------------------------------------------------------------------------

    def _load(self, given: Parameters) -> Rows:
        found: Rows = []
        for account, known, end in sorted(zip(given["accounts"], given["known"], given["hashes"], strict=True)):
            stream = self.streams.get(account, [])
            stands = known == 0 or (known <= len(stream) and stream[known - 1].hash == end)
            key = self.text_keys.get(account)
            after = known if stands else 0
            snapshot = self._snapshot(account, given["snapshot"], 2**62) if after == 0 else None
            rows: Rows = []
            if snapshot is not None:
                rows.append(Folded(account, stands, *self._event_of(account, snapshot), snapshot.state, key))
                after = snapshot.version
            for row in stream[after : after + given["limit"]]:
                rows.append(Folded(account, stands, *_alone(row), None, key))
            found += rows or [Folded(account, stands, *NO_EVENT, None, key)]
        return found

    def _event_of(self, account: str, snapshot: Snapshot) -> Columns:
        return self._chained(self.streams[account][snapshot.version - 1])

    def _chained(self, row: Stored) -> Columns:
        """An event with the hash before it."""
        before = self.streams[row.account][row.version - 2].hash if row.version > 1 else None
        return _alone(row)._replace(previous=before)

    def _load_at(self, given: Parameters) -> Rows:
        account, after, upto = given["account"], given["after"], given["upto"]
        snapshot = self._snapshot(account, given["snapshot"], upto) if after == 0 else None
        found: Rows = []
        if snapshot is not None:
            found.append(Folded(account, True, *self._event_of(account, snapshot), snapshot.state, None))
            after = snapshot.version
        rows = self.streams.get(account, [])[after : min(after + given["limit"], upto)]
        return found + [Folded(account, True, *_alone(row), None, None) for row in rows]

    def _snapshot(self, account: str, topic: str, upto: int) -> Snapshot | None:
        stream = self.streams.get(account, ())
        kept = [one for one in self.snapshots.get(account, {}).values() if one.topic == topic and one.version <= upto]
        of_this_log = [one for one in kept if one.version <= len(stream) and stream[one.version - 1].hash == one.hash]
        return max(of_this_log, key=lambda one: one.version, default=None)

    def _newest_events(self, given: Parameters) -> Rows:
        ends = [(name, stream[-1]) for name in given["accounts"] if (stream := self.streams.get(name))]
        return [Newest(name, end.version, end.position, end.hash) for name, end in ends]

    def _related_events(self, given: Parameters) -> Rows:
        found: Rows = []
        for account, subject, version in zip(given["accounts"], given["subjects"], given["versions"], strict=True):
            for row in self.streams.get(account, ()):
                times = (row.version == version) + (row.subject is not None and row.subject == subject)
                times += subject.startswith("lps_") and row.version > version and _lapses(row, version)
                found += [About(account, *self._chained(row))] * times
        return sorted(found, key=lambda row: (row.account, row.version))

    def _payments_of_others(self, given: Parameters) -> Rows:
        found: Rows = []
        for name in zip(given["accounts"], given["providers"], given["subjects"], strict=True):
            account, provider, subject = name
            others = [
                row.account
                for row in self.log
                if row.topic == "PaymentRecorded" and row.subject == subject and row.account != account
                if orjson.loads(row.state)["data"].get("provider") == provider
            ]
            found += [Claimed(*name, other) for other in others[:1]]
        return found

    def _receipts(self, given: Parameters) -> Rows:
        found: Rows = []
        for account, receipt in zip(given["accounts"], given["receipts"], strict=True):
            last = self.receipts.get((account, receipt))
            if last is not None:
                assert last.command_events is not None
                text_key = self.text_keys.get(last.account)
                for row in self.streams[last.account][last.version - last.command_events : last.version]:
                    found.append(Receipt(account, receipt, *self._chained(row), text_key))
        return sorted(found, key=lambda row: (row.account, row.used, row.version))

    def _save_snapshots(self, given: Parameters) -> Rows:
        columns = (given[name] for name in ("accounts", "versions", "topics", "states", "hashes"))
        for account, version, topic, state, hash_ in zip(*columns, strict=True):
            stream = self.streams.get(account, ())
            event = stream[version - 1] if 0 < version <= len(stream) else None
            if event is not None and event.hash == hash_ and digest_in(event.state) == state_digest(state):
                self.snapshots.setdefault(account, {})[version] = Snapshot(version, topic, state, hash_)
        return []


def _alone(row: Stored) -> Columns:
    """An event, without the hash before it."""
    return Columns(row.position, *row[2:], None)


def _nothing(_: Parameters) -> Rows:
    return []


class _Given(NamedTuple):
    """A row of the parameters of `append`."""

    account: str
    version: int
    topic: str | None
    state: bytes | None
    subject: str | None
    receipt: str | None
    fingerprint: bytes | None
    command_events: int | None
    previous: bytes | None
    hash: bytes | None


COLUMNS = (
    "accounts",
    "versions",
    "topics",
    "states",
    "subjects",
    "receipts",
    "fingerprints",
    "counts",
    "previouses",
    "hashes",
)
"""The parameters of `append` that have a value for each row."""

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
