"""Queries to the statistics: totals of spans of time, and outstanding credits."""

from collections.abc import Sequence
from datetime import datetime

from projections.models.statistics.projection import STATISTICS
from projections.models.views import Snapshot


async def per_span(moment: Snapshot, starts: Sequence[datetime]) -> dict[int, dict[str, int]]:
    """The sums of each span in which something happened, by its index. `starts` also has the end of the last span."""
    statement = STATISTICS.statements["days"]
    rows = await moment.rows(statement, starts=list(starts), first=starts[0], last=starts[-1])
    return {row.pop("place") - 1: {name: int(value) for name, value in row.items()} for row in rows}


async def outstanding(moment: Snapshot, at: datetime) -> dict[str, int]:
    """The outstanding credits by kind at a moment, before anything that happened at that moment."""
    row = await moment.row(STATISTICS.statements["outstanding"], first=at)
    return {name: int(value) for name, value in (row or {}).items()}
