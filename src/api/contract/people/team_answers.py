"""What people in teams are answered: in the shapes that front ends of such products expect, with more beside them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer, AsOf
from api.contract.people.usage import UsageCounts
from people.teams.roles import Role
from people.teams.words import Invitation, InvitedRole, Member, OwnTeam, Seats, Status


class TeamFields(TypedDict):
    """A team. The account from which its members pay has the same id."""

    id: str
    name: str
    slug: str
    role: Annotated[Role, Field(description="that of the person who asks")]
    member_count: int
    tier: Annotated[str, Field(description="the plan of the team's active subscription; `free` without one")]
    created_at: datetime


class TeamAnswer(Answer, TeamFields):
    """A team. The account from which its members pay has the same id."""


class TeamsAnswer(Answer):
    """The teams of a person, the oldest first."""

    teams: list[TeamFields]


class MemberFields(TypedDict):
    """A person in a team."""

    id: str
    user_id: Annotated[str, Field(description="the same, and `member` in the usage of the team's account")]
    name: str
    email: Annotated[str | None, Field(description="null for those who may not manage members")]
    role: Role
    status: Status
    joined_at: datetime


class MemberAnswer(Answer, MemberFields):
    """A person in a team."""


class SeatFields(TypedDict):
    """The seats of a team. An open invitation takes one."""

    max_members: int
    members: int
    invited: int


class MembersAnswer(Answer):
    """The members of a team, the oldest first, and its seats."""

    members: list[MemberFields]
    seats: SeatFields


class InvitationFields(TypedDict):
    """An open invitation."""

    id: str
    email: str
    role: InvitedRole
    status: Literal["invited"]
    invited_by: str
    invited_at: datetime
    expires_at: datetime


class InvitationAnswer(Answer, InvitationFields):
    """An open invitation."""


class InvitationsAnswer(Answer):
    """The open invitations of a team, the oldest first."""

    invitations: list[InvitationFields]


class InvitedTeam(TypedDict):
    """The team of an invitation."""

    id: str
    name: str


class OpenInvitationAnswer(Answer):
    """What a mailed link is about."""

    team: InvitedTeam
    email: Annotated[str, Field(description="only the user with this address can accept it")]
    role: InvitedRole
    expires_at: datetime


class MemberUsage(UsageCounts):
    """What one member used."""

    user_id: Annotated[str | None, Field(description="null: usage that names no member")]
    name: Annotated[str | None, Field(description="null for who is no member, or not any more")]
    credits: int
    count: Annotated[int, Field(description="deductions and captures")]
    usage: Annotated[dict[str, int], Field(description="the quantity of each metric that usage named")]


class TeamUsageAnswer(AsOf):
    """What a team used in a period, and who used it. Members who used nothing have zeros."""

    team_id: str
    period: str
    start: datetime
    end: datetime
    total_credits: int
    total_usage: UsageCounts
    usage: Annotated[dict[str, int], Field(description="the quantity of each metric that usage named")]
    member_breakdown: Annotated[list[MemberUsage], Field(description="whoever used most first")]
    truncated: Annotated[bool, Field(description="whether smaller groups are left out: there are too many")]


def team_fields(team: OwnTeam, tier: str) -> TeamFields:
    """A team as JSON."""
    return {
        "id": team.team_id,
        "name": team.name,
        "slug": team.slug,
        "role": team.role,
        "member_count": team.member_count,
        "tier": tier,
        "created_at": team.created_at,
    }


def member_fields(member: Member, *, with_email: bool) -> MemberFields:
    """A member as JSON."""
    return {
        "id": member.user_id,
        "user_id": member.user_id,
        "name": member.name,
        "email": member.email if with_email else None,
        "role": member.role,
        "status": member.status,
        "joined_at": member.joined_at,
    }


def seat_fields(seats: Seats) -> SeatFields:
    """The seats as JSON."""
    return {"max_members": seats.most, "members": seats.members, "invited": seats.invited}


def invitation_fields(invitation: Invitation) -> InvitationFields:
    """An invitation as JSON."""
    return {
        "id": invitation.invitation_id,
        "email": invitation.email,
        "role": invitation.role,
        "status": "invited",
        "invited_by": invitation.invited_by,
        "invited_at": invitation.invited_at,
        "expires_at": invitation.expires_at,
    }
