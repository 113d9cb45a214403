"""The routes with which the service of a product manages users and teams."""

from api.http.people.services import invitations, members, teams, users

SERVICE_ROUTES = (users, teams, members, invitations)
"""The modules that have a router."""
