"""What teams are about: teams, members and invitations, who acts on them, and what that needs of the service."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from ledger.store import EventLog
from people.errors import AccessRefused
from people.sign_in.letters import Tell
from people.teams.roles import Role

TEAM_PREFIX = "team_"
"""How the ids of teams begin, and those of their accounts."""
InvitedRole = Literal["admin", "member"]
"""The roles that are given. There is one owner, who hands the team over."""
Status = Literal["active", "suspended"]
MAX_TEAM_NAME, MAX_SLUG = 100, 50
"""Characters."""
SLUG = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
MOST_TEAMS = 20
"""Teams that one person may own: each has an account in the ledger."""
INVITED_FOR = timedelta(days=7)


class Actor(NamedTuple):
    """Who changes a team: a person; or an operator, or a service of the product, who may do what its owner may do."""

    name: str
    """For the audit log: the id of a user, `operator:` and the prefix of a key, or `key:` and the id of one."""
    user_id: str | None


@dataclass(frozen=True, slots=True)
class Team:
    """A team. Its account has the same id."""

    team_id: str
    name: str
    slug: str
    created_at: datetime
    account_opened_at: datetime | None
    deleting_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnTeam(Team):
    """A team of a person, with their role in it."""

    role: Role
    member_count: int


@dataclass(frozen=True, slots=True)
class ManagedTeam(Team):
    """A team, as the service of a product sees it."""

    owner_id: str
    member_count: int


class TeamFilters(NamedTuple):
    """Which teams are listed: those that a person is in, or the one with a slug. None lets all through."""

    user_id: str | None = None
    slug: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a team."""

    user_id: str
    name: str
    email: str
    role: Role
    status: Status
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that is open. The secret of its link is stored nowhere."""

    invitation_id: str
    team_id: str
    email: str
    role: InvitedRole
    invited_by: str
    invited_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenInvitation(Invitation):
    """An invitation as whoever has its link sees it."""

    team_name: str


class Seats(NamedTuple):
    """How many people a team may have, and how many seats are taken: open invitations take one each."""

    most: int
    members: int
    invited: int

    @property
    def free(self) -> int:
        """Seats to which nobody is invited."""
        return max(self.most - self.members - self.invited, 0)


@dataclass(frozen=True, slots=True)
class TeamSurroundings:
    """What teams need of the rest of the service."""

    log: EventLog
    clock: Callable[[], datetime]
    tell: Tell
    page: Callable[[str], str]
    """The address of a page, from its path below the dashboard. Raises AccessRefused: public_url_required."""
    open_account: Callable[[str], Awaitable[None]]
    """Opens the account of a team, without credits; once, however often it is called."""
    hand_over: Callable[[str, str], Awaitable[None]]
    """Moves the credits of a team's account to the account of a user, and closes it; once, however often it is called.
    Raises what says that it cannot be done."""
    seats: Callable[[str], Awaitable[int]]
    """How many people a team may have, with those who are invited."""
    own_page: Callable[[str], str]
    """The address of one of our own pages, also where `page` is about those of a product."""


def new_id(prefix: str) -> str:
    """An id with 80 random bits."""
    return f"{prefix}_{secrets.token_hex(10)}"


def not_there(what: str) -> AccessRefused:
    """The refusal of what does not exist, or is none of theirs: nobody learns which."""
    return AccessRefused("not_found", f"You have no such {what}.")


def missing_role(least: Role) -> AccessRefused:
    """The refusal of what their role does not allow."""
    detail = f"This takes the role {least} in the team." if least != "admin" else "This takes an admin or the owner."
    return AccessRefused("missing_role", detail, role=least)


def last_owner() -> AccessRefused:
    """The refusal of what would leave a team without its owner."""
    return AccessRefused("last_owner", "A team always has one owner. Make somebody else the owner first.")
