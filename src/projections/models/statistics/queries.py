"""Queries to the statistics: totals of spans of time, what was measured in them, and outstanding credits."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.postgres.arrays import integers, moments
from projections.models.days import pieces
from projections.models.measured import FAILED, Measured
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


class Work(NamedTuple):
    """What was measured of the usage of one model; None stands for usage that does not name it."""

    provider: str | None
    model: str | None
    measured: Measured


class MeasuredWork(NamedTuple):
    """What was measured in a period: of all usage, of the models with the most of it, and of all other ones."""

    whole: Measured
    models: list[Work]
    others: Measured


async def measured_work(moment: Snapshot, start: datetime, end: datetime, limit: int) -> MeasuredWork:
    """What was measured from `start` until `end`, of at most `limit` models by themselves."""
    parts = pieces([(start, end)])
    rows = await moment.rows(
        STATISTICS.statements["measured"],
        starts=moments([piece.start for piece in parts]),
        ends=moments([piece.end for piece in parts]),
        widths=integers([piece.width for piece in parts]),
        limit=limit,
        least_slot=FAILED,
    )
    ranks: defaultdict[int | None, dict[int, tuple[int, int]]] = defaultdict(dict)
    names: dict[int, tuple[str | None, str | None]] = {}
    for row in rows:
        ranks[row["rank"]][row["slot"]] = int(row["count"]), int(row["total"])
        if row["rank"] is not None and row["rank"] <= limit:
            names[row["rank"]] = row["provider"] or None, row["model"] or None
    whole = Measured().plus(map(Measured, ranks.values()))
    models = [Work(*name, Measured(ranks[rank])) for rank, name in names.items()]
    return MeasuredWork(whole, models, Measured(ranks.get(limit + 1, {})))
