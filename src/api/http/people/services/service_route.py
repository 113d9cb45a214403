"""What the routes of services about users and teams have in common: whom they ask, who acts, and pages of lists."""

from typing import Annotated

from fastapi import Path, Request
from pydantic import Field

from api.contract.cursors import MAX_CURSOR
from api.http.queries.query import MAX_PAGE, Parameters, problems, problems_of
from api.http.requests.callers import caller_of
from people.sign_in.words import Origin
from people.teams.words import Actor
from people.users_and_teams import Directory

UserId = Annotated[str, Path(pattern="^usr_[0-9a-f]{20}$")]
LISTING = problems(401, 403, 422, 429, 500, 503)
ASKING = LISTING | problems_of("not_found")
CHANGING = ASKING | problems(400, 413, 415)
"""The error answers of a list, of a route about one thing, and of one that takes a body."""


class Nothing(Parameters):
    """No parameters."""


class ListParameters(Parameters):
    """The parameters of a list."""

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the previous page")


def directory_of(request: Request) -> Directory:
    """All users and teams."""
    directory: Directory = request.app.state.directory
    return directory


def actor_of(request: Request) -> Actor:
    """The service, by its key. It may do in a team what the owner may do."""
    return Actor(caller_of(request.scope).actor, None)


def origin_of(request: Request) -> Origin:
    """Where invitations come from, for their throttle: the key, because all of a service come from one network."""
    return Origin(caller_of(request.scope).actor, request.headers.get("user-agent"))
