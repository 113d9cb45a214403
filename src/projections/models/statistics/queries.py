"""What can be asked of the statistics: totals of spans, and what is outstanding."""

from collections.abc import Sequence
from datetime import datetime

from projections.models.statistics.projection import STATISTICS
from projections.models.views import Snapshot


async def per_span(moment: Snapshot, starts: Sequence[datetime]) -> dict[int, dict[str, int]]:
    """The sums of each span of time in which something happened, from 0. `starts` has the end of the last one too."""
    statement = STATISTICS.statements["days"]
    rows = await moment.rows(statement, starts=list(starts), first=starts[0], last=starts[-1])
    return {row.pop("place") - 1: {name: int(value) for name, value in row.items()} for row in rows}


async def outstanding(moment: Snapshot, at: datetime) -> dict[str, int]:
    """What was owed, by kind, when a moment began."""
    row = await moment.row(STATISTICS.statements["outstanding"], first=at)
    return {name: int(value) for name, value in (row or {}).items()}
