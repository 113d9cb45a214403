"""The page on which operators find people and teams, and go on to their accounts."""

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.forms import LONGEST_SEARCH, searched
from api.dashboard.people_pages.teams.acting import teams_of
from api.dashboard.rendering import page
from api.http.queries.reads import reads_of
from people.directory import MOST, people_with, teams_with


async def directory(request: Request) -> Response:
    """Show the newest people and teams, or those that a text is about.

    Raises HTTPException 404 where nobody signs in, and Problem for a text that is too long or has control characters.
    """
    teams_of(request)
    text = searched(request)
    async with reads_of(request).ledger.log.connection() as connection:
        people, teams = await people_with(connection, text), await teams_with(connection, text)
    return await page(
        request, "directory.html", text=text, found=people, teams=teams, most=MOST, longest=LONGEST_SEARCH
    )
