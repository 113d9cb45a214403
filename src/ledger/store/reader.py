"""Queries to the log over one connection. Each query is one statement of sql/queries.sql."""

import logging
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import BaseRowFactory, RowMaker, namedtuple_row

from ledger.domain.account import Account
from ledger.domain.events import Event, Events
from ledger.postgres.named_sql import queries
from ledger.slices import Slices
from ledger.store.loading import Loaded, fold_rows, known_accounts
from ledger.store.records.chain import GENESIS, Record, UnreadableEvent, check_link
from ledger.store.records.codec import SNAPSHOT_TOPIC, Metadata, decode
from ledger.store.records.sealing import unmasked
from ledger.store.snapshots import NO_SNAPSHOT
from ledger.store.standbys import waits_cut_short
from ledger.store.stream_heads import StreamHead, account_of, version_of

Connection = AsyncConnection[Any]
SQL = queries("ledger.store")
PAGE = 1_000
"""The largest number of events that one query loads for one account."""
_ACCOUNTS = 64
"""The largest number of accounts that one query loads."""
_KEYS = 500
"""The largest number of receipts, or of subjects, that one query looks up."""
_log = logging.getLogger("credit_ledger.log")


class NewestEvent(NamedTuple):
    """The newest event of an account: its version, its position, and its hash, which identifies the whole stream."""

    version: int
    position: int
    hash: bytes


class End(NamedTuple):
    """The version and the hash of an account's last event, to which the next one is chained."""

    version: int
    hash: bytes


class Executed(NamedTuple):
    """A command in the log: its events, the version and position of the last one, and its metadata."""

    account_id: str
    version: int
    position: int
    events: Events
    metadata: Metadata
    fingerprint: bytes | None
    """None when it was erased together with the texts of its account."""


class Payment(NamedTuple):
    """A payment of a provider in an account, by its subject (see payment_subject)."""

    account_id: str
    provider: str
    subject: str


class StoredRow(NamedTuple):
    """One event row as stored."""

    position: int
    account_id: str
    version: int
    topic: str
    state: bytes


Positioned = TypeVar("Positioned", StoredRow, Record)
Made = TypeVar("Made")


