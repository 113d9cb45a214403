"""The teams of this service, and who is in them."""

from typing import NamedTuple

from people.teams.invitations import Invitations
from people.teams.members import Members
from people.teams.teams import Teams
from people.teams.words import TeamSurroundings


class PeopleInTeams(NamedTuple):
    """What a process does for people in teams."""

    teams: Teams
    members: Members
    invitations: Invitations

    @classmethod
    def around(cls, around: TeamSurroundings) -> "PeopleInTeams":
        """Its parts, which share their surroundings."""
        return cls(Teams(around), Members(around), Invitations(around))
