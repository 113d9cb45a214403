"""The frame of every page: templates, who looks, how they read, and what the browser may run."""

from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.contract.problems import Problem, invalid
from api.dashboard import formatting
from api.dashboard.action_forms import Link, links
from api.dashboard.current_user import Visitor, account_path, home_path, keep_cookie, root_of
from api.dashboard.formatting import Reader
from api.dashboard.forms import FORM_COOKIE, csrf_token, form_secret
from api.dashboard.options import options_of
from api.http.queries import now_of
from api.http.reads import reads_of
from ledger.domain.amounts import MAX_AMOUNT
from ledger.postgres.errors import LOST
from ledger.store import TOPICS
from projections.models.days import UnknownZone, zone

ZONE_COOKIE = "credit_ledger_zone"
"""Written by the page's script: a browser tells nobody else where it is."""
POSITION_HEADER = "x-position"
"""Of a fragment that is fetched again: not before this position."""

STATIC = {"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}


@cache
def static_file(name: str) -> bytes:
    """A file that pages link to."""
    return files("api.dashboard").joinpath("static", name).read_bytes()


@cache
def static_path(root: str, name: str) -> str:
    """Its address, which changes with it: browsers may keep it for ever."""
    return f"{root}/static/{sha256(static_file(name)).hexdigest()[:12]}/{name}"


@cache
def environment() -> Environment:
    """The templates."""
    loader = PackageLoader("api.dashboard", "templates")
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.globals |= {"plural": formatting.plural, "iso": formatting.iso, "query": query}
    return found


def query(given: dict[str, Any], **changes: Any) -> str:
    """A query string: what is given, with changes; None takes a parameter away."""
    wanted = {name: value for name, value in (given | changes).items() if value not in (None, "")}
    return f"?{urlencode(wanted, doseq=True)}" if wanted else "?"


def zone_name(request: Request) -> str:
    """The reader's zone: that of the address, that which the browser said, or UTC. Raises Problem for a wrong one."""
    asked = request.query_params.get("tz")
    for name in (asked, request.cookies.get(ZONE_COOKIE)):
        if name:
            try:
                return zone(name).key
            except UnknownZone as error:
                if name == asked:
                    raise invalid("tz", "must be a time zone of the IANA database, such as Europe/Berlin") from error
    return "UTC"


def reader_of(request: Request) -> Reader:
    """Who reads the page."""
    return formatting.reader(request.headers.get("accept-language"), zone(zone_name(request)), now_of(request))


def at_least(request: Request) -> int:
    """The position that the page must show, where its script has heard of one."""
    text = request.headers.get(POSITION_HEADER, "0")
    return min(int(text), MAX_AMOUNT) if text.isdecimal() and text.isascii() else 0


async def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """A page. The templates know of `visitor` (None before signing in), `reader`, `options`, `nonce` and `csrf`, and
    those of an account of the `actions` that the visitor may take."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    root = root_of(request)
    known = {
        "root": root,
        "home": home_path(root, visitor.account_id) if visitor else f"{root}/",
        "account_path": partial(account_path, root),
        "static": partial(static_path, root),
        "visitor": visitor,
        "account_id": None,
        "reader": _reader(request),
        "options": options_of(request),
        "nonce": request.state.nonce,
        "csrf": csrf_token(form_secret(request)),
        "address": quote(request.scope["path"]),
        "event_types": " ".join(TOPICS),
        "stale_since": None,
        "actions": await _actions(request, visitor, values.get("account_id")),
    }
    text = environment().get_template(template).render(known | values)
    response = HTMLResponse(text, status)
    made = getattr(request.state, "secret", None)
    if made is not None:
        keep_cookie(request, response, FORM_COOKIE, made)
    return response


async def _actions(request: Request, visitor: Visitor | None, account_id: str | None) -> list[Link]:
    """What the operator who looks at an account may do to it."""
    if visitor is None or not visitor.may_act or account_id is None:
        return []
    try:
        found = await reads_of(request).ledger.account_at(account_id)
    except LOST:
        return []
    return links(root_of(request), account_id, found.account.standing) if found else []


def _reader(request: Request) -> Reader:
    """A wrong zone in the address has its own page, which must be shown in some zone."""
    try:
        return reader_of(request)
    except Problem:
        return formatting.reader(request.headers.get("accept-language"), zone("UTC"), now_of(request))
