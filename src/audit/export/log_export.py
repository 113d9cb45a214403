"""The log into a file of JSON Lines, which can be stopped at any moment and goes on from there the next time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from audit.export.files import is_plain, sync, whole_file
from audit.export.json_lines import BadLine, Ending, ending_of
from audit.export.sources import PAGE, Source
from ledger.proof.lines import to_line
from ledger.store import Record


class CannotContinue(Exception):
    """A file is there and the export does not follow from it; the message says why, and what to do."""


class Exported(NamedTuple):
    """What one run wrote."""

    after: int
    upto: int
    """The position of the last event in the file now."""
    events: int


async def export_log(source: Source, path: Path, after: int | None) -> Exported:
    """Write the log to a file: above a position, or from where the file ends. Raises CannotContinue and OSError."""
    if not is_plain(path):
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
    """The file to read its end and to go on behind it; one at a time."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotContinue("another export is writing to it") from error
        yield file


async def _resume(source: Source, file: BinaryIO, after: int | None) -> int:
    """The position behind which the file goes on; what is not a complete line is cut off."""
    try:
        ending = ending_of(file)
    except BadLine as problem:
        raise CannotContinue(f"it is no export of a log: {problem}") from problem
    begin = await _begin(source, after or 0) if ending.last is None else await _behind(source, ending, after)
    file.truncate(ending.size)
    file.seek(ending.size)
    return begin


async def _begin(source: Source, after: int) -> int:
    if after > source.upto:
        raise CannotContinue(f"the log ends at position {source.upto}: there is nothing after {after}")
    return after


async def _behind(source: Source, ending: Ending, after: int | None) -> int:
    """Where the file ends, if it is of this ledger and begins where it is meant to."""
    assert ending.first is not None
    assert ending.last is not None
    if after is not None and ending.first.position != after + 1:
        raise CannotContinue(
            f"it begins at position {ending.first.position}, and not after {after}: choose another file"
        )
    position = ending.last.position
    if position > source.upto:
        raise CannotContinue(
            f"it ends at position {position}, and the log already at {source.upto}: an older database?"
        )
    if await _stored(source, position) != ending.last:
        raise CannotContinue(f"its event at position {position} is not the one in the log: it is of another ledger")
    return position


async def _stored(source: Source, position: int) -> Record | None:
    return next(iter(await source.feed.records(position - 1, position, 1)), None)


async def _write(source: Source, file: BinaryIO, begin: int) -> Exported:
    source.progress.begin("exporting", source.upto - begin, "events")
    after = begin
    while after < source.upto:
        records = await source.feed.records(after, source.upto, PAGE)
        if not records or records[-1].position != after + len(records):
            raise CannotContinue(f"an event is missing in the log behind position {after}: see `credit-ledger verify`")
        file.write(b"".join(map(_line, records)))
        after = records[-1].position
        source.progress.reach(after - begin)
    return Exported(begin, after, after - begin)


def _line(record: Record) -> bytes:
    try:
        return to_line(record)
    except ValueError as problem:  # its state is no text
        raise CannotContinue(f"the event at position {record.position} is damaged: {problem}") from problem
