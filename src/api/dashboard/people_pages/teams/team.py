"""The page of a team: its name, its members and their roles, its seats and invitations; and what is done there."""

import re
from collections.abc import Mapping
from unicodedata import normalize

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.cookies import guard_of, set_session_cookie
from api.dashboard.current_user import AccountHolder, account_path, home_path, root_of, sessions_of, user_of
from api.dashboard.forms import one_line, read_form
from api.dashboard.people_pages.teams.acting import Refused, actor_of, manages, refused, role_of, team_of, teams_of
from api.dashboard.person_forms import WrongField, address_in, first_page, way_back
from api.dashboard.rendering import page
from api.http.people.origins import origin_of
from ledger.domain.commands import MAX_ID
from people.errors import AccessRefused
from people.sign_in.sign_ins import LONGEST
from people.sign_in.ways_back import HOME
from people.teams.people_in_teams import PeopleInTeams
from people.teams.words import MAX_SLUG, MAX_TEAM_NAME, SLUG, Actor, InvitedRole, last_owner

Form = Mapping[str, str]
_EMPTY = dict.fromkeys(("act", "email", "role", "name", "slug"), "")
_ROLES: dict[str, InvitedRole] = {"admin": "admin", "member": "member"}


async def team(request: Request) -> Response:
    """Show a team: its members to all of them, and its invitations to those who manage it."""
    return await _show(request, None)


async def _show(request: Request, problem: Refused | None, given: Form | None = None) -> Response:
    found, here = await team_of(request), teams_of(request)
    user, manager = user_of(request), manages(request)
    return await page(
        request,
        "team.html",
        status=problem.status if problem else 200,
        account_id=found.team_id,
        team=found,
        members=await here.members.of(found.team_id),
        seats=await here.members.seats(found.team_id),
        invitations=await here.invitations.of(found.team_id) if manager else [],
        role=role_of(request),
        manages=manager,
        tells_addresses=manager or user.is_operator,
        problem=problem,
        given={**_EMPTY, **(given or {})},
        longest=(MAX_TEAM_NAME, MAX_SLUG),
    )


async def change_team(request: Request) -> Response:
    """Carry out what a form of the page asks for, and show the team again; or say why not."""
    form, found = await read_form(request), await team_of(request)
    try:
        if form.get("act") in {"leave", "delete"}:
            return await _go(request, form, found.team_id, found.slug)
        await _carry_out(request, teams_of(request), form, actor_of(request), found.team_id)
    except AccessRefused as error:
        return await _show(request, refused(error), form)
    except WrongField as error:
        return await _show(request, Refused(422, str(error), error.field), form)
    return RedirectResponse(account_path(root_of(request), found.team_id, "team"), 303)


async def _carry_out(request: Request, here: PeopleInTeams, form: Form, actor: Actor, team_id: str) -> None:
    """Raises AccessRefused, WrongField, and HTTPException 400 for what the page does not offer."""
    user_id, invitation_id = _id_in(form, "user_id"), _id_in(form, "invitation_id")
    match form.get("act"):
        case "rename":
            await here.teams.rename(actor, team_id, name_in(form), slug_in(form))
        case "invite":
            email, role = address_in(dict(form)), _role_in(form)
            await here.invitations.invite(actor, team_id, email, role, origin_of(request))
        case "resend":
            await here.invitations.resend(actor, team_id, invitation_id, origin_of(request))
        case "withdraw":
            await here.invitations.withdraw(actor, team_id, invitation_id)
        case "role":
            await here.members.change(actor, team_id, user_id, _role_in(form), None)
        case "suspend":
            await here.members.change(actor, team_id, user_id, None, "suspended")
        case "reinstate":
            await here.members.change(actor, team_id, user_id, None, "active")
        case "remove":
            await here.members.remove(actor, team_id, user_id)
        case "hand_over":
            await here.teams.hand_over(actor, team_id, user_id)
        case _:
            raise HTTPException(400, "The form cannot be read.")


async def _go(request: Request, form: Form, team_id: str, slug: str) -> Response:
    """Leave or delete the team. This session goes on in the person's own account, with another cookie."""
    user, actor, here = user_of(request), actor_of(request), teams_of(request)
    if form["act"] == "delete":
        if form.get("slug") != slug:
            raise WrongField(f"Enter {slug} to delete the team.", "typed")
        await here.teams.delete(actor, team_id, user.secret)
    else:
        if actor.user_id is None:
            raise last_owner()
        await here.members.remove(actor, team_id, actor.user_id, user.secret)
    if not isinstance(user, AccountHolder):
        return RedirectResponse(home_path(root_of(request), None), 303)
    assert user.own_account_id is not None, "who signed in here has an account"
    return await switched(request, user, user.own_account_id)


async def switched(request: Request, user: AccountHolder, account_id: str) -> Response:
    """Show another account of a person, in which their session goes on. Raises HTTPException 404 for none of theirs."""
    cookie = await sessions_of(request).switch(user.secret, account_id, guard_of(request).mark)
    if cookie is None:
        raise HTTPException(404)
    root, back = root_of(request), way_back(request)
    place = first_page(root, back if back.account == account_id else HOME, home_path(root, account_id))
    response = RedirectResponse(place, 303)
    set_session_cookie(request, response, cookie, int(LONGEST.total_seconds()))
    return response


def name_in(form: Form) -> str:
    """The name of a team in a form. Raises WrongField."""
    name = one_line(form, "name")
    if not 1 <= len(name) <= MAX_TEAM_NAME:
        raise WrongField(f"The name of a team has 1 to {MAX_TEAM_NAME} characters.", "name")
    return name


def slug_in(form: Form) -> str:
    """The short name of a team. Raises WrongField."""
    slug = form.get("slug", "")
    if len(slug) > MAX_SLUG or not re.fullmatch(SLUG, slug):
        raise WrongField(f"A short name has 1 to {MAX_SLUG} of the characters a to z, 0 to 9, and - within it.", "slug")
    return slug


def with_slug(form: Form) -> Form:
    """The form of a team with a short name: the one that is written there, or else one made of the name.

    It is the name in small letters without accents, with - for all that is neither a letter nor a digit.
    """
    letters = normalize("NFKD", form.get("name", "")).encode("ascii", "ignore").decode().lower()
    made = re.sub("[^a-z0-9]+", "-", letters).strip("-")[:MAX_SLUG].rstrip("-")
    return {**form, "slug": form.get("slug", "") or made}


def _role_in(form: Form) -> InvitedRole:
    role = _ROLES.get(form.get("role", ""))
    if role is None:
        raise WrongField("Choose a role.", "role")
    return role


def _id_in(form: Form, name: str) -> str:
    return one_line(form, name)[:MAX_ID]
