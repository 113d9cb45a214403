"""Rollups: what happened in an account in each quarter of an hour (UTC), so that days can be cut in any time zone.

The same sums are kept per hour: most of any day, in any zone, is whole hours of UTC, and there are a quarter as many.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ledger.domain.amounts import NO_CREDITS, Balance
from ledger.domain.changes import SUMMED_AT, Fact
from ledger.postgres.arrays import bigints, integers, moments, numerics, texts
from projections.days import pieces
from projections.projection import Projection, Table, Write
from projections.views import Snapshot

AMOUNTS = ("granted", "deducted", "reversed", "expired", "voided")
COUNTS = ("grants", "deductions", "reversals", "expiries", "voids")

QUARTER, HOUR = 15, 60
"""The two widths of a bucket, in minutes."""


class _Sums:
    __slots__ = ("amounts", "closing", "counts")

    def __init__(self) -> None:
        self.amounts = [0] * len(AMOUNTS)
        self.counts = [0] * len(COUNTS)
        self.closing: Balance = NO_CREDITS


_Found = dict[tuple[str, datetime], _Sums]


def gather(facts: Sequence[Fact]) -> list[Write]:
    """The sums of each account and bucket, and the balance after the last change in it."""
    found: _Found = {}
    for _, account_id, _, event, bucket, changes in facts:
        if not changes:
            continue
        key = account_id, bucket
        sums = found.get(key)
        if sums is None:
            sums = found[key] = _Sums()
        for kind, subscription, permanent in changes:
            place = SUMMED_AT[kind]
            sums.amounts[place] += abs(subscription + permanent)
            sums.counts[place] += 1
        sums.closing = event.balance
    return [_write(QUARTER, found), _write(HOUR, _by_hour(found))] if found else []


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


class Total(NamedTuple):
    """What happened in a span of time."""

    granted: int = 0
    deducted: int = 0
    reversed: int = 0
    expired: int = 0
    voided: int = 0
    grants: int = 0
    deductions: int = 0
    reversals: int = 0
    expiries: int = 0
    voids: int = 0

    def __add__(self, other: "Total") -> "Total":  # type: ignore[override]  # a sum, as its name says
        return Total(*(one + more for one, more in zip(self, other, strict=True)))


class Closing(NamedTuple):
    """Credits by kind at a moment."""

    subscription: int
    permanent: int


async def totals(moment: Snapshot, account_id: str, spans: Sequence[tuple[datetime, datetime]]) -> list[Total]:
    """What happened in each of some spans of time, which begin and end with a bucket."""
    parts = pieces(spans)
    rows = await moment.rows(
        ROLLUPS.statements["sums"],
        account=account_id,
        places=integers([piece.place for piece in parts]),
        starts=moments([piece.start for piece in parts]),
        ends=moments([piece.end for piece in parts]),
        widths=integers([piece.width for piece in parts]),
    )
    found = [Total()] * len(spans)
    for row in rows:
        found[row["place"]] += Total(*(int(row[name]) for name in Total._fields))
    return found


async def closings(moment: Snapshot, account_id: str, starts: Sequence[datetime]) -> list[Closing]:
    """The balance by kind when some moments begin."""
    rows = await moment.rows(ROLLUPS.statements["closings"], account=account_id, moments=moments(starts))
    return [Closing(row["subscription"], row["permanent"]) for row in rows]


ROLLUPS = Projection("rollups", version=1, tables=(Table("rollups", ("account_id", "width", "bucket")),), gather=gather)
