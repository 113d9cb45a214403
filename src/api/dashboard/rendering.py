"""Rendering: the templates, the static files, and the values that every page has."""

from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.contract.problems import Problem, invalid
from api.contract.scopes import PAGES
from api.dashboard import formatting
from api.dashboard.action_links import ActionLink, action_links, acts
from api.dashboard.cookies import ZONE, cookies_of, set_form_cookie
from api.dashboard.current_user import AccountHolder, CurrentUser, account_path, home_path, root_of
from api.dashboard.formatting import Formatter
from api.dashboard.forms import csrf_token, form_secret
from api.dashboard.options import options_of
from api.http.cached_document import CachedDocument
from api.http.queries.query import now_of
from api.http.queries.reads import reads_of
from api.http.requests.encoded_slashes import quoted
from billing.catalog import sells
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.periods import UnknownZone, zone
from ledger.postgres.errors import LOST
from ledger.store import TOPICS
from people.directory import called
from people.teams.people_in_teams import PeopleInTeams
from people.teams.words import TEAM_PREFIX

_IMPORTS = PAGES["GET /imports"]
_WEBHOOKS = PAGES["GET /webhooks"]
_TRANSFERS = PAGES["GET /transfers"]
_EVENTS = PAGES["GET /accounts/{account_id}/events"]
_AUDIT = PAGES["GET /accounts/{account_id}/audit"]
_PLANS = PAGES["GET /accounts/{account_id}/plans"]
_TEAM = PAGES["GET /accounts/{account_id}/team"]
_KEYS = PAGES["GET /accounts/{account_id}/keys"]
_ALL_KEYS = PAGES["GET /keys"]
_ALL_PEOPLE = PAGES["GET /people"]
POSITION_HEADER = "x-position"
"""The header of a page that the script fetches again: the page must include this position of the log."""

