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

    @property
    def home(self) -> str:
        """Where they begin."""
        return account_path(self.account_id)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who signed in with an API key."""

    key: ApiKey
    expires_at: datetime
    secret: str

    return_url = None
    is_operator = True

    @property
    def may_act(self) -> bool:
        """Whether the key may do more than look."""
        return self.key.allows("admin")

    @property
    def home(self) -> str:
        """Where they begin."""
        return f"{ROOT}/accounts"


Visitor = Person | Operator


def may_look(key: ApiKey) -> bool:
    """Whether an operator with this key may come in."""
    return key.allows("ledger:read")


def account_path(account_id: str, *below: str) -> str:
    """The address of an account's page."""
    return "/".join((ROOT, "accounts", *(quote(part, safe="") for part in (account_id, *below))))


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
    """Give the browser a cookie that no script can read, no other site can send along, and no plain http carries where
    the dashboard is served over https."""
    public = options_of(request).public_url
    secure = request.url.scheme == "https" or (public or "").startswith("https:")
    response.set_cookie(name, value, path=ROOT, httponly=True, samesite="lax", secure=secure, **given)
