"""Statistics for operators: totals over all accounts for each quarter of an hour (UTC).

A bucket stores by how much it changed the outstanding credits; their sum from the beginning is what is owed.
"""

from collections.abc import Sequence
from datetime import datetime

from ledger.domain.changes import SUM_SIGNS, SUMMED_AT, TRANSFERRED, Fact
from ledger.domain.events import AccountOpened, CreditsDeducted, DeductionReversed, HoldCaptured
from ledger.postgres.arrays import bigints, moments, numerics
from projections.models.projection import Projection, Table, Write

SUMS = (
    *("granted", "deducted", "reversed", "expired", "voided", "subscription", "permanent", "uncollected", "waived"),
    *("deductions", "opened"),
)
_SUBSCRIPTION, _PERMANENT, _UNCOLLECTED, _WAIVED, _DEDUCTIONS, _OPENED = 5, 6, 7, 8, 9, 10


def gather(facts: Sequence[Fact]) -> list[Write]:
    """The sums of each bucket. `subscription` and `permanent` are signed."""
    found: dict[datetime, list[int]] = {}
    for _, _, _, event, bucket, changes in facts:
        opened = isinstance(event, AccountOpened)
        if not changes and not opened:
            continue
        sums = found.get(bucket)
        if sums is None:
            sums = found[bucket] = [0] * len(SUMS)
        sums[_OPENED] += opened
        if isinstance(event, CreditsDeducted | HoldCaptured):
            if event.uncollected is not None:
                sums[_UNCOLLECTED] += event.uncollected
        elif isinstance(event, DeductionReversed) and event.waived is not None:
            sums[_WAIVED] += event.waived
        for kind, subscription, permanent in changes:
            place = SUMMED_AT[kind]
            if place != TRANSFERRED:  # what is moved is neither granted nor used, and all accounts together keep it
                sums[place] += SUM_SIGNS[place] * (subscription + permanent)
            sums[_SUBSCRIPTION] += subscription
            sums[_PERMANENT] += permanent
            sums[_DEDUCTIONS] += place == 1
    if not found:
        return []
    columns = {name: numerics([sums[place] for sums in found.values()]) for place, name in enumerate(SUMS)}
    columns["deductions"] = bigints([sums[_DEDUCTIONS] for sums in found.values()])
    columns["opened"] = bigints([sums[_OPENED] for sums in found.values()])
    return [Write("add", len(found), columns | {"buckets": moments(list(found))})]


STATISTICS = Projection("statistics", version=2, tables=(Table("statistics", ("bucket",)),), gather=gather)
