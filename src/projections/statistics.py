"""Statistics for operators: totals over all accounts per quarter of an hour (UTC).

Outstanding credits are kept as what each bucket changed of them; added up from the beginning they are what is owed.
"""

from collections.abc import Sequence
from datetime import datetime

from ledger.domain.changes import SUMMED_AT, Fact
from ledger.domain.events import AccountOpened
from ledger.postgres.arrays import bigints, moments, numerics
from projections.projection import Projection, Table, Write
from projections.views import Snapshot

SUMS = ("granted", "deducted", "reversed", "expired", "voided", "subscription", "permanent", "deductions", "opened")
_SUBSCRIPTION, _PERMANENT, _DEDUCTIONS, _OPENED = 5, 6, 7, 8


def gather(facts: Sequence[Fact]) -> list[Write]:
    """The sums of each bucket; `subscription` and `permanent` are signed."""
    found: dict[datetime, list[int]] = {}
    for _, _, _, event, bucket, changes in facts:
        opened = isinstance(event, AccountOpened)
        if not changes and not opened:
            continue
        sums = found.get(bucket)
        if sums is None:
            sums = found[bucket] = [0] * len(SUMS)
        sums[_OPENED] += opened
        for kind, subscription, permanent in changes:
            place = SUMMED_AT[kind]
            sums[place] += abs(subscription + permanent)
            sums[_SUBSCRIPTION] += subscription
            sums[_PERMANENT] += permanent
            sums[_DEDUCTIONS] += place == 1
    if not found:
        return []
    columns = {name: numerics([sums[place] for sums in found.values()]) for place, name in enumerate(SUMS)}
    columns["deductions"] = bigints([sums[_DEDUCTIONS] for sums in found.values()])
    columns["opened"] = bigints([sums[_OPENED] for sums in found.values()])
    return [Write("add", len(found), columns | {"buckets": moments(list(found))})]


async def per_span(moment: Snapshot, starts: Sequence[datetime]) -> dict[int, dict[str, int]]:
    """The sums of each span of time in which something happened, from 0. `starts` has the end of the last one too."""
    statement = STATISTICS.statements["days"]
    rows = await moment.rows(statement, starts=list(starts), first=starts[0], last=starts[-1])
    return {row.pop("place") - 1: {name: int(value) for name, value in row.items()} for row in rows}


async def outstanding(moment: Snapshot, at: datetime) -> dict[str, int]:
    """What was owed, by kind, when a moment began."""
    row = await moment.row(STATISTICS.statements["outstanding"], first=at)
    return {name: int(value) for name, value in (row or {}).items()}


STATISTICS = Projection("statistics", version=1, tables=(Table("statistics", ("bucket",)),), gather=gather)
