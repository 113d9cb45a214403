"""Rollups: the sums of an account for each quarter of an hour (UTC), from which local days of any zone are made.

The same sums are stored by hour: most of a local day consists of whole hours of UTC, and those are a quarter as many.

Sums are by the time of recording. For deductions that occurred in another bucket, rows of negative width have the
difference: what to add to the sums by recording to get those by occurrence.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ledger.domain.amounts import NO_CREDITS, Balance
from ledger.domain.changes import SUM_SIGNS, SUMMED_AT, Fact, bucket_of
from ledger.domain.events import CreditsDeducted, HoldCaptured
from ledger.postgres.arrays import bigints, moments, numerics, texts
from projections.models.projection import Projection, Table, Write

AMOUNTS = ("granted", "deducted", "reversed", "expired", "voided", "transferred")
COUNTS = ("grants", "deductions", "reversals", "expiries", "voids", "transfers")

QUARTER, HOUR = 15, 60
"""The two widths of a bucket, in minutes."""


class _Sums:
    __slots__ = ("amounts", "closing", "counts")

    def __init__(self) -> None:
        self.amounts = [0] * len(AMOUNTS)
        self.counts = [0] * len(COUNTS)
        self.closing: Balance = NO_CREDITS


_Found = dict[tuple[str, datetime], _Sums]
_PAID = (CreditsDeducted, HoldCaptured)


def gather(facts: Sequence[Fact]) -> list[Write]:
    """The sums of each account and bucket, and the balance after its last change."""
    found: _Found = {}
    moved: _Found = {}
    for _, account_id, _, event, bucket, changes in facts:
        if not changes:
            continue
        key = account_id, bucket
        sums = found.get(key)
        if sums is None:
            sums = found[key] = _Sums()
        for kind, subscription, permanent in changes:
            place = SUMMED_AT[kind]
            sums.amounts[place] += SUM_SIGNS[place] * (subscription + permanent)
            sums.counts[place] += 1
        sums.closing = event.balance
        if isinstance(event, _PAID) and event.occurred_at is not None:
            _move(moved, account_id, bucket, event.amount, bucket_of(event.occurred_at))
    if not found:
        return []
    writes = [_write(QUARTER, found), _write(HOUR, _by_hour(found))]
    if moved:
        writes += [_write(-QUARTER, moved), _write(-HOUR, _by_hour(moved))]
    return writes


def _move(moved: _Found, account_id: str, bucket: datetime, amount: int, then: datetime) -> None:
    """Take a deduction away where it was recorded, and add it where it occurred, if that is another bucket."""
    if then == bucket:
        return
    place = SUMMED_AT["deduction"]
    for at, sign in ((bucket, -1), (then, 1)):
        sums = moved.setdefault((account_id, at), _Sums())
        sums.amounts[place] += sign * amount
        sums.counts[place] += sign


def _by_hour(quarters: _Found) -> _Found:
    hours: _Found = {}
    for (account_id, bucket), sums in quarters.items():
        hour = hours.setdefault((account_id, bucket.replace(minute=0)), _Sums())
        hour.amounts = [one + more for one, more in zip(hour.amounts, sums.amounts, strict=True)]
        hour.counts = [one + more for one, more in zip(hour.counts, sums.counts, strict=True)]
        hour.closing = sums.closing
    return hours


def _write(width: int, found: _Found) -> Write:
    columns: dict[str, Any] = {
        "width": width,
        "accounts": texts([account_id for account_id, _ in found]),
        "buckets": moments([bucket for _, bucket in found]),
        "closing_subscription": bigints([sums.closing.subscription for sums in found.values()]),
        "closing_permanent": bigints([sums.closing.permanent for sums in found.values()]),
    }
    for place, (amount, count) in enumerate(zip(AMOUNTS, COUNTS, strict=True)):
        columns[amount] = numerics([sums.amounts[place] for sums in found.values()])
        columns[count] = bigints([sums.counts[place] for sums in found.values()])
    return Write("add", len(found), columns)


ROLLUPS = Projection("rollups", version=2, tables=(Table("rollups", ("account_id", "width", "bucket")),), gather=gather)
