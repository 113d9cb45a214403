"""Routes of the invitations into a team for services: by mail, sent again and withdrawn."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.contract.people.answers import MessageAnswer
from api.contract.people.team_answers import InvitationAnswer, InvitationsAnswer, invitation_fields
from api.contract.people.team_bodies import InvitationBody
from api.contract.problems import Problem
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.people.person_route import body_of, body_schema
from api.http.people.services.service_route import ASKING, CHANGING, Nothing, actor_of, directory_of, origin_of
from api.http.people.teams.team_route import InvitationId, TeamId
from api.http.queries.query import LINKS_NEED, problems_of
from people.sign_in.words import canonical
from people.teams.invitations import Invitations
from people.teams.words import Invitation

router = APIRouter(route_class=AnswerRoute, tags=["directory"])
_PATH = "/v1/teams/{team_id}/invitations"
_MAILING = problems_of("missing_scope", "registration_closed", *LINKS_NEED)


def invitations_of(request: Request) -> Invitations:
    """The invitations of all teams."""
    return directory_of(request).teams.invitations


def _mailing(request: Request) -> Invitations:
    """The same, for whoever mails one. Raises Problem where nobody could accept it."""
    if not directory_of(request).signs_in:
        detail = "Nobody signs in here who could accept an invitation. Make users, and put them into the team."
        raise Problem("registration_closed", detail)
    return invitations_of(request)


@router.get(_PATH, responses=ASKING, summary="The open invitations into a team")
async def listed(
    request: Request, team_id: TeamId, query: Annotated[Nothing, Query()]
) -> JsonAnswer[InvitationsAnswer]:
    """The oldest first."""
    await directory_of(request).teams.teams.managed(team_id)
    return JsonAnswer({"invitations": [invitation_fields(one) for one in await invitations_of(request).of(team_id)]})


@router.post(
    _PATH,
    status_code=201,
    responses=CHANGING | _MAILING | problems_of("already_member", "seats_taken"),
    summary="Invite an address into a team",
    openapi_extra=body_schema(InvitationBody),
)
async def invite(request: Request, team_id: TeamId, query: Annotated[Nothing, Query()]) -> JsonAnswer[InvitationAnswer]:
    """A link is mailed, which works for seven days, for the user with that address. The invitation takes a seat."""
    body, asked = await body_of(request, InvitationBody), _mailing(request)
    email, origin = canonical(body.email), origin_of(request)
    return JsonAnswer(_answer(await asked.invite(actor_of(request), team_id, email, body.role, origin)), 201)


@router.post(
    f"{_PATH}/{{invitation_id}}/resend", responses=ASKING | _MAILING, summary="Mail an invitation into a team again"
)
async def resend(
    request: Request, team_id: TeamId, invitation_id: InvitationId, query: Annotated[Nothing, Query()]
) -> JsonAnswer[InvitationAnswer]:
    """With another link, for seven days more; the earlier link ends."""
    sent = await _mailing(request).resend(actor_of(request), team_id, invitation_id, origin_of(request))
    return JsonAnswer(_answer(sent))


@router.delete(f"{_PATH}/{{invitation_id}}", responses=ASKING, summary="Withdraw an invitation into a team")
async def withdraw(
    request: Request, team_id: TeamId, invitation_id: InvitationId, query: Annotated[Nothing, Query()]
) -> JsonAnswer[MessageAnswer]:
    """Its link ends, and its seat is free."""
    await invitations_of(request).withdraw(actor_of(request), team_id, invitation_id)
    return JsonAnswer({"message": "The invitation is withdrawn."})


def _answer(invitation: Invitation) -> InvitationAnswer:
    return {**invitation_fields(invitation)}