STATIC = {"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}


@cache
def static_file(name: str) -> bytes:
    """Read a static file."""
    return files("api.dashboard").joinpath("static", name).read_bytes()


@cache
def static_document(name: str) -> CachedDocument:
    """A static file as an answer. Its address contains its digest, so browsers may cache it for ever."""
    return CachedDocument(static_file(name), STATIC[name], "public, max-age=31536000, immutable")


@cache
def static_path(root: str, name: str) -> str:
    """The address of a static file. It contains a digest of the file, so browsers may cache it for ever."""
    return f"{root}/static/{sha256(static_file(name)).hexdigest()[:12]}/{name}"


@cache
def environment() -> Environment:
    """The template environment."""
    loader = PackageLoader("api.dashboard", "templates")
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.globals |= {"plural": formatting.plural, "iso": formatting.iso, "query_string": query_string}
    return found


def query_string(given: dict[str, Any], **changes: Any) -> str:
    """A query string of the given parameters with changes; None or an empty text removes a parameter."""
    kept = {name: value for name, value in (given | changes).items() if value not in (None, "")}
    return f"?{urlencode(kept, doseq=True)}" if kept else "?"


def zone_name(request: Request) -> str:
    """The time zone of the page: `tz` of the address, else that of the user, else the cookie, else UTC.

    Raises Problem for an unknown `tz`.
    """
    parameter, user = request.query_params.get("tz"), _user_of(request)
    for name in (parameter, user and user.zone, cookies_of(request).get(ZONE)):
        if name:
            try:
                return zone(name).key
            except UnknownZone as error:
                if name == parameter:
                    raise invalid("tz", "must be a time zone of the IANA database, such as Europe/Berlin") from error
    return "UTC"


def formatter_of(request: Request) -> Formatter:
    """The formatter for the language and the time zone of the user, or else of the request."""
    return formatting.formatter(_languages(request), zone(zone_name(request)), now_of(request))


def _user_of(request: Request) -> CurrentUser | None:
    """The current user; None before the sign-in."""
    found: CurrentUser | None = getattr(request.state, "current_user", None)
    return found


def _languages(request: Request) -> str | None:
    """Whose way to write numbers the page takes."""
    user = _user_of(request)
    return (user and user.language) or request.headers.get("accept-language")


def required_position(request: Request) -> int:
    """The position of the log that the page must include: that of the last event that its script received, else 0."""
    text = request.headers.get(POSITION_HEADER, "0")
    return min(int(text), MAX_AMOUNT) if text.isdecimal() and text.isascii() else 0


async def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Render a page. Every template has `current_user` (None before the sign-in), `people` (whether they sign in
    here), `settings_page` (whether the current user has settings and teams), `account_name` (what the account of the
    page is called), `called` (whose it is, for operators who may know), `formatter`, `options`, `nonce`, `csrf`,
    `sees_events`, `sees_audit`, `sees_money`, `team_page`, `keys_page`, `imports`, `transfers_page`, `webhooks_page`,
    `all_keys_page`, `all_people_page`, `priced` (whether a price book is in force), `sells` (whether there are plans or
    packages), and `actions`: links to what the current user may do to the account."""
    user = _user_of(request)
    root = root_of(request)
    known = {
        "root": root,
        "home": home_path(root, user.account_id) if user else f"{root}/",
        "account_path": partial(account_path, root),
        "static": partial(static_path, root),
        "current_user": user,
        "people": request.app.state.people is not None or request.app.state.identity_provider is not None,
        "settings_page": request.app.state.people is not None and user is not None and user.user_id is not None,
        "account_id": None,
        "account_name": user.account_name if isinstance(user, AccountHolder) else values.get("account_id"),
        "called": await _called(request, user, values.get("account_id")),
        "sees_events": user is not None and user.may(_EVENTS),
        "sees_audit": user is not None and user.may(_AUDIT) and (user.is_operator or user.user_id is not None),
        "sees_money": user is not None and user.may(_PLANS),
        "team_page": user is not None and user.may(_TEAM) and str(values.get("account_id")).startswith(TEAM_PREFIX),
        "keys_page": user is not None and user.may(_KEYS),
        "imports": user is not None and user.may(_IMPORTS),
        "transfers_page": user is not None and user.may(_TRANSFERS),
        "webhooks_page": user is not None and user.may(_WEBHOOKS),
        "all_keys_page": user is not None and user.may(_ALL_KEYS),
        "all_people_page": request.app.state.people is not None and user is not None and user.may(_ALL_PEOPLE),
        "formatter": _formatter(request),
        "options": options_of(request),
        "nonce": request.state.nonce,
        "csrf": csrf_token(form_secret(request)),
        "address": quoted(request.scope["path"]),
        "event_types": " ".join(TOPICS),
        "stale_since": None,
        "priced": request.app.state.prices.book_at() is not None,
        "sells": values.get("account_id") is not None and await _sells(request),
        "actions": await _actions(request, user, values.get("account_id")),
    }
    text = environment().get_template(template).render(known | values)
    response = HTMLResponse(text, status)
    made = getattr(request.state, "secret", None)
    if made is not None:
        set_form_cookie(request, response, made)
    return response


async def names_in(request: Request, account_id: str) -> dict[str, str]:
    """What the people of a team are called, by their ids; nobody for an account of another kind."""
    found: PeopleInTeams | None = request.app.state.teams
    if found is None or not account_id.startswith(TEAM_PREFIX):
        return {}
    return {member.user_id: member.name or member.email for member in await found.members.of(account_id)}


async def _called(request: Request, user: CurrentUser | None, account_id: str | None) -> str | None:
    """Whose account it is, a person's or a team's, for operators who find people; not while the database is away."""
    if request.app.state.people is None or account_id is None or not (user and user.may(_ALL_PEOPLE)):
        return None
    try:
        async with reads_of(request).ledger.log.connection() as connection:
            return await called(connection, account_id)
    except LOST:
        return None


async def _actions(request: Request, user: CurrentUser | None, account_id: str | None) -> list[ActionLink]:
    """The links to the actions that the current user may take on the account."""
    if user is None or account_id is None or not acts(user):
        return []
    try:
        found = await reads_of(request).ledger.account_at(account_id)
    except LOST:
        return []
    return action_links(user, root_of(request), account_id, found.account.standing) if found else []


async def _sells(request: Request) -> bool:
    """Whether the catalogue has something; not while the database is away."""
    try:
        async with reads_of(request).ledger.log.connection() as connection:
            return await sells(connection)
    except LOST:
        return False


def _formatter(request: Request) -> Formatter:
    """An unknown zone in the address has an error page, which is rendered in UTC."""
    try:
        return formatter_of(request)
    except Problem:
        return formatting.formatter(_languages(request), zone("UTC"), now_of(request))
