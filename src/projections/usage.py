"""Usage: what deductions were for, in credits, tokens and counts, per account, quarter of an hour (UTC) and group.

A group is one combination of provider, model, project, member and metric. Many buckets share it, so it is kept once and
named by a hash of itself: whoever builds the projection comes to the same name without asking anybody.

The same sums are kept per hour, as those of rollups are; the SQL adds them up, where nobody waits for it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from ledger.domain.changes import Fact
from ledger.domain.events import CreditsDeducted, HoldCaptured
from ledger.postgres.arrays import bigints, integers, moments, numerics, texts
from projections.days import pieces
from projections.projection import Projection, Table, Write
from projections.views import Snapshot

DIMENSIONS = ("provider", "model", "project", "member", "metric")
MEASURES = ("credits", "input_tokens", "output_tokens")

Group = tuple[str | None, ...]
"""The values of DIMENSIONS; None where nothing was said."""
_NOTHING: dict[str, Any] = {}


@lru_cache(10_000)
def group_id(group: Group) -> str:
    """The name of a group: 16 bytes of BLAKE2b over its JSON, as a UUID's hexadecimal digits."""
    return blake2b(orjson.dumps(group), digest_size=16).hexdigest()


def gather(facts: Sequence[Fact]) -> list[Write]:
    """The groups that are used, and the sums of each account, bucket and group."""
    groups: dict[Group, str] = {}
    found: dict[tuple[str, datetime, Group], list[int]] = {}
    for _, account_id, _, event, bucket, _ in facts:
        if not isinstance(event, CreditsDeducted | HoldCaptured):
            continue
        get: Callable[..., Any] = (event.usage or _NOTHING).get
        group: Group = (get("provider"), get("model"), get("project"), get("member"), get("metric"))
        key = account_id, bucket, group
        sums = found.get(key)
        if sums is None:
            sums = found[key] = [0, 0, 0, 0]
            groups[group] = group_id(group)
        sums[0] += event.amount
        sums[1] += get("input_tokens", 0)
        sums[2] += get("output_tokens", 0)
        sums[3] += 1
    if not found:
        return []
    return [_known(groups), _sums(found, groups)]


def _known(groups: Mapping[Group, str]) -> Write:
    columns = {"group_ids": texts(list(groups.values()))}
    for place, dimension in enumerate(DIMENSIONS):
        columns[dimension] = texts([group[place] for group in groups])
    return Write("add_groups", len(groups), columns, exact=False)


def _sums(found: Mapping[tuple[str, datetime, Group], list[int]], groups: Mapping[Group, str]) -> Write:
    columns: dict[str, Any] = {
        "accounts": texts([account_id for account_id, _, _ in found]),
        "buckets": moments([bucket for _, bucket, _ in found]),
        "group_ids": texts([groups[group] for _, _, group in found]),
        "counts": bigints([sums[3] for sums in found.values()]),
    }
    for place, measure in enumerate(MEASURES):
        columns[measure] = numerics([sums[place] for sums in found.values()])
    hours = {(account_id, bucket.replace(minute=0), group) for account_id, bucket, group in found}
    return Write("add", len(found) + len(hours), columns)


class Used(NamedTuple):
    """What one group used in one span of time; `key` has a value per dimension, or is None for all other groups."""

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
    """Usage by span and group, the largest groups first. `starts` has the end of the last too; they count from 0."""
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
    """What some deductions came to."""

    credits: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    deductions: int = 0

    def __add__(self, other: "Sums") -> "Sums":  # type: ignore[override]  # a sum, as its name says
        return Sums(*(one + more for one, more in zip(self, other, strict=True)))

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(*(one - less for one, less in zip(self, other, strict=True)))


Name = str | None
"""A provider, model, project or member; None where nothing was said."""


class Breakdown(NamedTuple):
    """Where the credits of some days went, each list by credits. Providers are numbered from 0 by their credits; the
    last number is that of all that are not told apart."""

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
    """In one question: at most `limit` names of each kind, `series` providers told apart. `starts` as for `used`."""
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


USAGE = Projection(
    "usage",
    version=2,
    tables=(Table("usage", ("account_id", "width", "bucket", "group_id")), Table("groups", ("group_id",))),
    gather=gather,
)
