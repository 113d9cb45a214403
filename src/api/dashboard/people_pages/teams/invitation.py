"""The page behind the link of an invitation: what it is about, and the button that accepts it."""

from starlette.requests import Request
from starlette.responses import Response

from api.contract.problems import STATUSES
from api.dashboard.current_user import AccountHolder, NotSignedIn, current_user_of
from api.dashboard.forms import read_form
from api.dashboard.people_pages.signing_in import spent
from api.dashboard.people_pages.teams.acting import teams_of
from api.dashboard.people_pages.teams.team import switched
from api.dashboard.person_forms import people_of
from api.dashboard.rendering import page
from people.errors import AccessRefused
from people.teams.words import OpenInvitation


async def show_invitation(request: Request) -> Response:
    """Show what an invitation is about. It takes nothing, because mail scanners open links."""
    return await _asked(request, accept=False)


async def accept_invitation(request: Request) -> Response:
    """Join the team, as the user of this session, and go on in its account."""
    await read_form(request)
    return await _asked(request, accept=True)


async def _asked(request: Request, *, accept: bool) -> Response:
    here, token, user = teams_of(request), request.path_params["token"], await _signed_in(request)
    try:
        found = await here.invitations.find(token)
    except AccessRefused:
        return await spent(request)
    if not accept or user is None or user.user_id is None:
        return await _show(request, found, user, None, 401 if accept else 200)
    try:
        joined = await here.invitations.accept(await people_of(request).sign_ins.user(user.user_id), token)
    except AccessRefused as error:
        if error.code == "token_spent":
            return await spent(request)
        return await _show(request, found, user, error.detail, STATUSES[error.code][0])
    return await switched(request, user, joined.team_id)


async def _show(
    request: Request, found: OpenInvitation, user: AccountHolder | None, error: str | None, status: int
) -> Response:
    back = f"?invitation={request.path_params['token']}"
    values = {"invitation": found, "signed_in": user is not None, "error": error, "back": back}
    return await page(request, "invitation.html", status=status, **values)


async def _signed_in(request: Request) -> AccountHolder | None:
    """Who signed in here in this browser, if anybody."""
    try:
        user = await current_user_of(request)
    except NotSignedIn:
        return None
    return user if isinstance(user, AccountHolder) and user.user_id is not None else None
