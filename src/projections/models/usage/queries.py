"""Queries to the usage: by group, and as a breakdown by names and days."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from ledger.domain.usage import DIMENSIONS
from ledger.postgres.arrays import integers, moments
from projections.models.days import By, pieces
from projections.models.measured import Measured
from projections.models.usage.projection import MEASURES, USAGE, Group
from projections.models.views import Snapshot


class Used(NamedTuple):
    """The usage of one group in span `place`. `key` has one value per dimension; None stands for all other groups."""

    place: int
    key: Group | None
    rank: int
    credits: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    uncollected: int
    deductions: int
    measured: Measured


async def used(
    moment: Snapshot,
    account_id: str,
    starts: Sequence[datetime],
    group_by: Sequence[str],
    limit: int,
    by: By = "recorded",
) -> list[Used]:
    """Usage by span and group, the largest groups first. `starts` also has the end of the last span."""
    statement, parts = USAGE.statements["read"], _pieces(starts, by)
    rows = await moment.rows(statement, account=account_id, **parts, by=list(group_by), limit=limit)
    return [
        Used(
            row["place"],
            tuple(row["key"]) if row["key"] is not None else None,
            row["rank"],
            int(row["credits"]),
            int(row["input_tokens"]),
            int(row["output_tokens"]),
            int(row["cached_tokens"]),
            int(row["uncollected"]),
            int(row["count"]),
            _measured(row["slots"], row["counts"], row["totals"]) if row["slots"] else Measured(),
        )
        for row in rows
    ]


async def measured_per_span(
    moment: Snapshot, account_id: str, starts: Sequence[datetime], by: By = "recorded"
) -> list[Measured]:
    """What was measured in each span. `starts` also has the end of the last span."""
    found: list[dict[int, tuple[int, int]]] = [{} for _ in starts[1:]]
    statement = USAGE.statements["measured_by_span"]
    for row in await moment.rows(statement, account=account_id, **_pieces(starts, by)):
        found[row["place"]][row["slot"]] = int(row["count"]), int(row["total"])
    return list(map(Measured, found))


def _measured(slots: Iterable[int], counts: Iterable[Any], totals: Iterable[Any]) -> Measured:
    sums = ((int(count), int(total)) for count, total in zip(counts, totals, strict=True))
    return Measured(dict(zip(slots, sums, strict=True)))


def _pieces(starts: Sequence[datetime], by: By) -> dict[str, Any]:
    parts = pieces(list(pairwise(starts)), by)
    return {
        "places": integers([piece.place for piece in parts]),
        "starts": moments([piece.start for piece in parts]),
        "ends": moments([piece.end for piece in parts]),
        "widths": integers([piece.width for piece in parts]),
    }


class Sums(NamedTuple):
    """The sums of some deductions."""

    credits: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    uncollected: int = 0
    deductions: int = 0

    def __add__(self, other: "Sums") -> "Sums":  # type: ignore[override]  # a sum, as its name says
        return Sums(*(one + more for one, more in zip(self, other, strict=True)))

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(*(one - less for one, less in zip(self, other, strict=True)))


Name = str | None
"""A provider, model, project or member; None for deductions that name none."""


class Breakdown(NamedTuple):
    """The usage of some days, each list sorted by credits.

    Providers are numbered from 0 by their credits; the last number stands for all remaining providers.
    """

    total: Sums
    providers: list[tuple[Name, Sums]]
    models: list[tuple[Name, Sums]]
    projects: list[tuple[Name, Sums]]
    members: list[tuple[Name, Sums]]
    projects_by_provider: list[tuple[Name, int, Sums]]
    days_by_provider: list[tuple[int, int, Sums]]
    measured: Measured
    measured_by_model: dict[Name, Measured]


async def breakdown(
    moment: Snapshot,
    account_id: str,
    starts: Sequence[datetime],
    *,
    limit: int,
    series: int,
    by: By = "recorded",
    member: str | None = None,
) -> Breakdown:
    """The breakdown of some days: at most `limit` names of each kind, and `series` single providers.

    With `member`, of the usage of this one alone.
    """
    parts = {**_pieces(starts, by), "member": member}
    rows = await moment.rows(USAGE.statements["breakdown"], account=account_id, **parts, limit=limit, series=series)
    measured, by_model = await _measured_in(moment, account_id, parts)
    found: defaultdict[str, list[tuple[dict[str, Any], Sums]]] = defaultdict(list)
    for row in rows:
        found[row["sums_by"]].append((row, Sums(*(int(row[name]) for name in (*MEASURES, "count")))))
    named = {kind: [(row["name"], sums) for row, sums in found[kind]] for kind in DIMENSIONS}
    return Breakdown(
        sum((sums for _, sums in found["all"]), Sums()),
        named["provider"],
        named["model"],
        named["project"],
        named["member"],
        [(row["name"], row["series"] - 1, sums) for row, sums in found["project and series"]],
        [(row["day"], row["series"] - 1, sums) for row, sums in found["day"]],
        measured,
        by_model,
    )


async def _measured_in(
    moment: Snapshot, account_id: str, parts: dict[str, Any]
) -> tuple[Measured, dict[Name, Measured]]:
    """What was measured in some pieces of time: in total, and of each model."""
    whole: dict[int, tuple[int, int]] = {}
    models: defaultdict[Name, dict[int, tuple[int, int]]] = defaultdict(dict)
    for row in await moment.rows(USAGE.statements["measured"], account=account_id, **parts):
        slots = models[row["name"]] if row["is_model"] else whole
        slots[row["slot"]] = int(row["count"]), int(row["total"])
    return Measured(whole), {name: Measured(slots) for name, slots in models.items()}
