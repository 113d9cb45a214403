"""Statistics for operators: totals over all accounts for each quarter of an hour (UTC).

A bucket stores by how much it changed the outstanding credits; their sum from the beginning is what is owed. What was
measured of usage is stored by provider and model, in rows of its own.
"""

from collections.abc import Sequence
from datetime import datetime

from ledger.domain.changes import SUM_SIGNS, SUMMED_AT, TRANSFERRED, Fact
from ledger.domain.events import AccountOpened, CreditsDeducted, DeductionReversed, HoldCaptured, UsageMetered
from ledger.domain.usage import Usage
from ledger.postgres.arrays import bigints, integers, moments, numerics, texts
from projections.models.measured import METERED, is_measured, measured_in
from projections.models.projection import Projection, Table, Write

SUMS = (
    *("granted", "deducted", "reversed", "expired", "voided", "subscription", "permanent", "uncollected", "waived"),
    *("deductions", "opened"),
)
_SUBSCRIPTION, _PERMANENT, _UNCOLLECTED, _WAIVED, _DEDUCTIONS, _OPENED = 5, 6, 7, 8, 9, 10


_Measured = dict[tuple[datetime, str, str, int], list[int]]
"""The count and the total of each bucket, provider, model and slot."""


def gather(facts: Sequence[Fact]) -> list[Write]:
    """The sums of each bucket, and what was measured in it. `subscription` and `permanent` are signed."""
    measured: _Measured = {}
    for _, _, _, event, bucket, _ in facts:
        if isinstance(event, CreditsDeducted | HoldCaptured):
            if event.usage is not None and is_measured(event.usage):
                _measure(measured, bucket, event.usage, measured_in(event.usage))
        elif isinstance(event, UsageMetered):
            _measure(measured, bucket, event.usage, [(METERED, event.quantity), *measured_in(event.usage)])
    writes = _sums(facts)
    return [*writes, _write_measured(measured)] if measured else writes


def _measure(found: _Measured, bucket: datetime, usage: Usage, slots: Sequence[tuple[int, int]]) -> None:
    for slot, said in slots:
        key = bucket, str(usage.get("provider", "")), str(usage.get("model", "")), slot
        counted = found.setdefault(key, [0, 0])
        counted[0] += 1
        counted[1] += said


def _write_measured(found: _Measured) -> Write:
    columns = {
        "buckets": moments([bucket for bucket, *_ in found]),
        "providers": texts([provider for _, provider, _, _ in found]),
        "models": texts([model for _, _, model, _ in found]),
        "slots": integers([slot for *_, slot in found]),
        "counts": bigints([count for count, _ in found.values()]),
        "totals": numerics([total for _, total in found.values()]),
    }
    hours = {(bucket.replace(minute=0), *rest) for bucket, *rest in found}
    return Write("add_measured", len(found) + len(hours), columns)


def _sums(facts: Sequence[Fact]) -> list[Write]:
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


STATISTICS = Projection(
    "statistics",
    version=3,
    tables=(
        Table("statistics", ("bucket",)),
        Table("statistics_measured", ("width", "bucket", "provider", "model", "slot")),
    ),
    gather=gather,
)
