"""A large log, made at once: the same history for many accounts, chained and proven as the ledger chains and proves it.

The events of one account are decided by the ledger's own rules. Those of the others differ in the account's id, and so
in every hash and in the digests of states. They go in by COPY, round by round: the first command of every account, then
the second. So the events of an account are far apart, as in a log that was written over months. `credit-ledger verify`
says whether it is right.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
from psycopg import sql

from benchmarks.accounts import AMPLE, name
from benchmarks.progress import say
from ledger.commit.batch import OpenBatch
from ledger.commit.fast_decision import decide_on_head
from ledger.commit.submission import AccountQueue, Submission
from ledger.domain.commands import Command, DeductCredits, GrantCredits, OpenAccount
from ledger.domain.usage import Usage
from ledger.store.batch import Row
from ledger.store.records.chain import GENESIS, link
from ledger.store.records.codec import SNAPSHOT_TOPIC, Metadata
from ledger.store.records.receipts import fingerprint
from ledger.store.snapshots import Snapshot, state_digest

EVENTS = 16
"""Of each account, from three commands on: it is opened with credits, gets a grant, and deducts."""
DEDUCTIONS = EVENTS - 3
_FIRST = name(0)
_STEP = timedelta(hours=1)
_TELL_EVERY = 1_000_000


class _Table(NamedTuple):
    """A table of the ledger, and its columns with their types."""

    name: str
    columns: dict[str, str]


_ACCOUNT = {"originator_id": "text", "originator_version": "int8", "topic": "text", "state": "bytea"}
_RECEIPT = {"subject": "text", "receipt": "text", "fingerprint": "bytea", "command_events": "int4"}
_EVENTS = _Table("events", {**_ACCOUNT, **_RECEIPT, "hash": "bytea", "notification_id": "int8"})
_SNAPSHOTS = _Table("snapshots", {**_ACCOUNT, "hash": "bytea"})


class _Template(NamedTuple):
    """A row of the first account, and the snapshot after it if its bytes have a digest."""

    row: Row
    snapshot: Snapshot | None
    names_account: bool

    def for_account(self, account_id: str) -> tuple[bytes, bytes | None]:
        """The state bytes of another account's event, and the state of that account if they have its digest."""
        assert self.row.state is not None
        state = self.row.state
        if self.names_account:
            state = _renamed(state, account_id)
        if self.snapshot is None:
            return state, None
        kept = _renamed(self.snapshot.state, account_id)
        return state.replace(state_digest(self.snapshot.state).encode(), state_digest(kept).encode()), kept


def _renamed(state: bytes, account_id: str) -> bytes:
    return state.replace(f'"{_FIRST}"'.encode(), f'"{account_id}"'.encode())


def make_log(conninfo: str, accounts: int, usages: Sequence[Usage] = ()) -> None:
    """Fill an empty log with EVENTS events of each of so many accounts, and keep the newest snapshot of each.

    The deductions of an account say these usages in turns.
    """
    hashes, proven_hashes = [GENESIS] * accounts, list[bytes]()
    position = 0
    proven: _Template | None = None
    with psycopg.connect(conninfo) as connection:
        for template in _templates(usages):
            with _copying(connection, _EVENTS) as copy:
                for row in _round(template, hashes):
                    position += 1
                    copy.write_row((*row, position))
                    if not position % _TELL_EVERY:
                        say(f"  {position:,} events")
            if template.snapshot is not None:
                proven, proven_hashes = template, list(hashes)
        assert proven is not None
        with _copying(connection, _SNAPSHOTS) as copy:
            for number, hash_ in enumerate(proven_hashes):
                _, state = proven.for_account(account_id := name(number))
                copy.write_row((account_id, proven.row.version, SNAPSHOT_TOPIC, state, hash_))


@contextmanager
def _copying(connection: psycopg.Connection, table: _Table) -> Iterator[psycopg.Copy]:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    statement = sql.SQL("COPY ledger.{} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table.name), columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(table.columns.values()))
        yield copy


def _templates(usages: Sequence[Usage]) -> list[_Template]:
    begins = datetime.now(UTC) - EVENTS * _STEP
    queue = AccountQueue(_FIRST, None)
    found = []
    for number, command in enumerate(_commands(usages)):
        submission = _submission(number, command)
        decide_on_head(queue, submission, begins + number * _STEP)
        batch = OpenBatch()
        queue.head = batch.add(submission, queue.head)
        for row in batch.rows:
            last = row is batch.rows[-1]
            named = row.state is not None and f'"{_FIRST}"'.encode() in row.state
            found.append(_Template(row, submission.snapshot if last else None, named))
    assert len(found) == EVENTS, f"{len(found)} events"
    return found


def _commands(usages: Sequence[Usage]) -> Iterator[Command]:
    yield OpenAccount(_FIRST, signup_credits=AMPLE)
    yield GrantCredits(_FIRST, "subscription", AMPLE, lifetime=timedelta(days=30), transaction_id="first")
    for number in range(DEDUCTIONS):
        usage = usages[number % len(usages)] if usages else None
        yield DeductCredits(_FIRST, 1, task_id=f"past-{number:06d}", usage=usage)


def _submission(number: int, command: Command) -> Submission:
    operation = {OpenAccount: "open", GrantCredits: "grant", DeductCredits: "deduct"}[type(command)]
    metadata = Metadata("key:benchmark", operation, f"bulk-{number:06d}", f"{number:022d}")
    return Submission(command, metadata, fingerprint([number]))


def _round(template: _Template, hashes: list[bytes]) -> Iterator[tuple[object, ...]]:
    """One event of every account. `hashes` are those of the newest events, by account, and are brought up to date."""
    _, version, topic, _, subject, receipt, used, events, *_ = template.row
    assert topic is not None
    for number, before in enumerate(hashes):
        account_id = name(number)
        state, _ = template.for_account(account_id)
        key = receipt.replace(_FIRST, account_id) if receipt is not None else None  # an opening's is the account's id
        hashes[number] = hash_ = link(before, account_id, version, topic, state, subject, key, used, events)
        yield account_id, version, topic, state, subject, key, used, events, hash_
