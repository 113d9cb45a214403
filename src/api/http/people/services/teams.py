"""Routes of teams for services: made for a user, listed, read, renamed, handed over and deleted, and what they used."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import Field, StringConstraints

from api.contract.bodies import Id
from api.contract.openapi.refusals import REFUSALS
from api.contract.people.answers import MessageAnswer
from api.contract.people.service_answers import ManagedTeamAnswer, ManagedTeamsAnswer, managed_team_fields
from api.contract.people.service_bodies import OwnedTeamBody
from api.contract.people.team_answers import TeamUsageAnswer
from api.contract.people.team_bodies import OwnerBody, TeamChangeBody
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.people.person_route import body_of, body_schema
from api.http.people.services.service_route import (
    ASKING,
    CHANGING,
    LISTING,
    ListParameters,
    Nothing,
    actor_of,
    directory_of,
)
from api.http.people.teams.team_route import TeamId
from api.http.people.teams.usage import UsageOfTeam, first_of, team_usage_of
from api.http.queries.periods import Period
from api.http.queries.query import now_of, problems, problems_of
from api.http.queries.reads import reads_of
from people.teams.teams import Teams
from people.teams.words import MAX_SLUG, SLUG, TeamFilters

router = APIRouter(route_class=AnswerRoute, tags=["directory"])
_TAKEN = problems_of("slug_taken")


class _Which(ListParameters):
    user_id: Id | None = Field(None, description="a user who is in the team")
    slug: Annotated[str, StringConstraints(max_length=MAX_SLUG, pattern=SLUG)] | None = None

    @property
    def filters(self) -> TeamFilters:
        """The teams that the parameters ask for."""
        return TeamFilters(self.user_id, self.slug)


def teams_of(request: Request) -> Teams:
    """All teams."""
    return directory_of(request).teams.teams


@router.get("/v1/teams", responses=LISTING, summary="Teams, or those of a user, or the one with a slug")
async def listed(request: Request, query: Annotated[_Which, Query()]) -> JsonAnswer[ManagedTeamsAnswer]:
    """The oldest first."""
    cursors, of = reads_of(request).cursors, ("teams", *query.filters)
    key = cursors.read(query.cursor, of, (datetime, str))
    found = await teams_of(request).page(query.filters, (key[0], key[1]) if key else None, query.limit + 1)
    shown = found[: query.limit]
    last = shown[-1] if len(found) > len(shown) else None
    following = None if last is None else cursors.make(of, last.created_at, last.team_id)
    return JsonAnswer({"teams": [managed_team_fields(one) for one in shown], "next_cursor": following})


@router.post(
    "/v1/teams",
    status_code=201,
    responses=CHANGING | problems_of("slug_taken", "deletion_requested", "validation_failed", "teams_limit_exceeded"),
    summary="Make a team for a user",
    openapi_extra=body_schema(OwnedTeamBody),
)
async def make(request: Request, query: Annotated[Nothing, Query()]) -> JsonAnswer[ManagedTeamAnswer]:
    """Its account opens without credits. Its slug keeps a repetition from making another one: `slug_taken`."""
    body, by = await body_of(request, OwnedTeamBody), actor_of(request).name
    made = await teams_of(request).make(body.owner_id, body.name, body.slug, by)
    return JsonAnswer(await _answer(request, made.team_id), 201)


@router.get("/v1/teams/{team_id}", responses=ASKING, summary="One team")
async def one(request: Request, team_id: TeamId, query: Annotated[Nothing, Query()]) -> JsonAnswer[ManagedTeamAnswer]:
    """With its owner."""
    return JsonAnswer(await _answer(request, team_id))


@router.patch(
    "/v1/teams/{team_id}",
    responses=CHANGING | _TAKEN,
    summary="Rename a team",
    openapi_extra=body_schema(TeamChangeBody),
)
async def rename(
    request: Request, team_id: TeamId, query: Annotated[Nothing, Query()]
) -> JsonAnswer[ManagedTeamAnswer]:
    """What is absent stays."""
    body = await body_of(request, TeamChangeBody)
    await teams_of(request).rename(actor_of(request), team_id, body.name, body.slug)
    return JsonAnswer(await _answer(request, team_id))


@router.delete(
    "/v1/teams/{team_id}",
    responses=ASKING | problems_of("team_in_use", "validation_failed", *REFUSALS["merge"]),
    summary="Delete a team of a user",
)
async def delete(request: Request, team_id: TeamId, query: Annotated[Nothing, Query()]) -> JsonAnswer[MessageAnswer]:
    """Its credits go to its owner's own account, and what its members have in it ends."""
    await teams_of(request).delete(actor_of(request), team_id)
    return JsonAnswer({"message": "The team is deleted. Its credits are in its owner's account."})


@router.post(
    "/v1/teams/{team_id}/owner",
    responses=CHANGING | problems_of("deletion_requested"),
    summary="Make a member of a team its owner",
    openapi_extra=body_schema(OwnerBody),
)
async def hand_over(
    request: Request, team_id: TeamId, query: Annotated[Nothing, Query()]
) -> JsonAnswer[ManagedTeamAnswer]:
    """The owner of before is an admin from now on."""
    body = await body_of(request, OwnerBody)
    await teams_of(request).hand_over(actor_of(request), team_id, body.user_id)
    return JsonAnswer(await _answer(request, team_id))


@router.get(
    "/v1/teams/{team_id}/usage",
    responses=ASKING | problems(409),
    summary="What a team used, and which member used it",
)
async def usage(
    request: Request, team_id: TeamId, query: Annotated[UsageOfTeam, Query()]
) -> JsonAnswer[TeamUsageAnswer]:
    """Of this local day, week or month until now."""
    await teams_of(request).managed(team_id)
    members = await directory_of(request).teams.members.of(team_id)
    today = now_of(request).astimezone(ZoneInfo(query.tz)).date()
    period = Period(first_of(query.period, today), today, ZoneInfo(query.tz))
    found = await team_usage_of(reads_of(request), team_id, members, query.period, period, query.min_position)
    return JsonAnswer(found)


async def _answer(request: Request, team_id: str) -> ManagedTeamAnswer:
    return {**managed_team_fields(await teams_of(request).managed(team_id))}
