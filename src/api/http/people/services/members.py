"""Routes of the members of a team for services: listed, added, changed and removed."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.contract.people.answers import MessageAnswer
from api.contract.people.service_bodies import AddedMemberBody
from api.contract.people.team_answers import MemberAnswer, MembersAnswer, member_fields, seat_fields
from api.contract.people.team_bodies import MemberBody
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.people.person_route import body_of, body_schema
from api.http.people.services.service_route import ASKING, CHANGING, Nothing, UserId, actor_of, directory_of
from api.http.people.teams.team_route import TeamId
from api.http.queries.query import problems_of
from people.teams.members import Members
from people.teams.words import Member

router = APIRouter(route_class=AnswerRoute, tags=["directory"])
_PATH = "/v1/teams/{team_id}/members"


def members_of(request: Request) -> Members:
    """The members of all teams."""
    return directory_of(request).teams.members


@router.get(_PATH, responses=ASKING, summary="The members of a team, and its seats")
async def listed(request: Request, team_id: TeamId, query: Annotated[Nothing, Query()]) -> JsonAnswer[MembersAnswer]:
    """The oldest first. Those who are invited are in a list of their own."""
    await directory_of(request).teams.teams.managed(team_id)
    found, seats = await members_of(request).of(team_id), await members_of(request).seats(team_id)
    return JsonAnswer({"members": [member_fields(one, with_email=True) for one in found], "seats": seat_fields(seats)})


@router.post(
    _PATH,
    status_code=201,
    responses=CHANGING | problems_of("already_member", "seats_taken"),
    summary="Put a user into a team",
    openapi_extra=body_schema(AddedMemberBody),
)
async def add(request: Request, team_id: TeamId, query: Annotated[Nothing, Query()]) -> JsonAnswer[MemberAnswer]:
    """At once, without asking them: you know that they want it. An open invitation of theirs ends."""
    body = await body_of(request, AddedMemberBody)
    return JsonAnswer(_answer(await members_of(request).add(actor_of(request), team_id, body.user_id, body.role)), 201)


@router.patch(
    f"{_PATH}/{{user_id}}",
    responses=CHANGING | problems_of("last_owner"),
    summary="Change the role of a member, or suspend them",
    openapi_extra=body_schema(MemberBody),
)
async def change(
    request: Request, team_id: TeamId, user_id: UserId, query: Annotated[Nothing, Query()]
) -> JsonAnswer[MemberAnswer]:
    """The owner's role changes with `/owner`."""
    body = await body_of(request, MemberBody)
    changed = await members_of(request).change(actor_of(request), team_id, user_id, body.role, body.status)
    return JsonAnswer(_answer(changed))


@router.delete(
    f"{_PATH}/{{user_id}}", responses=ASKING | problems_of("last_owner"), summary="Remove a member from a team"
)
async def remove(
    request: Request, team_id: TeamId, user_id: UserId, query: Annotated[Nothing, Query()]
) -> JsonAnswer[MessageAnswer]:
    """Their sessions and keys in the team end at once."""
    await members_of(request).remove(actor_of(request), team_id, user_id)
    return JsonAnswer({"message": "The member is not in the team any more."})


def _answer(member: Member) -> MemberAnswer:
    return {**member_fields(member, with_email=True)}
