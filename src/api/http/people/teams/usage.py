"""The route of a team's usage: what it used in a day, a week or a month, and which member used it."""

from datetime import date, timedelta
from typing import Annotated, Literal, assert_never
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request

from api.contract.answers.totals import MeasuredGroup
from api.contract.people.team_answers import MemberUsage, TeamUsageAnswer
from api.contract.people.usage import usage_counts
from api.http.json_answer import JsonAnswer
from api.http.people.person_route import PersonRoute
from api.http.people.teams.team_route import TeamId, role_in, teams_of
from api.http.queries.periods import Period
from api.http.queries.query import PROBLEMS, Visible, Zone, now_of
from api.http.queries.reads import Reads, reads_of
from api.http.queries.totals import usage_of
from people.teams.words import Member

router = APIRouter(route_class=PersonRoute, tags=["people"])
Span = Literal["day", "week", "month"]
_MOST_GROUPS = 1_000
"""Members times metrics."""


class UsageOfTeam(Visible):
    """The parameters of the usage of a team."""

    period: Span = "month"
    tz: Zone = "UTC"


@router.get("/api/teams/{team_id}/usage", responses=PROBLEMS, summary="What a team used, and who used it")
async def usage(
    request: Request, team_id: TeamId, query: Annotated[UsageOfTeam, Query()]
) -> JsonAnswer[TeamUsageAnswer]:
    """Of this local day, week or month until now. For admins and the owner."""
    await role_in(request, team_id, "admin")
    members = await teams_of(request).members.of(team_id)
    today = now_of(request).astimezone(ZoneInfo(query.tz)).date()
    period = Period(first_of(query.period, today), today, ZoneInfo(query.tz))
    found = await team_usage_of(reads_of(request), team_id, members, query.period, period, query.min_position)
    return JsonAnswer(found)


def first_of(span: Span, day: date) -> date:
    """The first day of the day, the week or the month of a day."""
    match span:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
    assert_never(span)


async def team_usage_of(
    reads: Reads, team_id: str, members: list[Member], name: str, period: Period, min_position: int = 0
) -> TeamUsageAnswer:
    """Query the usage of a team. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    found = await usage_of(reads, team_id, period, "total", ("member", "metric"), _MOST_GROUPS, min_position)
    [bucket] = found["buckets"]
    groups = bucket["groups"]
    metrics = _by_metric(groups)
    names = {member.user_id: member.name for member in members}
    users = dict.fromkeys([*names, *(group.get("member") for group in groups if "other" not in group)])
    breakdown = [_of_member(user, names, groups) for user in users]
    breakdown.sort(key=lambda one: -one["credits"])
    return {
        "as_of_position": found["as_of_position"],
        "as_of": found["as_of"],
        "team_id": team_id,
        "period": name,
        "start": bucket["start"],
        "end": bucket["end"],
        "total_credits": found["totals"]["credits"],
        "total_usage": usage_counts(metrics),
        "usage": metrics,
        "member_breakdown": breakdown,
        "truncated": found["truncated"],
    }


def _of_member(user: str | None, names: dict[str, str], groups: list[MeasuredGroup]) -> MemberUsage:
    own = [group for group in groups if "other" not in group and group["member"] == user]
    metrics = _by_metric(own)
    return {
        **usage_counts(metrics),
        "user_id": user,
        "name": names.get(user) if user is not None else None,
        "credits": sum(group["credits"] for group in own),
        "count": sum(group["count"] for group in own),
        "usage": metrics,
    }


def _by_metric(groups: list[MeasuredGroup]) -> dict[str, int]:
    """The quantity of each metric that some usage named."""
    found: dict[str, int] = {}
    for group in groups:
        if (metric := group.get("metric")) is not None:
            found[metric] = found.get(metric, 0) + group["quantity"]
    return found
