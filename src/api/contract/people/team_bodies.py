"""The bodies of people in teams: how a team is called, whom it invites, what its members may do."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.contract.bodies import ONE_LINE, SEGMENT, Body
from api.contract.people.bodies import Email
from ledger.domain.commands import MAX_ID
from people.teams.words import MAX_SLUG, MAX_TEAM_NAME, SLUG, InvitedRole, Status

TeamName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEAM_NAME, pattern=ONE_LINE)]
Slug = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_SLUG, pattern=SLUG),
    Field(description="the team's short name, which no other team has"),
]
UserId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=SEGMENT)]


class TeamBody(Body):
    """Make a team."""

    name: TeamName
    slug: Slug


class TeamChangeBody(Body):
    """Call a team something else."""

    name: TeamName | None = None
    slug: Slug | None = None


class InvitationBody(Body):
    """Invite somebody."""

    email: Email
    role: InvitedRole = "member"


class MemberBody(Body):
    """Change what a member may do."""

    role: InvitedRole | None = None
    status: Annotated[Status | None, Field(description="who is suspended keeps the seat, and has no access")] = None


class OwnerBody(Body):
    """Hand a team over."""

    user_id: Annotated[UserId, Field(description="an active member")]


TEAM_BODIES = (TeamBody, TeamChangeBody, InvitationBody, MemberBody, OwnerBody)
