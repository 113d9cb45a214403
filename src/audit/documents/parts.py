"""The parts of a period that is too long for one document: whole days together, as many as fit."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from audit.statements.form import Period
from ledger.store import EventLog, Reader

DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


async def parts_of(log: EventLog, account_id: str, begin: datetime, end: datetime, most: int) -> list[Period]:
    """The time from `begin` on and before `end`, in parts of whole days with at most `most` events of an account.

    A day that has more is a part of its own. Raises psycopg.Error.
    """
    bounds = [begin + DAY * number for number in range(-(-(end - begin) // DAY))] + [end]
    async with log.reader() as reader:
        versions = [await _version_before(reader, account_id, bound) for bound in bounds]
    counts = [after - before for before, after in pairwise(versions)]
    return [Period(bounds[first], bounds[behind]) for first, behind in packed(counts, most)]


def packed(counts: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Runs of some counts, each the first place and the one behind the last, of at most `most` together if they can."""
    first, together = 0, 0
    for place, count in enumerate(counts):
        if together and together + count > most:
            yield first, place
            first, together = place, 0
        together += count
    yield first, len(counts)


async def _version_before(reader: Reader, account_id: str, bound: datetime) -> int:
    newest = await reader.newest_event_at(account_id, bound - _INSTANT)
    return newest.version if newest is not None else 0
