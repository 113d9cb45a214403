"""The breakdown of usage: the credits of some local days by provider, model, project and member, in one query.

Lists are sorted by credits. Their last group, `other`, has the sum of all further names, so each list adds up to
`totals`.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise

from api.contract.answers.answer import AsOf
from api.contract.answers.totals import GroupName, MeasuredSums, Measures, UsageGroup, UsageSums
from api.http.queries.periods import Period
from api.http.queries.query import as_of, known_account
from api.http.queries.reads import Reads
from api.http.queries.totals import measures
from ledger.domain.usage import Dimension
from projections.models.days import By
from projections.models.usage.projection import USAGE
from projections.models.usage.queries import Breakdown, Name, Sums, breakdown

MOST_NAMES = 100
"""The largest number of names in a list."""
MOST_SERIES = 8
"""The largest number of providers within a day or a project: a chart has no more colours."""


class DayByProvider(UsageSums):
    """One local day, from `start` (included) to `end` (not included)."""

    date: date
    start: datetime
    end: datetime
    providers: list[UsageGroup]


class Project(UsageGroup):
    """One project."""

    providers: list[UsageGroup]


class MeasuredModel(Measures):
    """What was measured of one model; null for deductions that name none."""

    model: str | None


class BreakdownAnswer(AsOf):
    """Usage by day, provider, model, project and member. The last group of projects, `other`, has no `providers`.

    `measured` has the models of which something was measured.
    """

    account_id: str
    tz: str
    totals: MeasuredSums
    measured: list[MeasuredModel]
    days: list[DayByProvider]
    providers: list[UsageGroup]
    models: list[UsageGroup]
    projects: list[Project | UsageGroup]
    members: list[UsageGroup]


async def breakdown_of(
    reads: Reads,
    account_id: str,
    period: Period,
    min_position: int = 0,
    by: By = "recorded",
    member: str | None = None,
) -> BreakdownAnswer:
    """Query the breakdown, of one member if one is named. Raises Problem, AccountNotFound, NotYetVisible, NotBuilt."""
    starts = period.starts()
    async with reads.views.snapshot(USAGE, at_least=min_position) as moment:
        found = await breakdown(moment, account_id, starts, limit=MOST_NAMES, series=MOST_SERIES, by=by, member=member)
    if not found.providers:
        await known_account(reads.ledger, account_id)
    return {
        **as_of(moment),
        "account_id": account_id,
        "tz": period.tz.key,
        "totals": {**_fields(found.total), **measures(found.measured, found.total.deductions)},
        "measured": [
            {"model": name, **measures(found.measured_by_model[name], sums.deductions)}
            for name, sums in found.models
            if name in found.measured_by_model
        ],
        "days": _days(found, period.dates(), starts),
        "providers": _listed("provider", found.providers, found.total),
        "models": _listed("model", found.models, found.total),
        "projects": _projects(found),
        "members": _listed("member", found.members, found.total),
    }


def _fields(sums: Sums) -> UsageSums:
    return {
        "credits": sums.credits,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "cached_tokens": sums.cached_tokens,
        "uncollected": sums.uncollected,
        "count": sums.deductions,
    }


def _listed(kind: Dimension, named: Sequence[tuple[Name, Sums]], total: Sums) -> list[UsageGroup]:
    """A group for each name, and the group `other` for the rest of the total."""
    rest = total - sum((sums for _, sums in named), Sums())
    listed = [_group(_named(kind, name), sums) for name, sums in named]
    return [*listed, _group({"other": True}, rest)] if rest.deductions else listed


def _named(kind: Dimension, name: Name) -> GroupName:
    group: GroupName = {}
    group[kind] = name
    return group


def _group(name: GroupName, sums: Sums) -> UsageGroup:
    return {**name, **_fields(sums)}


def _segments(found: Breakdown, parts: Sequence[tuple[int, Sums]], total: Sums) -> list[UsageGroup]:
    """The providers of a day or a project, in the order of the providers of the whole period."""
    names = [name for name, _ in found.providers[:MOST_SERIES]]
    known = sorted((series, sums) for series, sums in parts if series < len(names))
    return _listed("provider", [(names[series], sums) for series, sums in known], total)


def _days(found: Breakdown, dates: Sequence[date], starts: Sequence[datetime]) -> list[DayByProvider]:
    parts: defaultdict[int, list[tuple[int, Sums]]] = defaultdict(list)
    for place, series, sums in found.days_by_provider:
        parts[place].append((series, sums))
    totals = [sum((sums for _, sums in parts[place]), Sums()) for place in range(len(dates))]
    return [
        {
            "date": day,
            "start": start,
            "end": end,
            **_fields(total),
            "providers": _segments(found, parts[place], total),
        }
        for place, (day, (start, end), total) in enumerate(zip(dates, pairwise(starts), totals, strict=True))
    ]


def _projects(found: Breakdown) -> list[Project | UsageGroup]:
    parts: defaultdict[Name, list[tuple[int, Sums]]] = defaultdict(list)
    for name, series, sums in found.projects_by_provider:
        parts[name].append((series, sums))
    groups = _listed("project", found.projects, found.total)
    named = zip(groups, found.projects, strict=False)
    projects = [_project(group, _segments(found, parts[name], total)) for group, (name, total) in named]
    return [*projects, *groups[len(projects) :]]


def _project(group: UsageGroup, providers: list[UsageGroup]) -> Project:
    return {**group, "providers": providers}
