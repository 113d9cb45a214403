"""The forms of people: their fields, and the page that shows one with what was wrong about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from api.contract.problems import STATUSES
from api.dashboard.current_user import account_path, page_not_found
from api.dashboard.rendering import page
from api.http.people.key_lists import account_keys_of
from people.errors import AccessRefused
from people.oidc.words import SignsInAtProvider
from people.sign_in.passwords import LONGEST, SHORTEST
from people.sign_in.people import People
from people.sign_in.ways_back import WayBack
from people.sign_in.words import MAX_EMAIL, MAX_NAME, MadeKey, canonical, is_address


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form, as browsers and their keepers of passwords know it."""

    name: str
    label: str
    type: str
    autocomplete: str
    hint: str = ""
    longest: int = LONGEST
    shortest: int = 1
    required: bool = True


ADDRESS = Field("email", "Email address", "email", "username", longest=MAX_EMAIL)
PASSWORD = Field("password", "Password", "password", "current-password")
NEW_PASSWORD = Field(
    "password", "New password", "password", "new-password", f"At least {SHORTEST} characters.", shortest=SHORTEST
)
NAME = Field("name", "Name", "text", "name", longest=MAX_NAME, required=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A page with one form: what it says, what it asks, and what its button does."""

    title: str
    says: str
    button: str
    fields: tuple[Field, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """Paths below the dashboard, and what each of them is called."""
    keys: tuple[MadeKey, ...] = ()
    """API keys that it asks about: whether they end too."""


WITH_PASSWORD = Form(
    "Sign in",
    "",
    "Sign in",
    (ADDRESS, PASSWORD),
    (("sign-in/link", "Sign in by mail"), ("reset", "I forgot my password"), ("register", "Register")),
)
"""The form of the page on which everybody signs in."""


class WrongField(Exception):
    """A field of a form that cannot be used: its sentence, and its name."""

    def __init__(self, sentence: str, field: str) -> None:
        super().__init__(sentence)
        self.field = field


FIELDS: Mapping[str, str] = {"wrong_credentials": "password", "password_too_weak": "password"}
"""The fields that refusals are about."""


def field_of(error: Exception) -> str:
    """The field that an error is about; an empty text for the form as a whole."""
    return error.field if isinstance(error, WrongField) else FIELDS.get(getattr(error, "code", ""), "")


def people_of(request: Request) -> People:
    """The people of this service. Raises HTTPException 404 when nobody signs in here."""
    people: People | None = request.app.state.people
    if people is None:
        page_not_found()
    return people


def provider_of(request: Request) -> SignsInAtProvider | None:
    """How people sign in at the provider of the product; None without one."""
    found: SignsInAtProvider | None = request.app.state.identity_provider
    return found


def way_back(request: Request) -> WayBack:
    """Where somebody goes on who signs in, as the address of the page says it."""
    return WayBack.of(request.query_params.get("invitation", ""), request.query_params.get("to", ""))


def first_page(root: str, back: WayBack, home: str) -> str:
    """The page on which somebody goes on who has signed in."""
    if back.invitation:
        return f"{root}/invitation/{back.invitation}"
    if back.account:
        return account_path(root, back.account, *back.below)
    return f"{root}/settings" if back.settings else home


async def show(
    request: Request,
    form: Form,
    *,
    status: int = 200,
    error: str | None = None,
    wrong: str = "",
    given: dict[str, str] | None = None,
) -> Response:
    """Show a form, with what was wrong, in which field, and what was written into it, but for passwords."""
    kept = {name: value for name, value in (given or {}).items() if name != "password"}
    values = {"form": form, "error": error, "wrong": wrong, "given": kept, "back": way_back(request).query}
    brand = account_keys_of(request).brand
    return await page(request, "person_form.html", status=status, brand=brand, **values)


async def show_again(request: Request, form: Form, error: Exception, given: dict[str, str]) -> Response:
    """Show a form that was refused."""
    wrong = field_of(error)
    if not isinstance(error, AccessRefused):
        return await show(request, form, status=422, error=str(error), wrong=wrong, given=given)
    status = STATUSES[error.code][0]
    response = await show(request, form, status=status, error=error.detail, wrong=wrong, given=given)
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


def address_in(fields: dict[str, str]) -> str:
    """The address in a form. Raises WrongField."""
    email = canonical(fields.get("email", ""))
    if not is_address(email):
        raise WrongField("This is no email address, such as ada@example.com.", "email")
    return email


def revokes_keys(fields: dict[str, str]) -> bool:
    """Whether a form with a new password says that API keys end too."""
    return fields.get("revoke_keys") == "yes"


def password_in(fields: dict[str, str], field: str = "password") -> str:
    """The password in a form. Raises WrongField."""
    password = fields.get(field, "")
    if not 1 <= len(password) <= LONGEST:
        raise WrongField(f"A password has {SHORTEST} to {LONGEST} characters.", field)
    return password


def name_in(fields: dict[str, str]) -> str:
    """The name in a form. Raises WrongField."""
    name = fields.get("name", "")
    if len(name) > MAX_NAME or not name.isprintable():
        raise WrongField(f"A name has at most {MAX_NAME} characters, on one line.", "name")
    return name
