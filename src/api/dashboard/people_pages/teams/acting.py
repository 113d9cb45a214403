"""What the pages of teams share: the team of a page, who acts on it, and what they are told when it is refused."""

from dataclasses import dataclass

from starlette.requests import Request

from api.contract.problems import STATUSES
from api.contract.scopes import PAGES
from api.dashboard.current_user import AccountHolder, page_not_found, user_of
from people.errors import AccessRefused
from people.teams.people_in_teams import PeopleInTeams
from people.teams.roles import Role, at_least
from people.teams.words import Actor, Team

_FIELDS = {"slug_taken": "slug", "already_member": "email"}
"""The fields of the pages of teams that refusals are about."""
_ACTS = PAGES["POST /accounts/{account_id}/team/limits"]


def teams_of(request: Request) -> PeopleInTeams:
    """The teams of this service. Raises HTTPException 404 where nobody signs in."""
    teams: PeopleInTeams | None = request.app.state.teams
    if teams is None:
        page_not_found()
    return teams


async def team_of(request: Request) -> Team:
    """The team of a page's account. Raises HTTPException 404 for an account of no team."""
    found = await teams_of(request).teams.find(request.path_params["account_id"])
    if found is None:
        page_not_found()
    return found


def actor_of(request: Request) -> Actor:
    """Who acts: a person who signed in here, or an operator."""
    user = user_of(request)
    if isinstance(user, AccountHolder):
        assert user.user_id is not None, "the table of scopes lets nobody in here whom the product sends"
        return Actor(user.user_id, user.user_id)
    return Actor(f"operator:{user.key.prefix}", None)


def role_of(request: Request) -> Role | None:
    """The role of who acts; an operator who may act counts as the owner, and one who may not has none."""
    user = user_of(request)
    if isinstance(user, AccountHolder):
        return user.role
    return "owner" if user.may(_ACTS) else None


def manages(request: Request) -> bool:
    """Whether who acts may manage the team."""
    return at_least(role_of(request), "admin")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a form was refused, as its page says it."""

    status: int
    sentence: str
    field: str = ""
    """The field that it is about; an empty text for none."""


def refused(error: AccessRefused) -> Refused:
    """A refusal as a page says it."""
    return Refused(STATUSES[error.code][0], error.detail, _FIELDS.get(error.code, ""))
