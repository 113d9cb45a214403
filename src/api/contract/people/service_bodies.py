"""The bodies with which the service of a product manages users and teams."""

from typing import Annotated, Literal

from pydantic import Field

from api.contract.bodies import Body, Id
from api.contract.people.bodies import Email, Name
from api.contract.people.team_bodies import Slug, TeamName, UserId
from people.sign_in.users import UserStatus
from people.teams.words import InvitedRole

ExternalId = Annotated[
    Id, Field(description="the product's own name of the user, which no other user has: the `sub` of its provider")
]


class UserBody(Body):
    """Make a user, whose address the product has verified."""

    email: Email
    email_verified: Literal[True] = Field(
        description="that the address is theirs. Whom you cannot vouch for is invited into a team, or registers"
    )
    name: Name = ""
    external_id: ExternalId | None = None


class UserChangesBody(Body):
    """Change a user. What is absent or null stays."""

    name: Name | None = None
    external_id: ExternalId | None = None
    status: UserStatus | None = Field(
        None, description="who is `disabled` signs in nowhere, and their keys open nothing, until they are `active`"
    )


class OwnedTeamBody(Body):
    """Make a team for a user."""

    name: TeamName
    slug: Slug
    owner_id: Annotated[UserId, Field(description="the user who owns it")]


class AddedMemberBody(Body):
    """Put a user into a team."""

    user_id: UserId
    role: InvitedRole = "member"


SERVICE_BODIES = (UserBody, UserChangesBody, OwnedTeamBody, AddedMemberBody)
