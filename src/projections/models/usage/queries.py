"""Queries to the usage: by group, and as a breakdown by names and days."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from ledger.postgres.arrays import integers, moments
from projections.models.days import pieces
from projections.models.usage.projection import DIMENSIONS, MEASURES, USAGE, Group
from projections.models.views import Snapshot


class Used(NamedTuple):
    """The usage of one group in span `place`. `key` has one value per dimension; None stands for all other groups."""

    place: int
    key: Group | None
    rank: int
    credits: int
    input_tokens: int
    output_tokens: int
    deductions: int


async def used(
    moment: Snapshot, account_id: str, starts: Sequence[datetime], by: Sequence[str], limit: int
) -> list[Used]:
    """Usage by span and group, the largest groups first. `starts` also has the end of the last span."""
    rows = await moment.rows(USAGE.statements["read"], account=account_id, **_pieces(starts), by=list(by), limit=limit)
    return [
        Used(
            row["place"],
            tuple(row["key"]) if row["key"] is not None else None,
            row["rank"],
            *(int(row[name]) for name in (*MEASURES, "count")),
        )
        for row in rows
    ]


def _pieces(starts: Sequence[datetime]) -> dict[str, Any]:
    parts = pieces(list(pairwise(starts)))
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


async def breakdown(
    moment: Snapshot, account_id: str, starts: Sequence[datetime], *, limit: int, series: int
) -> Breakdown:
    """The breakdown of some days in one query: at most `limit` names of each kind, and `series` single providers."""
    rows = await moment.rows(
        USAGE.statements["breakdown"], account=account_id, **_pieces(starts), limit=limit, series=series
    )
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
    )
