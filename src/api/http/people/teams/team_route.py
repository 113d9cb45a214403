"""What the routes of teams have in common: the teams of the service, who acts, and what they may do in a team."""

from typing import Annotated

from fastapi import Path, Request

from api.contract.bodies import SEGMENT
from api.http.people.person_route import key_of, person_of, user_of
from ledger.domain.commands import MAX_ID
from people.teams.people_in_teams import PeopleInTeams
from people.teams.roles import Role, at_least
from people.teams.words import Actor, missing_role, not_there

TeamId = Annotated[str, Path(pattern="^team_[0-9a-f]{20}$")]
MemberId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=SEGMENT)]
InvitationId = Annotated[str, Path(pattern="^inv_[0-9a-f]{20}$")]
MailedToken = Annotated[str, Path(min_length=1, max_length=200, pattern="^[A-Za-z0-9._-]+$")]


def teams_of(request: Request) -> PeopleInTeams:
    """The teams of this service. Only a request that passed a PersonRoute comes here: people sign in here."""
    teams: PeopleInTeams | None = request.app.state.teams
    assert teams is not None, "there are teams where people sign in"
    return teams


def actor_of(request: Request) -> Actor:
    """Who asks, as the one who changes a team."""
    user_id = person_of(request).user.user_id
    return Actor(user_id, user_id)


async def role_in(request: Request, team_id: str, least: Role = "member") -> Role:
    """The role of who asks in a team. Raises AccessRefused: not_found, also to the key of another account, and
    missing_role for a role below `least`."""
    teams, key = teams_of(request).teams, key_of(request)
    role = await teams.role(user_of(request).user_id, team_id)
    if role is None or (key is not None and key.account_id != team_id):
        raise not_there("team")
    if not at_least(role, least):
        raise missing_role(least)
    return role