class Reader:
    """Queries over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _rows(self, name: str, **parameters: Any) -> list[Any]:
        return await self._made(namedtuple_row, name, **parameters)

    async def _records(self, name: str, **parameters: Any) -> list[Record]:
        return await self._made(_record_row, name, **parameters)

    async def _made(self, row_factory: BaseRowFactory[Made], name: str, **parameters: Any) -> list[Made]:
        async with self._connection.cursor(binary=True, row_factory=row_factory) as cursor:
            await cursor.execute(SQL[name], parameters, prepare=True)
            return await cursor.fetchall()

    async def load(self, known: Mapping[str, StreamHead | None]) -> dict[str, Loaded]:
        """The current heads of accounts, loaded from the `known` head of each (None: from a snapshot and the events).

        A known head that the log no longer has, because a failover removed it, is ignored. An account with an event
        that cannot be read is loaded up to there, and has a `problem`.
        """
        found = {name: Loaded(head) for name, head in known.items()}
        behind = deque(known)
        while behind:
            some = [behind.popleft() for _ in range(min(_ACCOUNTS, len(behind)))]
            pages = await self.load_page({name: found[name].head for name in some})
            found |= {name: found[name].after(page) for name, page in pages.items()}
            behind += [name for name, page in pages.items() if page.behind]
        return found

    async def load_page(self, known: Mapping[str, StreamHead | None]) -> dict[str, Loaded]:
        """Like `load`, but with at most PAGE events of each account. Other tasks run while it folds them."""
        rows = await self._rows("load", **known_accounts(known), snapshot=SNAPSHOT_TOPIC, limit=PAGE)
        loaded, doubted = await fold_rows(rows, known, PAGE)
        if doubted:
            anew = dict.fromkeys(doubted)
            rows = await self._rows("load", **known_accounts(anew), snapshot=NO_SNAPSHOT, limit=PAGE)
            loaded |= (await fold_rows(rows, anew, PAGE)).loaded
        return loaded

    async def load_at(self, account_id: str, version: int) -> Account | None:
        """The account as it was after event `version`; None when there is no such account. Raises UnreadableEvent."""
        head: StreamHead | None = None
        snapshot = SNAPSHOT_TOPIC
        while (at := version_of(head)) < version:
            rows = await self._rows(
                "load_at", account=account_id, after=at, upto=version, snapshot=snapshot, limit=PAGE
            )
            loaded, doubted = await fold_rows(rows, {account_id: head}, PAGE)
            if doubted:
                snapshot = NO_SNAPSHOT
            elif problem := loaded[account_id].problem:
                raise problem
            elif not rows:
                break
            else:
                head = loaded[account_id].head
        return account_of(head)

    async def newest_events(self, accounts: Sequence[str]) -> dict[str, NewestEvent]:
        """The newest events of some accounts; those that do not exist are left out."""
        rows = await self._rows("newest_events", accounts=list(accounts))
        return {row.account: NewestEvent(row.version, row.position, row.hash) for row in rows}

    async def newest_event(self, account_id: str) -> NewestEvent | None:
        """The newest event of an account; None when there is no such account."""
        return (await self.newest_events([account_id])).get(account_id)

    async def newest_event_at(self, account_id: str, at: datetime) -> NewestEvent | None:
        """The newest event recorded at or before a moment, found by bisection: a stream is sorted by time."""
        newest = await self.newest_event(account_id)
        low, high = 0, newest.version if newest else 0
        found = None
        while low < high:
            middle = (low + high + 1) // 2
            row = (await self._rows("event", account=account_id, version=middle))[0]
            if decode(row.topic, bytes(row.state))[0].recorded_at <= at:
                low, found = middle, NewestEvent(middle, row.position, bytes(row.hash))
            else:
                high = middle - 1
        return found

    async def version_at(self, account_id: str, position: int) -> int | None:
        """The newest version at or below a position; 0 before the first, and None when there is no such account."""
        rows = await self._rows("version_at", account=account_id, position=position)
        return int(rows[0].version) if rows else None

    async def related_events(self, wanted: Mapping[str, Iterable[str]]) -> dict[str, dict[int, Event]]:
        """For each account, by version, the events that made one of the wanted subjects or are about one of them.

        Raises UnreadableEvent.
        """
        pairs = [(account, subject) for account, subjects in wanted.items() for subject in subjects]
        found: dict[str, dict[int, Event]] = {account: {} for account in wanted}
        work = Slices()
        for start in range(0, len(pairs), _KEYS):
            some = pairs[start : start + _KEYS]
            rows = await self._rows(
                "related_events",
                accounts=[account for account, _ in some],
                subjects=[subject for _, subject in some],
                versions=[_version_named(subject) for _, subject in some],
            )
            for row in rows:
                found[row.account][row.version] = _chained(row)[0]
                if work.over:
                    await work.pause()
        return found

    async def payments_of_others(self, payments: Collection[Payment]) -> dict[Payment, str]:
        """Of some payments those that another account has recorded, with that account."""
        found: dict[Payment, str] = {}
        once = list(dict.fromkeys(payments))
        for start in range(0, len(once), _KEYS):
            accounts, providers, subjects = zip(*once[start : start + _KEYS], strict=True)
            rows = await self._rows(
                "payments_of_others", accounts=list(accounts), providers=list(providers), subjects=list(subjects)
            )
            found |= {Payment(row.account, row.provider, row.subject): row.other for row in rows}
        return found

    async def related_rows(self, account_id: str, subjects: Sequence[str], upto: int) -> list[StoredRow]:
        """The rows of one account, up to version `upto`, that made one of `subjects` or are about one of them."""
        versions = [_version_named(subject) for subject in subjects]
        rows = await self._rows("related_rows", account=account_id, subjects=subjects, versions=versions, upto=upto)
        return [StoredRow(*row) for row in rows]

    async def executed(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Executed]:
        """The commands that used some (account, receipt) keys; a key that was never used is absent.

        It waits until no failover can remove the commands that it found. Raises UnreadableEvent.
        """
        once = list(dict.fromkeys(keys))
        found: dict[tuple[str, str], Executed] = {}
        for start in range(0, len(once), _KEYS):
            some = once[start : start + _KEYS]
            rows = await self._rows("receipts", accounts=[a for a, _ in some], receipts=[r for _, r in some])
            found |= await _commands_in(rows)
        if found:
            await self.confirm()
        return found

    async def confirm(self) -> None:
        """Wait until the synchronous standbys, if there are any, have all that was read here (standbys.py)."""
        while True:
            with waits_cut_short(self._connection) as cut_short:
                await self._connection.execute(SQL["confirm"], prepare=True)
            if not cut_short:
                return
            _log.warning("%s: waiting again", cut_short[0])

    async def stream(self, account_id: str, after: int, limit: int) -> list[StoredRow]:
        """A page of an account's events as stored."""
        return [StoredRow(*row) for row in await self._rows("stream", account=account_id, after=after, limit=limit)]

    async def streams(self, known: Mapping[str, int], upto: int, limit: int) -> list[StoredRow]:
        """The next events of some accounts, each above its `known` version: at most `limit` of each account."""
        accounts, versions = list(known), list(known.values())
        rows = await self._rows("streams", accounts=accounts, versions=versions, upto=upto, limit=limit)
        return [StoredRow(*row) for row in rows]

    async def log(self, after: int, limit: int, types: Sequence[str] | None, upto: int = 2**62) -> list[StoredRow]:
        """A page of the whole log as stored, of some types or (None) of all."""
        names = list(types) if types else None
        rows = await self._rows("log", after=after, upto=upto, limit=limit, types=names)
        return [StoredRow(*row) for row in rows]

    async def accounts(self, after: str, limit: int) -> list[str]:
        """A page of account ids above `after`, sorted; an empty `after` gives the first page."""
        return [row.id for row in await self._rows("accounts", after=after, limit=limit)]

    async def records(self, after: int, upto: int, limit: int) -> list[Record]:
        """A page of the whole log with all columns."""
        return await self._records("records", after=after, upto=upto, limit=limit)

    async def records_of(self, account_id: str, after: int, limit: int) -> list[Record]:
        """A page of an account's events with all columns."""
        return await self._records("records_of", account=account_id, after=after, limit=limit)

    async def records_about(
        self, account_id: str, versions: Collection[int], subject: str
    ) -> list[tuple[Record, bytes]]:
        """Some events of an account and those about a subject, all columns, sorted, with the hashes before them."""
        rows = await self._rows("records_about", account=account_id, versions=sorted(versions), subject=subject)
        return [(Record._make(row[:-1]), row.previous or GENESIS) for row in rows]

    async def text_keys(self, accounts: Collection[str]) -> dict[str, bytes]:
        """The text keys of some accounts; an account without a key, or whose key was destroyed, is absent."""
        return {row.account: row.key for row in await self._rows("text_keys", accounts=list(accounts))}

    async def all_text_keys(self, after: str, limit: int) -> dict[str, bytes]:
        """A page of all text keys: those of accounts above `after`, sorted by account id."""
        return {row.account: row.key for row in await self._rows("all_text_keys", after=after, limit=limit)}

    async def ends(self, accounts: Collection[str]) -> dict[str, End]:
        """The ends of the streams of some accounts; an account without events is absent."""
        rows = await self._rows("ends", accounts=list(accounts))
        return {row.account: End(row.version, bytes(row.hash)) for row in rows}

    async def hashes_of(self, places: Collection[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
        """The hashes of some events, by account and version; an event that does not exist is absent."""
        if not places:
            return {}
        accounts, versions = zip(*places, strict=True)
        rows = await self._rows("hashes_of", accounts=list(accounts), versions=list(versions))
        return {(row.account, row.version): row.hash for row in rows}

    async def last_position(self) -> int:
        """The position of the last event; 0 when the log is empty."""
        return int((await self._rows("last_position"))[0].position)


def _record_row(_: Any) -> RowMaker[Record]:
    return Record._make


def _chained(row: Any) -> tuple[Event, Metadata]:
    """The event and the metadata of a row that has the hash before it (`previous`). Raises UnreadableEvent."""
    try:
        check_link(row.account, row, row.previous or GENESIS, row.version)
        return decode(row.topic, row.state)
    except Exception as problem:  # damaged bytes may fail in any way
        raise UnreadableEvent(row.position, row.account, problem) from problem


async def _commands_in(rows: Iterable[Any]) -> dict[tuple[str, str], Executed]:
    """The commands that rows of receipts show, by account and receipt."""
    found: dict[tuple[str, str], Executed] = {}
    events: dict[tuple[str, str], list[Event]] = {}
    work = Slices()
    for row in rows:
        key = (row.account, row.used)
        event, metadata = _chained(row)
        events.setdefault(key, []).append(event)
        fingerprint = unmasked(row.fingerprint, row.key, row.receipt) if row.receipt is not None else None
        found[key] = Executed(row.account, row.version, row.position, (), metadata, fingerprint)
        if work.over:
            await work.pause()
    return {key: executed._replace(events=tuple(events[key])) for key, executed in found.items()}


def _version_named(subject: str) -> int:
    """The version in an id of the ledger, such as grt_7, or in the subject of a grant's lapses; 0 for any other text,
    because no event has version 0."""
    prefix, _, digits = subject.partition("_")
    if prefix in {"grt", "ded", "hld", "trf", "lps"} and digits.isascii() and digits.isdecimal() and len(digits) < 19:
        return int(digits)
    return 0
