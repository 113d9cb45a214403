"""The parts of a period that is too long for one document: whole days together, as many as fit, and pieces of a day
that has too many events itself.

Pieces are cut by counting events from the beginning of the period, so a piece that is full never changes when events
follow. Events of one moment are never parted.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from audit.statements.form import Period
from ledger.store import EventLog, Reader, decode_event

DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


class Part(NamedTuple):
    """Some whole days, or the `piece`-th piece of one day, counted from 1; None: all of it."""

    days: Period
    piece: int | None = None


async def parts_of(log: EventLog, account_id: str, begin: datetime, end: datetime, most: int) -> list[Part]:
    """The time from `begin` on and before `end`, in parts with at most `most` events of an account.

    Only more events of one moment are a part that is too long. Raises psycopg.Error.
    """
    bounds = [begin + DAY * number for number in range(-(-(end - begin) // DAY))] + [end]
    async with log.reader() as reader:
        versions = [await _version_before(reader, account_id, bound) for bound in bounds]
        counts = [after - before for before, after in pairwise(versions)]
        found: list[Part] = []
        for first, behind in packed(counts, most):
            days = Period(bounds[first], bounds[behind])
            pieces = 1 + len(await _cuts(reader, account_id, bounds[first], bounds[behind], most))
            found += [Part(days)] if pieces == 1 else [Part(days, number) for number in range(1, pieces + 1)]
    return found


async def piece_of(
    log: EventLog, account_id: str, begin: datetime, end: datetime, most: int, number: int
) -> Period | None:
    """The `number`-th piece of a time, counted from 1; None if it has fewer pieces. Raises psycopg.Error."""
    async with log.reader() as reader:
        cuts = await _cuts(reader, account_id, begin, end, most)
    pieces = [Period(*piece) for piece in pairwise([begin, *cuts, end])]
    return pieces[number - 1] if number <= len(pieces) else None


def packed(counts: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Runs of some counts, each the first place and the one behind the last, of at most `most` together if they can."""
    first, together = 0, 0
    for place, count in enumerate(counts):
        if together and together + count > most:
            yield first, place
            first, together = place, 0
        together += count
    yield first, len(counts)


async def _cuts(reader: Reader, account_id: str, begin: datetime, end: datetime, most: int) -> list[datetime]:
    """The moments at which a time is cut, so that each piece has at most `most` events: before the first one that has
    no room, or after it if all before it are of the same moment."""
    reached, last = [await _version_before(reader, account_id, bound) for bound in (begin, end)]
    cuts: list[datetime] = []
    while reached + most < last:
        cut = await _time_of(reader, account_id, reached + most + 1)
        behind = await _version_before(reader, account_id, cut)
        if behind == reached:
            cut += _INSTANT
            behind = await _version_before(reader, account_id, cut)
        if behind < last:
            cuts.append(cut)
        reached = behind
    return cuts


async def _version_before(reader: Reader, account_id: str, bound: datetime) -> int:
    newest = await reader.newest_event_at(account_id, bound - _INSTANT)
    return newest.version if newest is not None else 0


async def _time_of(reader: Reader, account_id: str, version: int) -> datetime:
    [record] = await reader.records_of(account_id, version - 1, 1)
    return decode_event(record.topic, record.state).recorded_at
