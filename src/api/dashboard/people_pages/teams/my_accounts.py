"""The accounts of a person: their own, and those of their teams. A session is in one of them at a time."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.current_user import person_of
from api.dashboard.forms import one_line, read_form
from api.dashboard.people_pages.teams.acting import Refused, refused, teams_of
from api.dashboard.people_pages.teams.team import name_in, slug_in, switched, with_slug
from api.dashboard.person_forms import WrongField, way_back
from api.dashboard.rendering import page
from people.errors import AccessRefused
from people.teams.words import MAX_SLUG, MAX_TEAM_NAME


async def my_accounts(request: Request) -> Response:
    """Show the accounts of a person, with a button to go on in each, and the form of a new team."""
    return await _show(request, None)


async def _show(request: Request, problem: Refused | None, given: Mapping[str, str] | None = None) -> Response:
    user, user_id = person_of(request)
    return await page(
        request,
        "my_accounts.html",
        status=problem.status if problem else 200,
        own_account_id=user.own_account_id,
        current=user.account_id,
        teams=await teams_of(request).teams.of(user_id),
        problem=problem,
        back=way_back(request),
        given=given or {},
        longest=(MAX_TEAM_NAME, MAX_SLUG),
    )


async def switch_account(request: Request) -> Response:
    """Go on in another account of theirs, after a look at their role in it."""
    user, _ = person_of(request)
    form = await read_form(request)
    return await switched(request, user, one_line(form, "account_id"))


async def make_team(request: Request) -> Response:
    """Make a team, and go on in it."""
    user, user_id = person_of(request)
    form = with_slug(await read_form(request))
    try:
        made = await teams_of(request).teams.make(user_id, name_in(form), slug_in(form))
    except AccessRefused as error:
        return await _show(request, refused(error), form)
    except WrongField as error:
        return await _show(request, Refused(422, str(error), error.field), form)
    return await switched(request, user, made.team_id)
