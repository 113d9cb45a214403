"""The people of a process of the service: those who sign in here, and all whom services manage."""

from api.runtime.people.provider import provider_sign_in
from api.runtime.people.sign_in import all_people, registration_of
from api.runtime.people.teams import all_teams
from api.runtime.settings import Settings
from api.runtime.telemetry.telemetry import Telemetry
from ledger.service import Ledger
from people.oidc.words import SignsInAtProvider
from people.sign_in.people import People
from people.teams.people_in_teams import PeopleInTeams
from people.users_and_teams import Directory

PeopleParts = tuple[People | None, SignsInAtProvider | None, PeopleInTeams | None, Directory]
"""The parts of a process that are about people, in the order in which it is wired."""


def people_in(settings: Settings, ledger: Ledger, telemetry: Telemetry) -> PeopleParts:
    """Those who sign in here, if anybody does; the provider of the product, if there is one; their teams; and all users
    and teams."""
    people, teams = all_people(settings, ledger), all_teams(settings, ledger)
    signs_in = registration_of(settings) != "off"
    directory = Directory(people.users, people.deletions, teams, signs_in)
    provider = provider_sign_in(settings, ledger, telemetry)
    return people if signs_in else None, provider, teams if signs_in else None, directory
