"""The current user: who sent a request, found by the session cookie, and what they may read and do.

The holder of an account sees this one account; every other account answers 404, whether it exists or not. An operator
sees all accounts, and may do what the scopes of their API key allow: api.contract.scopes has a row for each page.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.contract.bodies import CONTROL
from api.contract.scopes import READ, Access
from api.dashboard.cookies import session_cookie
from api.http.queries.query import keys_of
from api.http.queries.reads import reads_of
from api.http.requests.ambiguity import check_unambiguous, parameters_of
from api.http.requests.request import headers_of
from people.api_keys import ApiKey
from people.oidc.words import ProviderOperator
from people.sessions import Session, Sessions, SessionWatch
from people.sign_in.ways_back import HOME, WayBack
from people.teams.people_in_teams import PeopleInTeams
from people.teams.roles import Role

ROOT = "/dashboard"
"""The path of the dashboard in the service. A proxy may add a prefix: pages link below `root_of` a request."""


class NotSignedIn(Exception):
    """The request has no session, or its session is over. `return_url` is the page of the product to go back to."""

    def __init__(self, *, session_over: bool = False, return_url: str | None = None) -> None:
        super().__init__("the session is over" if session_over else "there is no session")
        self.session_over = session_over
        self.return_url = return_url


class InAnotherAccount(Exception):
    """A person opened a page of another account of theirs, to which `back` leads."""

    def __init__(self, back: WayBack) -> None:
        super().__init__("the page is of another account")
        self.back = back


@dataclass(frozen=True, slots=True)
class AccountHolder:
    """The holder of an account."""

    account_id: str
    return_url: str | None
    expires_at: datetime
    secret: str
    user_id: str | None = None
    """The user who signed in here; None when the product vouches for the person."""
    zone: str | None = None
    language: str | None = None
    """How the user wants times and numbers; None: as the browser has it."""
    role: Role | None = None
    """In the account, at this moment. None for whom the product sends without one, who sees what an owner sees."""
    member: str | None = None
    """Whose usage is their own."""
    called: str | None = None
    """The name of the person, where the product says so."""
    own_account_id: str | None = None
    """The account that is a user's own, whatever team they are in now."""
    team_name: str | None = None
    """What the account is called, where it is that of a user's team."""

    is_operator = False

    def may(self, access: Access) -> bool:
        """Whether a page, or a part of one, is for them."""
        return access.lets_in(self.role, signed_in=self.user_id is not None)

    @property
    def account_name(self) -> str:
        """What pages call the account: a person's team, or their own; the id where the product sends them."""
        return self.account_id if self.user_id is None else self.team_name or "Your account"

    @property
    def sees_only(self) -> str | None:
        """The member whose usage and limits they see, and no other's; None for who sees all."""
        return (self.member or "") if self.role == "member" else None


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who signed in with an API key, or whom the provider of the product calls an operator."""

    key: ApiKey
    key_sha256: bytes | None
    """None for an operator whom the provider of the product names."""
    expires_at: datetime
    secret: str

    account_id = None
    user_id = None
    zone = None
    language = None
    return_url = None
    is_operator = True
    role = None
    called = None
    sees_only = None

    def may(self, access: Access) -> bool:
        """Whether their key has a scope that a page, or a part of one, asks for."""
        return not access.person and (not access.scopes or any(map(self.key.allows, access.scopes)))


CurrentUser = AccountHolder | Operator


def may_sign_in(key: ApiKey) -> bool:
    """Whether an operator may sign in with this key."""
    return key.allows(READ)


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
    secret = session_cookie(request)
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
        return _holder_of(session, session.account_id, secret)
    if session.scopes is not None:
        assert session.subject is not None
        named = ProviderOperator(session.subject, session.subject, frozenset(session.scopes))
        return Operator(named, None, session.expires_at, secret)
    assert session.key_sha256 is not None
    key = await keys_of(request).by_digest(session.key_sha256)
    if key is None or not may_sign_in(key):
        raise NotSignedIn(session_over=True)
    return Operator(key, session.key_sha256, session.expires_at, secret)


def _holder_of(session: Session, account_id: str, secret: str) -> AccountHolder:
    """The holder of an account. Raises NotSignedIn for a user who is not in the team any more."""
    if session.user_id is not None and session.role is None:
        raise NotSignedIn(session_over=True)
    person = session.person or {}
    return AccountHolder(
        account_id,
        session.return_url,
        session.expires_at,
        secret,
        session.user_id,
        session.zone,
        session.language,
        session.role,
        session.user_id or session.member,
        person.get("name") or person.get("email"),
        session.own_account_id or session.user_id,
        session.team_name,
    )


async def admit(request: Request, access: Access) -> None:
    """Let a request through to a page, before anything else of it is read.

    Raises NotSignedIn, InAnotherAccount, HTTPException 404 for an account or a page that is not the user's,
    HTTPException 403 for an operator whose key lacks the scope, and Problem for an ambiguous request.
    """
    if access.scopes or access.person:
        user = await current_user_of(request)
        if any(CONTROL.search(str(text)) for text in request.path_params.values()):
            page_not_found()  # no id has such a character, and the database has no such text
        own = not isinstance(user, AccountHolder) or request.path_params.get("account_id") in {None, user.account_id}
        if not own:
            await _check_other_account(request, user)
        if not own or not (user.may(access) or (user.is_operator and not access.person)):
            page_not_found()
        if not user.may(access):
            scopes = " or ".join(access.scopes)
            raise HTTPException(403, f"Your API key lacks the scope {scopes}. Sign in with a key that has it.")
    check_unambiguous(request.scope, headers_of(request.scope))
    parameters_of(request.scope)


async def _check_other_account(request: Request, user: CurrentUser) -> None:
    """Raise InAnotherAccount for a page of an account in which a person has a role, and this session is not."""
    back = WayBack.of_path(request.url.path) if request.method == "GET" else HOME
    teams: PeopleInTeams | None = request.app.state.teams
    if not back.account or teams is None or user.user_id is None:
        return
    if await teams.teams.role(user.user_id, back.account) is not None:
        raise InAnotherAccount(back)


def user_of(request: Request) -> CurrentUser:
    """The current user of a page that is not open to everybody."""
    user: CurrentUser = request.state.current_user
    return user


def person_of(request: Request) -> tuple[AccountHolder, str]:
    """Who signed in here and opened a page that is for people, and their user id."""
    user = user_of(request)
    assert isinstance(user, AccountHolder), "the table of scopes lets no operator in here"
    assert user.user_id is not None, "the table of scopes lets nobody in here whom the product sends"
    return user, user.user_id


def operator_of(request: Request) -> Operator:
    """The operator who opened a page that is for operators."""
    user = user_of(request)
    assert isinstance(user, Operator), "the table of scopes lets no holder of an account in here"
    return user


def page_not_found() -> NoReturn:
    """Answer 404. Raises HTTPException."""
    raise HTTPException(404)
