"""Where the credits went: what the usage page shows of some local days, from one question.

Lists are by credits, and end with what is beyond the last name, as `other`: they add up to `totals` all the same.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from api.http.periods import Period
from api.http.queries import as_of, known_account
from api.http.reads import Reads
from projections.models.usage.projection import USAGE
from projections.models.usage.queries import Breakdown, Name, Sums, breakdown

MOST_NAMES = 100
"""Names in a list."""
MOST_SERIES = 8
"""Providers that are told apart within a day or a project: a chart has no more colours."""


async def breakdown_of(reads: Reads, account_id: str, period: Period, min_position: int = 0) -> dict[str, Any]:
    """`totals`, `days`, `providers`, `models`, `projects`, `members`; each day and project has its own `providers`.

    Raises Problem, AccountNotFound, NotYetVisible and NotBuilt.
    """
    starts = period.starts()
    async with reads.views.snapshot(USAGE, at_least=min_position) as moment:
        found = await breakdown(moment, account_id, starts, limit=MOST_NAMES, series=MOST_SERIES)
    if not found.providers:
        await known_account(reads.ledger, account_id)
    spans = zip(period.dates(), pairwise(starts), strict=True)
    days = [{"date": day, "start": start, "end": end} for day, (start, end) in spans]
    return as_of(
        moment,
        account_id=account_id,
        tz=period.tz.key,
        totals=_fields(found.total),
        days=_days(found, days),
        providers=_listed("provider", found.providers, found.total),
        models=_listed("model", found.models, found.total),
        projects=_projects(found),
        members=_listed("member", found.members, found.total),
    )


def _fields(sums: Sums) -> dict[str, int]:
    return {
        "credits": sums.credits,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "count": sums.deductions,
    }


def _listed(kind: str, named: Sequence[tuple[Name, Sums]], total: Sums) -> list[dict[str, Any]]:
    """Names with their sums, and what the total has beyond them."""
    rest = total - sum((sums for _, sums in named), Sums())
    shown: list[dict[str, Any]] = [{kind: name, **_fields(sums)} for name, sums in named]
    return [*shown, {"other": True, **_fields(rest)}] if rest.deductions else shown


def _segments(found: Breakdown, parts: Sequence[tuple[int, Sums]], total: Sums) -> list[dict[str, Any]]:
    """The providers of a day or a project, in the order of the whole period."""
    names = [name for name, _ in found.providers[:MOST_SERIES]]
    told = sorted((series, sums) for series, sums in parts if series < len(names))
    return _listed("provider", [(names[series], sums) for series, sums in told], total)


def _days(found: Breakdown, days: list[dict[str, Any]]) -> list[dict[str, Any]]:
    parts: defaultdict[int, list[tuple[int, Sums]]] = defaultdict(list)
    for day, series, sums in found.days_by_provider:
        parts[day].append((series, sums))
    totals = [sum((sums for _, sums in parts[place]), Sums()) for place in range(len(days))]
    return [
        {**day, **_fields(total), "providers": _segments(found, parts[place], total)}
        for place, (day, total) in enumerate(zip(days, totals, strict=True))
    ]


def _projects(found: Breakdown) -> list[dict[str, Any]]:
    parts: defaultdict[Name, list[tuple[int, Sums]]] = defaultdict(list)
    for name, series, sums in found.projects_by_provider:
        parts[name].append((series, sums))
    listed = _listed("project", found.projects, found.total)
    for shown, (name, total) in zip(listed, found.projects, strict=False):
        shown["providers"] = _segments(found, parts[name], total)
    return listed
