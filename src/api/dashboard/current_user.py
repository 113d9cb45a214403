"""Visitors: who is looking, by the cookie that a browser sends, and what they may see and do.

A person sees one account and is told nothing of any other, not even that it is there. An operator sees all of them, and
may act on them with a key that has `admin`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.options import options_of
from api.http.queries import keys_of
from api.http.reads import reads_of
from people.api_keys import ApiKey
from people.sessions import Session, Sessions

COOKIE = "credit_ledger_session"
ROOT = "/dashboard"
"""Where the service has the dashboard. A proxy may have a prefix before it: pages link below `root_of` a request."""


class NotSignedIn(Exception):
    """Nobody is known here: there is no session, or it is over. `return_url` is where its person came from."""

    def __init__(self, *, over: bool = False, return_url: str | None = None) -> None:
        super().__init__("the session is over" if over else "there is no session")
        self.over = over
        self.return_url = return_url


@dataclass(frozen=True, slots=True)
class Person:
    """The holder of an account."""

    account_id: str
    return_url: str | None
    expires_at: datetime
    secret: str

    may_act = False
    is_operator = False


@dataclass(frozen=True, slots=True)
class Operator:
    """Who signed in with an API key."""

    key: ApiKey
    expires_at: datetime
    secret: str

    account_id = None
    return_url = None
    is_operator = True

    @property
    def may_act(self) -> bool:
        """Whether the key may do more than look."""
        return self.key.allows("admin")


Visitor = Person | Operator


def may_look(key: ApiKey) -> bool:
    """Whether an operator with this key may come in."""
    return key.allows("ledger:read")


def root_of(request: Request) -> str:
    """Where the dashboard is for whoever asks for a page of it: `/dashboard`, behind the prefix of a proxy."""
    root: str = request.scope["root_path"]
    return root


def account_path(root: str, account_id: str, *below: str) -> str:
    """The address of an account's page."""
    return "/".join((root, "accounts", *(quote(part, safe="") for part in (account_id, *below))))


def home_path(root: str, account_id: str | None) -> str:
    """Where a person begins, at their account; without one, where an operator does."""
    return f"{root}/accounts" if account_id is None else account_path(root, account_id)


def sessions_of(request: Request) -> Sessions:
    """The sessions of this process."""
    reads = reads_of(request)
    return Sessions(reads.ledger.log, reads.clock)


async def visitor_of(request: Request) -> Visitor:
    """Who is looking. Raises NotSignedIn, and Problem when the key cannot be looked up."""
    secret = request.cookies.get(COOKIE)
    session = await sessions_of(request).find(secret) if secret else None
    if secret is None or session is None:
        raise NotSignedIn
    if not session.open(reads_of(request).clock()):
        raise NotSignedIn(over=True, return_url=session.return_url)
    visitor = await _visitor(request, session, secret)
    request.state.visitor = visitor
    return visitor


async def _visitor(request: Request, session: Session, secret: str) -> Visitor:
    if session.account_id is not None:
        return Person(session.account_id, session.return_url, session.expires_at, secret)
    assert session.key_sha256 is not None
    key = await keys_of(request).by_digest(session.key_sha256)
    if key is None or not may_look(key):
        raise NotSignedIn(over=True)
    return Operator(key, session.expires_at, secret)


async def account_seen(request: Request) -> tuple[Visitor, str]:
    """Who is looking at the account in the address, and its id. Raises HTTPException 404 for what is not theirs."""
    visitor = await visitor_of(request)
    account_id: str = request.path_params["account_id"]
    if isinstance(visitor, Person) and visitor.account_id != account_id:
        not_here()
    return visitor, account_id


async def operator_of(request: Request) -> Operator:
    """The operator who is looking. To a person these pages do not exist: raises HTTPException 404."""
    visitor = await visitor_of(request)
    if not isinstance(visitor, Operator):
        not_here()
    return visitor


async def acting_operator(request: Request) -> Operator:
    """An operator who may do more than look. Raises HTTPException 403 for one who may not."""
    operator = await operator_of(request)
    if not operator.may_act:
        raise HTTPException(403, "Your API key may look and not act: that takes the scope admin.")
    return operator


def not_here() -> NoReturn:
    """Answer that there is no such page."""
    raise HTTPException(404)


def keep_cookie(request: Request, response: Response, name: str, value: str, **given: Any) -> None:
    """Give the browser a cookie that no script can read, no other site can send along, no plain http carries where the
    dashboard is served over https, and that goes to the dashboard alone. A name with `__Host-` would send it to
    whatever else the host serves."""
    public = options_of(request).public_url
    secure = request.url.scheme == "https" or (public or "").startswith("https:")
    response.set_cookie(name, value, path=root_of(request), httponly=True, samesite="lax", secure=secure, **given)


def drop_cookie(request: Request, response: Response, name: str) -> None:
    """Take it back."""
    keep_cookie(request, response, name, "", max_age=0)
