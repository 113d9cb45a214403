"""Register and sign in: with a password, or with a mailed link."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.cookies import guard_of, session_cookie, set_session_cookie
from api.dashboard.current_user import home_path, root_of, sessions_of
from api.dashboard.forms import read_form
from api.dashboard.person_forms import (
    ADDRESS,
    NAME,
    NEW_PASSWORD,
    PASSWORD,
    WITH_PASSWORD,
    Form,
    WrongField,
    address_in,
    first_page,
    name_in,
    password_in,
    people_of,
    show,
    show_again,
    way_back,
)
from api.dashboard.rendering import page
from api.http import metrics
from api.http.people.origins import origin_of
from people.errors import AccessRefused
from people.sign_in.sign_ins import LONGEST
from people.sign_in.ways_back import WayBack
from people.sign_in.words import SignedIn

Fields = dict[str, str]
Link = tuple[str, str]
"""A path below the dashboard, and what it is called."""
_SIGN_IN = ("sign-in", "Sign in")
REGISTER = Form(
    "Register",
    "We mail you a link. Open it to get your account.",
    "Register",
    (ADDRESS, NAME, NEW_PASSWORD),
    (_SIGN_IN,),
)
VERIFY = Form(
    "Confirm your address",
    "Enter the password that you chose. This makes sure that it was you who registered.",
    "Confirm",
    (PASSWORD,),
    (("register", "Register again"),),
)
BY_MAIL = Form("Sign in by mail", "We mail you a link that signs you in.", "Mail me a link", (ADDRESS,), (_SIGN_IN,))
LINK = Form(
    "Sign in", "You opened a link that signs you in, once.", "Sign in", (), (("sign-in", "Sign in with a password"),)
)
_MAILED = "If this address can get one, a mail is on its way. Open the link in it."


async def show_register(request: Request) -> Response:
    """Show the form."""
    people_of(request)
    return await show(request, REGISTER)


async def register(request: Request) -> Response:
    """Mail a link. The page says the same whether the address is known or not."""

    async def ask(fields: Fields) -> Response:
        email, password, name = address_in(fields), password_in(fields), name_in(fields)
        registrations, invitation = people_of(request).registrations, way_back(request).invitation
        await registrations.register(email, password, name, origin_of(request), invitation)
        return await mailed(request)

    return await submitted(request, REGISTER, ask)


async def show_verify(request: Request) -> Response:
    """Ask for the password of a registration, if its link opens."""
    if not await people_of(request).registrations.is_open(request.path_params["token"]):
        return await spent(request)
    return await show(request, VERIFY)


async def verify(request: Request) -> Response:
    """Make the user, and sign them in."""

    async def ask(fields: Fields) -> Response:
        token, mark = request.path_params["token"], guard_of(request).mark
        made = await people_of(request).registrations.verify(
            token, password_in(fields), origin_of(request), "page", mark
        )
        return await signed_in(request, made, "link")

    return await submitted(request, VERIFY, ask)


async def with_password(request: Request) -> Response:
    """Sign in with a password."""

    async def ask(fields: Fields) -> Response:
        email, password = address_in(fields), password_in(fields)
        made = await people_of(request).sign_ins.with_password(
            email, password, origin_of(request), "page", guard_of(request).mark
        )
        return await signed_in(request, made, "password")

    return await submitted(request, WITH_PASSWORD, ask)


async def show_by_mail(request: Request) -> Response:
    """Show the form."""
    people_of(request)
    return await show(request, BY_MAIL)


async def by_mail(request: Request) -> Response:
    """Mail a link that signs in."""

    async def ask(fields: Fields) -> Response:
        await people_of(request).recovery.ask_link(address_in(fields), origin_of(request), way_back(request))
        return await mailed(request)

    return await submitted(request, BY_MAIL, ask)


async def show_link(request: Request) -> Response:
    """Show a button, because mail scanners open links too."""
    if not await people_of(request).sign_ins.is_usable(request.path_params["token"], "link"):
        return await spent(request)
    return await show(request, LINK)


async def open_link(request: Request) -> Response:
    """Sign in with a mailed link."""

    async def ask(_: Fields) -> Response:
        token, mark = request.path_params["token"], guard_of(request).mark
        made = await people_of(request).sign_ins.with_link(token, origin_of(request), "page", mark)
        return await signed_in(request, made, "link")

    return await submitted(request, LINK, ask)


async def submitted(request: Request, form: Form, ask: Callable[[Fields], Awaitable[Response]]) -> Response:
    """What comes of a form of people who sign in here."""
    people_of(request)
    return await submitted_to(request, form, ask)


async def submitted_to(request: Request, form: Form, ask: Callable[[Fields], Awaitable[Response]]) -> Response:
    """What comes of a form: its own answer, the form with what was wrong, or that its link is spent."""
    fields = await read_form(request)
    try:
        return await ask(fields)
    except AccessRefused as error:
        if error.code == "token_spent":
            return await spent(request)
        return await show_again(request, form, error, fields)
    except WrongField as error:
        return await show_again(request, form, error, fields)


async def signed_in(request: Request, made: SignedIn, by: str) -> Response:
    """Begin the session in this browser with a new cookie. The one before ends.

    It goes on where the address of the page says, or else in their own account.
    """
    before = session_cookie(request)
    if before is not None:
        await sessions_of(request).end(before)
    metrics.count_sign_in(by, "done")
    cookie, place = await goes_on(request, made.token, way_back(request), made.user.user_id)
    response = RedirectResponse(place, 303)
    set_session_cookie(request, response, cookie, int(LONGEST.total_seconds()))
    return response


async def goes_on(request: Request, cookie: str, back: WayBack, account_id: str | None) -> tuple[str, str]:
    """The cookie and the address with which somebody goes on whose session began in an account, or in none.

    A way back to a page of another account of theirs leads there, and the session with it; to any other account, home.
    """
    root = root_of(request)
    home = home_path(root, account_id)
    if not back.account or back.account == account_id:
        return cookie, first_page(root, back, home)
    switched = await sessions_of(request).switch(cookie, back.account, guard_of(request).mark)
    return (switched, first_page(root, back, home)) if switched else (cookie, home)


async def mailed(request: Request) -> Response:
    """Say that a mail is on its way, whether one is or not."""
    return await notice(request, "Look into your mail", _MAILED, status=202, again=True)


async def notice(
    request: Request, title: str, says: str, *, status: int = 200, again: bool = False, onward: Link = _SIGN_IN
) -> Response:
    """Say something, with a link onward, which goes on where the address of the page says; and `again`, with the way
    back to the form of this page."""
    values = {"title": title, "says": says, "again": again, "onward": onward, "back": way_back(request).query}
    return await page(request, "person_notice.html", status=status, **values)


async def spent(request: Request) -> Response:
    """Say that a mailed link is of no use any more."""
    says = "Each link works once and for a while, and ends when your address or password changes."
    return await notice(request, "This link is of no use any more", says, status=410)
