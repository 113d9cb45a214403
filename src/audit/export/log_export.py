"""Exports the log into a file of JSON Lines. It can be stopped at any moment; the next run continues at the end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from audit.export.files import is_regular, sync, whole_file
from audit.export.json_lines import BadLine, FileEnd, find_end
from audit.export.sources import PAGE, Source
from ledger.proof.lines import to_line
from ledger.store import Record


class CannotContinue(Exception):
    """The export cannot continue the existing file. The message says why, and what to do."""


class Exported(NamedTuple):
    """What one run has written."""

    after: int
    upto: int
    """The position of the last event in the file."""
    events: int


async def export_log(source: Source, path: Path, after: int | None) -> Exported:
    """Write the log to a file, after a position or after the end of the file. Raises CannotContinue and OSError."""
    if not is_regular(path):
        with whole_file(path) as file:
            return await _write(source, file, await _begin(source, after or 0))
    with _opened(path) as file:
        begin = await _resume(source, file, after)
        try:
            return await _write(source, file, begin)
        finally:
            sync(file)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading and appending, for one export at a time. Raises CannotContinue."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotContinue("another export is writing to it") from error
        yield file


async def _resume(source: Source, file: BinaryIO, after: int | None) -> int:
    """The position after which the file continues. An incomplete line at its end is cut off."""
    try:
        end = find_end(file)
    except BadLine as problem:
        raise CannotContinue(f"it is not an exported log: {problem}") from problem
    begin = await _begin(source, after or 0) if end.last is None else await _after_end(source, end, after)
    file.truncate(end.size)
    file.seek(end.size)
    return begin


async def _begin(source: Source, after: int) -> int:
    if after > source.upto:
        raise CannotContinue(f"the log ends at position {source.upto}: there is no event after {after}")
    return after


async def _after_end(source: Source, end: FileEnd, after: int | None) -> int:
    """The last position in the file, if it is a file of this ledger that begins after `after`."""
    assert end.first is not None
    assert end.last is not None
    if after is not None and end.first.position != after + 1:
        raise CannotContinue(f"it begins at position {end.first.position}, not after {after}: choose another file")
    position = end.last.position
    if position > source.upto:
        raise CannotContinue(
            f"it ends at position {position}, and the log ends before, at {source.upto}: is the database older?"
        )
    if await _stored(source, position) != end.last:
        raise CannotContinue(
            f"its event at position {position} is not the one in the log: the file is of another ledger"
        )
    return position


async def _stored(source: Source, position: int) -> Record | None:
    return next(iter(await source.feed.records(position - 1, position, 1)), None)


async def _write(source: Source, file: BinaryIO, begin: int) -> Exported:
    source.progress.begin("exporting", source.upto - begin, "events")
    after = begin
    while after < source.upto:
        records = await source.feed.records(after, source.upto, PAGE)
        if not records or records[-1].position != after + len(records):
            raise CannotContinue(f"an event is missing in the log after position {after}: see `credit-ledger verify`")
        file.write(b"".join(map(_line, records)))
        after = records[-1].position
        source.progress.reach(after - begin)
    return Exported(begin, after, after - begin)


def _line(record: Record) -> bytes:
    try:
        return to_line(record)
    except ValueError as problem:  # its state is not UTF-8
        raise CannotContinue(f"the event at position {record.position} is damaged: {problem}") from problem
