"""Routes of teams: what a person's teams are, who is in them, and what they may do."""

from fastapi import APIRouter, Request

from api.contract.people.answers import MessageAnswer
from api.contract.people.team_answers import (
    MemberAnswer,
    MembersAnswer,
    TeamAnswer,
    TeamsAnswer,
    member_fields,
    seat_fields,
    team_fields,
)
from api.contract.people.team_bodies import MemberBody, OwnerBody, TeamBody, TeamChangeBody
from api.http.json_answer import JsonAnswer
from api.http.people.person_route import PROBLEMS, PersonRoute, body_of, body_schema, person_of
from api.http.people.teams.team_route import MemberId, TeamId, actor_of, role_in, teams_of
from api.http.people.tiers import tier_of
from api.http.queries.query import problems
from people.teams.roles import at_least
from people.teams.words import not_there

router = APIRouter(route_class=PersonRoute, tags=["people"])
ASKING = problems(401, 403, 404, 422, 500, 503)
WITH_KEY = ASKING | problems(429)
CHANGING = PROBLEMS | problems(401, 403, 409)
"""The error answers of routes about a team, without and with a body; and of those that take keys too, without one."""


@router.get("/api/teams", responses=ASKING, summary="The teams of a person")
async def teams(request: Request) -> JsonAnswer[TeamsAnswer]:
    """With their role in each."""
    found = await teams_of(request).teams.of(person_of(request).user.user_id)
    listed = [team_fields(team, await tier_of(request, team.team_id)) for team in found]
    return JsonAnswer({"teams": listed})


@router.post(
    "/api/teams", status_code=201, responses=CHANGING, summary="Make a team", openapi_extra=body_schema(TeamBody)
)
async def make_team(request: Request) -> JsonAnswer[TeamAnswer]:
    """Its account opens without credits: they are given to people, once. Whoever makes a team owns it."""
    body = await body_of(request, TeamBody)
    made = await teams_of(request).teams.make(person_of(request).user.user_id, body.name, body.slug)
    return JsonAnswer(await _answer(request, made.team_id), 201)


@router.patch(
    "/api/teams/{team_id}",
    responses=CHANGING,
    summary="Call a team something else",
    openapi_extra=body_schema(TeamChangeBody),
)
async def change_team(request: Request, team_id: TeamId) -> JsonAnswer[TeamAnswer]:
    """What is absent stays. For admins and the owner."""
    body = await body_of(request, TeamChangeBody)
    await teams_of(request).teams.rename(actor_of(request), team_id, body.name, body.slug)
    return JsonAnswer(await _answer(request, team_id))


@router.delete("/api/teams/{team_id}", responses=ASKING | problems(409, 429), summary="Delete a team")
async def delete_team(request: Request, team_id: TeamId) -> JsonAnswer[MessageAnswer]:
    """Its credits go to its owner's own account, and what its members have in it ends. For the owner."""
    await teams_of(request).teams.delete(actor_of(request), team_id)
    return JsonAnswer({"message": "The team is deleted. Its credits are in your own account."})


@router.get("/api/teams/{team_id}/members", responses=WITH_KEY, summary="The members of a team")
async def members(request: Request, team_id: TeamId) -> JsonAnswer[MembersAnswer]:
    """And its seats. Addresses are told to admins and the owner."""
    role = await role_in(request, team_id)
    of_members, manages = teams_of(request).members, at_least(role, "admin")
    listed = [member_fields(one, with_email=manages) for one in await of_members.of(team_id)]
    return JsonAnswer({"members": listed, "seats": seat_fields(await of_members.seats(team_id))})


@router.patch(
    "/api/teams/{team_id}/members/{user_id}",
    responses=CHANGING,
    summary="Change the role or the status of a member",
    openapi_extra=body_schema(MemberBody),
)
async def change_member(request: Request, team_id: TeamId, user_id: MemberId) -> JsonAnswer[MemberAnswer]:
    """For admins and the owner. The owner's role changes with `/owner`."""
    body = await body_of(request, MemberBody)
    changed = await teams_of(request).members.change(actor_of(request), team_id, user_id, body.role, body.status)
    answer: MemberAnswer = {**member_fields(changed, with_email=True)}
    return JsonAnswer(answer)


@router.delete(
    "/api/teams/{team_id}/members/{user_id}", responses=ASKING | problems(409), summary="Remove a member, or leave"
)
async def remove_member(request: Request, team_id: TeamId, user_id: MemberId) -> JsonAnswer[MessageAnswer]:
    """Their sessions in the team end at once. Everybody but the owner may leave; admins and the owner remove others."""
    await teams_of(request).members.remove(actor_of(request), team_id, user_id)
    return JsonAnswer({"message": "The member is not in the team any more."})


@router.post(
    "/api/teams/{team_id}/owner",
    responses=CHANGING,
    summary="Make a member the owner",
    openapi_extra=body_schema(OwnerBody),
)
async def change_owner(request: Request, team_id: TeamId) -> JsonAnswer[TeamAnswer]:
    """The owner of before is an admin from now on. For the owner."""
    body = await body_of(request, OwnerBody)
    await teams_of(request).teams.hand_over(actor_of(request), team_id, body.user_id)
    return JsonAnswer(await _answer(request, team_id))


async def _answer(request: Request, team_id: str) -> TeamAnswer:
    """A team as the person who asks sees it. Raises AccessRefused: not_found."""
    found = await teams_of(request).teams.of(person_of(request).user.user_id)
    team = next((one for one in found if one.team_id == team_id), None)
    if team is None:
        raise not_there("team")
    return {**team_fields(team, await tier_of(request, team_id))}
