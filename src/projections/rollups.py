"""Rollups: what happened in an account in each quarter of an hour (UTC), so that days can be cut in any time zone."""

from collections.abc import Sequence
from datetime import datetime

from ledger.amounts import NO_CREDITS, Balance
from ledger.arrays import bigints, moments, numerics, texts
from projections.changes import EntryType, Fact
from projections.projection import Projection, Table, Write

AMOUNTS = ("granted", "deducted", "reversed", "expired", "voided")
COUNTS = ("grants", "deductions", "reversals", "expiries", "voids")

_PLACE: dict[EntryType, int] = {"grant": 0, "deduction": 1, "capture": 1, "reversal": 2, "expiry": 3, "void": 4}
"""Where an entry's credits are added up. A capture is a deduction."""


class _Sums:
    __slots__ = ("amounts", "closing", "counts")

    def __init__(self) -> None:
        self.amounts = [0] * len(AMOUNTS)
        self.counts = [0] * len(COUNTS)
        self.closing: Balance = NO_CREDITS


def gather(facts: Sequence[Fact]) -> list[Write]:
    """The sums of each account and bucket, and the balance after the last change in it."""
    found: dict[tuple[str, datetime], _Sums] = {}
    for _, account_id, _, event, bucket, changes in facts:
        if not changes:
            continue
        key = account_id, bucket
        sums = found.get(key)
        if sums is None:
            sums = found[key] = _Sums()
        for kind, subscription, permanent in changes:
            place = _PLACE[kind]
            sums.amounts[place] += abs(subscription + permanent)
            sums.counts[place] += 1
        sums.closing = event.balance
    if not found:
        return []
    columns = {
        "accounts": texts([account_id for account_id, _ in found]),
        "buckets": moments([bucket for _, bucket in found]),
        "closing_subscription": bigints([sums.closing.subscription for sums in found.values()]),
        "closing_permanent": bigints([sums.closing.permanent for sums in found.values()]),
    }
    for place, (amount, count) in enumerate(zip(AMOUNTS, COUNTS, strict=True)):
        columns[amount] = numerics([sums.amounts[place] for sums in found.values()])
        columns[count] = bigints([sums.counts[place] for sums in found.values()])
    return [Write("add", len(found), columns)]


ROLLUPS = Projection("rollups", version=1, tables=(Table("rollups", ("account_id", "bucket")),), gather=gather)
