"""Routes of invitations: of those who invite into a team, and of those who have the mailed link."""

from fastapi import APIRouter, Request

from api.contract.people.answers import MessageAnswer
from api.contract.people.team_answers import (
    InvitationAnswer,
    InvitationsAnswer,
    OpenInvitationAnswer,
    TeamAnswer,
    invitation_fields,
    team_fields,
)
from api.contract.people.team_bodies import InvitationBody
from api.http.json_answer import JsonAnswer
from api.http.people.origins import origin_of
from api.http.people.person_route import PersonRoute, body_of, body_schema, person_of
from api.http.people.teams.team_route import InvitationId, MailedToken, TeamId, actor_of, role_in, teams_of
from api.http.people.teams.teams import ASKING, CHANGING
from api.http.people.tiers import tier_of
from api.http.queries.query import problems
from people.sign_in.words import canonical

router = APIRouter(route_class=PersonRoute, tags=["people"])


@router.post(
    "/api/teams/{team_id}/members",
    status_code=201,
    responses=CHANGING,
    summary="Invite somebody into a team",
    openapi_extra=body_schema(InvitationBody),
)
async def invite(request: Request, team_id: TeamId) -> JsonAnswer[InvitationAnswer]:
    """A link is mailed, which works for seven days. The invitation takes a seat. For admins and the owner."""
    body = await body_of(request, InvitationBody)
    actor, origin = actor_of(request), origin_of(request)
    made = await teams_of(request).invitations.invite(actor, team_id, canonical(body.email), body.role, origin)
    answer: InvitationAnswer = {**invitation_fields(made)}
    return JsonAnswer(answer, 201)


@router.get("/api/teams/{team_id}/invitations", responses=ASKING, summary="The open invitations of a team")
async def invitations(request: Request, team_id: TeamId) -> JsonAnswer[InvitationsAnswer]:
    """For admins and the owner."""
    await role_in(request, team_id, "admin")
    found = await teams_of(request).invitations.of(team_id)
    return JsonAnswer({"invitations": [invitation_fields(one) for one in found]})


@router.post(
    "/api/teams/{team_id}/invitations/{invitation_id}/resend",
    responses=ASKING | problems(429),
    summary="Mail an invitation again",
)
async def resend(request: Request, team_id: TeamId, invitation_id: InvitationId) -> JsonAnswer[InvitationAnswer]:
    """With another link, for seven days more; the earlier link ends. For admins and the owner."""
    actor, origin = actor_of(request), origin_of(request)
    sent = await teams_of(request).invitations.resend(actor, team_id, invitation_id, origin)
    answer: InvitationAnswer = {**invitation_fields(sent)}
    return JsonAnswer(answer)


@router.delete("/api/teams/{team_id}/invitations/{invitation_id}", responses=ASKING, summary="Withdraw an invitation")
async def withdraw(request: Request, team_id: TeamId, invitation_id: InvitationId) -> JsonAnswer[MessageAnswer]:
    """Its link ends, and its seat is free. For admins and the owner."""
    await teams_of(request).invitations.withdraw(actor_of(request), team_id, invitation_id)
    return JsonAnswer({"message": "The invitation is withdrawn."})


@router.get(
    "/api/invitations/{token}", responses=problems(404, 410, 422, 500, 503), summary="What a mailed link is about"
)
async def show(request: Request, token: MailedToken) -> JsonAnswer[OpenInvitationAnswer]:
    """Without a session: whoever has the link got the mail. It takes nothing, because mail scanners open links."""
    found = await teams_of(request).invitations.find(token)
    answer: OpenInvitationAnswer = {
        "team": {"id": found.team_id, "name": found.team_name},
        "email": found.email,
        "role": found.role,
        "expires_at": found.expires_at,
    }
    return JsonAnswer(answer, headers={"cache-control": "no-store"})


@router.post(
    "/api/invitations/{token}/acceptance",
    responses=ASKING | problems(409, 410),
    summary="Accept an invitation",
)
async def accept(request: Request, token: MailedToken) -> JsonAnswer[TeamAnswer]:
    """By the user who has the invited address, verified."""
    user, of_teams = person_of(request).user, teams_of(request)
    joined = await of_teams.invitations.accept(user, token)
    [team] = [one for one in await of_teams.teams.of(user.user_id) if one.team_id == joined.team_id]
    answer: TeamAnswer = {**team_fields(team, await tier_of(request, team.team_id))}
    return JsonAnswer(answer)
