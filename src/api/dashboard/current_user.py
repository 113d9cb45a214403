"""The current user: who sent a request, found by the session cookie, and what they may read and do.

The holder of an account sees this one account; every other account answers 404, whether it exists or not. An operator
sees all accounts, and may act on them with an API key that has the scope `admin`.
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
from people.sessions import Session, Sessions, SessionWatch

SIGN_IN_SCOPE = "ledger:read"
COOKIE = "credit_ledger_session"
ROOT = "/dashboard"
"""The path of the dashboard in the service. A proxy may add a prefix: pages link below `root_of` a request."""


class NotSignedIn(Exception):
    """The request has no session, or its session is over. `return_url` is the page of the product to go back to."""

    def __init__(self, *, session_over: bool = False, return_url: str | None = None) -> None:
        super().__init__("the session is over" if session_over else "there is no session")
        self.session_over = session_over
        self.return_url = return_url


@dataclass(frozen=True, slots=True)
class AccountHolder:
    """The holder of an account."""

    account_id: str
    return_url: str | None
    expires_at: datetime
    secret: str

    may_act = False
    is_operator = False


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who signed in with an API key."""

    key: ApiKey
    key_sha256: bytes
    expires_at: datetime
    secret: str

    account_id = None
    return_url = None
    is_operator = True

    @property
    def may_act(self) -> bool:
        """Whether the key may change accounts."""
        return self.key.allows("admin")


CurrentUser = AccountHolder | Operator


def may_sign_in(key: ApiKey) -> bool:
    """Whether an operator may sign in with this key."""
    return key.allows(SIGN_IN_SCOPE)


def root_of(request: Request) -> str:
    """The path of the dashboard as the browser knows it: `/dashboard`, after the prefix of a proxy."""
    root: str = request.scope["root_path"]
    return root


def account_path(root: str, account_id: str, *below: str) -> str:
    """The address of an account's page."""
    return "/".join((root, "accounts", *(quote(part, safe="") for part in (account_id, *below))))


def home_path(root: str, account_id: str | None) -> str:
    """The first page: the account of a holder, or the list of accounts for an operator."""
    return f"{root}/accounts" if account_id is None else account_path(root, account_id)


def sessions_of(request: Request) -> Sessions:
    """The sessions of this process."""
    reads = reads_of(request)
    return Sessions(reads.ledger.log, reads.clock)


def session_watch_of(request: Request) -> SessionWatch:
    """The watch over the sessions of this process's streams."""
    watch: SessionWatch = request.app.state.session_watch
    return watch


async def current_user_of(request: Request) -> CurrentUser:
    """Find who sent the request. Raises NotSignedIn, and Problem when the key cannot be read."""
    secret = request.cookies.get(COOKIE)
    session = await sessions_of(request).find(secret) if secret else None
    if secret is None or session is None:
        raise NotSignedIn
    if not session.open(reads_of(request).clock()):
        raise NotSignedIn(session_over=True, return_url=session.return_url)
    user = await _user_of(request, session, secret)
    request.state.current_user = user
    return user


async def _user_of(request: Request, session: Session, secret: str) -> CurrentUser:
    if session.account_id is not None:
        return AccountHolder(session.account_id, session.return_url, session.expires_at, secret)
    assert session.key_sha256 is not None
    key = await keys_of(request).by_digest(session.key_sha256)
    if key is None or not may_sign_in(key):
        raise NotSignedIn(session_over=True)
    return Operator(key, session.key_sha256, session.expires_at, secret)


async def user_and_account(request: Request) -> tuple[CurrentUser, str]:
    """The current user and the account id of the address. Raises HTTPException 404 if it is not theirs."""
    user = await current_user_of(request)
    account_id: str = request.path_params["account_id"]
    if isinstance(user, AccountHolder) and user.account_id != account_id:
        page_not_found()
    return user, account_id


async def operator_of(request: Request) -> Operator:
    """The operator who sent the request. Raises HTTPException 404 for an account holder."""
    user = await current_user_of(request)
    if not isinstance(user, Operator):
        page_not_found()
    return user


async def acting_operator(request: Request) -> Operator:
    """An operator who may change accounts. Raises HTTPException 403 if their key lacks the scope `admin`."""
    operator = await operator_of(request)
    if not operator.may_act:
        raise HTTPException(
            403, "Your API key may read but not change accounts. Sign in with a key that has the scope admin."
        )
    return operator


def page_not_found() -> NoReturn:
    """Answer 404. Raises HTTPException."""
    raise HTTPException(404)


def set_cookie(request: Request, response: Response, name: str, value: str, **given: Any) -> None:
    """Set a cookie of the dashboard. Scripts cannot read it, and forms of other sites are posted without it.

    It is Secure where the dashboard is served over https. Its path is the dashboard's own: a name with `__Host-` would
    need the path `/`, and the browser would send the cookie to everything else on the host.
    """
    public = options_of(request).public_url
    secure = request.url.scheme == "https" or (public or "").startswith("https:")
    response.set_cookie(name, value, path=root_of(request), httponly=True, samesite="lax", secure=secure, **given)


def delete_cookie(request: Request, response: Response, name: str) -> None:
    """Make the browser delete a cookie."""
    set_cookie(request, response, name, "", max_age=0)
