"""What the service of a product is answered about users and teams."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from people.sign_in.users import ManagedUser, UserStatus
from people.teams.words import ManagedTeam

_NEXT = Annotated[str | None, Field(description="of the next page; null on the last one")]


class ManagedUserFields(TypedDict):
    """A user. Their own account has the same id, and opens when they first sign in here."""

    id: str
    external_id: Annotated[str | None, Field(description="the product's own name of the user")]
    email: str
    name: str
    status: UserStatus
    created_at: datetime
    last_login_at: datetime | None
    deletion_at: Annotated[datetime | None, Field(description="when the user is erased; null: never")]


class ManagedUserAnswer(Answer, ManagedUserFields):
    """A user. Their own account has the same id, and opens when they first sign in here."""


class ManagedUsersAnswer(Answer):
    """Users, the oldest first."""

    users: list[ManagedUserFields]
    next_cursor: _NEXT


class ManagedTeamFields(TypedDict):
    """A team. The account from which its members pay has the same id."""

    id: str
    name: str
    slug: str
    owner_id: Annotated[str, Field(description="the user who owns it")]
    member_count: int
    created_at: datetime


class ManagedTeamAnswer(Answer, ManagedTeamFields):
    """A team. The account from which its members pay has the same id."""


class ManagedTeamsAnswer(Answer):
    """Teams, the oldest first."""

    teams: list[ManagedTeamFields]
    next_cursor: _NEXT


def managed_user_fields(user: ManagedUser) -> ManagedUserFields:
    """A user as JSON."""
    return {
        "id": user.user_id,
        "external_id": user.external_id,
        "email": user.email,
        "name": user.name,
        "status": user.status,
        "created_at": user.created_at,
        "last_login_at": user.last_sign_in_at,
        "deletion_at": user.deletion_at,
    }


def managed_team_fields(team: ManagedTeam) -> ManagedTeamFields:
    """A team as JSON."""
    return {
        "id": team.team_id,
        "name": team.name,
        "slug": team.slug,
        "owner_id": team.owner_id,
        "member_count": team.member_count,
        "created_at": team.created_at,
    }
