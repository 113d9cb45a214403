"""Imports an exported log into an empty ledger: the same events, with the same positions and hashes.

The import checks the position, the version and the hash of every line before it writes the line. The append function
writes a page in one transaction. So after a stop the ledger has the beginning of the file, and the next run continues.
"""

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import psycopg

from audit.export.json_lines import BadLine, Line, lines_of
from audit.export.text_keys import keys_in
from ledger.progress import Progress
from ledger.store import GENESIS, End, EventLog, Record, Row, Writer, decode_event

PAGE = 2_000
"""The events of one transaction."""
_NO_EVENT = End(0, GENESIS)


class LedgerMismatch(Exception):
    """The events or keys of the ledger are not those of the file. The message says where they differ."""


class Imported(NamedTuple):
    """The result of one run."""

    position: int
    """The position of the last event in the log."""
    events: int
    """The number of events that this run has written."""
    keys: int
    """The number of keys that this run has written."""


async def import_log(log: EventLog, path: Path, keys: Path | None, progress: Progress) -> Imported:
    """Write the events and keys that the ledger does not have. Raises BadLine, LedgerMismatch and OSError."""
    async with _writing(log) as writer:
        there = await writer.last_position()
        position = await _import_events(writer, path, there, progress)
        if position < there:
            raise LedgerMismatch(f"the ledger has {there} events and the file {position}: they are different logs")
        new_keys = 0 if keys is None else await _import_keys(writer, keys)
        return Imported(position, position - there, new_keys)


@asynccontextmanager
async def _writing(log: EventLog) -> AsyncIterator[Writer]:
    writer, _ = await log.connect_writer(None)
    try:
        yield writer
    finally:
        await writer.close()


async def _import_events(writer: Writer, path: Path, there: int, progress: Progress) -> int:
    """Compare or write every event of the file. Returns the position of its last event."""
    position = 0
    with path.open("rb") as file:
        progress.begin("importing", file.seek(0, os.SEEK_END), "bytes")
        for page in _pages(lines_of(file)):
            _check_positions(page, position)
            await _compare(writer, [line for line in page if line.record.position <= there])
            await _append(writer, [line for line in page if line.record.position > there])
            position += len(page)
            progress.reach(page[-1].end)
    return position


def _pages(lines: Iterator[Line]) -> Iterator[Sequence[Line]]:
    while page := list(islice(lines, PAGE)):
        yield page


def _check_positions(page: Sequence[Line], before: int) -> None:
    for expected, line in enumerate(page, before + 1):
        if line.record.position != expected:
            raise BadLine(line.number, f"its position is {line.record.position} and must be {expected}")


async def _compare(writer: Writer, page: Sequence[Line]) -> None:
    """Check that the ledger has the events of the page, equal in every column."""
    if not page:
        return
    stored = await writer.records(page[0].record.position - 1, page[-1].record.position, len(page))
    for line, record in zip(page, stored, strict=True):
        if line.record != record:
            raise LedgerMismatch(
                f"line {line.number} is not the event that the ledger has at position {record.position}"
            )


async def _append(writer: Writer, page: Sequence[Line]) -> None:
    if not page:
        return
    async with writer.exclusively():
        if await writer.last_position() != page[0].record.position - 1:
            raise LedgerMismatch(
                "another process writes to the ledger: stop the service and run the same command again"
            )
        rows = chained(page, await writer.ends({line.record.account_id for line in page}))
        try:
            appended = await writer.append(rows, {})
        except (psycopg.DataError, psycopg.IntegrityError) as problem:
            raise BadLine(f"{page[0].number} to {page[-1].number}", str(problem).strip()) from problem
        if appended.used:
            line = page[min(appended.used)]
            raise BadLine(line.number, f"its receipt {line.record.receipt} is that of an event before it")
        assert not appended.stale


def chained(page: Iterable[Line], ends: dict[str, End]) -> list[Row]:
    """The rows of some lines, each chained to the last event of its account. It updates `ends`, which has these events.

    Raises BadLine for the first line that does not follow.
    """
    rows, begun = [], set[str]()
    for number, record, _ in page:
        account_id = record.account_id
        end = ends.get(account_id, _NO_EVENT)
        _check(number, record, end)
        previous = None if account_id in begun else end.hash
        begun.add(account_id)
        ends[account_id] = End(record.version, record.hash)
        rows.append(Row(*record[1:9], previous, record.hash))
    return rows


def _check(number: int, record: Record, end: End) -> None:
    if record.version != end.version + 1:
        raise BadLine(number, f"its version is {record.version} and must be {end.version + 1}")
    if record.hash != record.link(end.hash):
        raise BadLine(number, "its hash does not follow from its content and the event before it")
    if len({record.receipt is None, record.fingerprint is None, record.command_events is None}) > 1:
        raise BadLine(number, "it has only a part of a receipt")
    try:
        decode_event(record.topic, record.state)
    except Exception as problem:  # a damaged event may fail in any way
        raise BadLine(number, f"it is no event: {type(problem).__name__}: {problem}") from problem


async def _import_keys(writer: Writer, path: Path) -> int:
    """Write the missing keys of accounts that the ledger has. A key that it has already must be equal.

    The keys come after the events, because an erasure among the events destroys the key of its account.
    """
    count = 0
    keys = keys_in(path)
    while page := dict(islice(keys, PAGE)):
        async with writer.exclusively():
            for account_id, key in (await writer.text_keys(page)).items():
                if page.pop(account_id) != key:
                    raise LedgerMismatch(f"{path}: account {account_id} has another key in the ledger")
            known = {account_id: page[account_id] for account_id in await writer.ends(page)}
            await writer.append([], known)
        count += len(known)
    return count
