"""The routes of teams: members, invitations, limits and usage."""

from api.http.people.teams import invitations, limits, teams, usage

TEAM_ROUTES = (teams, invitations, limits, usage)
"""The modules with their routers."""
