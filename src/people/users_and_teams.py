"""All users and teams, as the service of a product manages them: whether or not anybody signs in here."""

from typing import NamedTuple

from people.sign_in.deletion import Deletions
from people.sign_in.users import Users
from people.teams.people_in_teams import PeopleInTeams


class Directory(NamedTuple):
    """What services ask about users and teams."""

    users: Users
    deletions: Deletions
    teams: PeopleInTeams
    signs_in: bool
    """Whether people sign in here with a password or a mailed link: who does not can accept no invitation."""
