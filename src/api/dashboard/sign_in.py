"""Sign-in and sign-out: account holders open a one-time link, operators enter an API key, and both can sign out."""

import asyncio
import re
from datetime import timedelta
from typing import Any, get_args
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.bodies import CHECKOUT_ID, CHECKOUT_PAGE, PortalPage
from api.dashboard.cookies import delete_session_cookie, guard_of, session_cookie, set_session_cookie
from api.dashboard.current_user import (
    NotSignedIn,
    Operator,
    account_path,
    current_user_of,
    home_path,
    may_sign_in,
    root_of,
    sessions_of,
)
from api.dashboard.forms import read_form
from api.dashboard.person_forms import WITH_PASSWORD, provider_of, way_back
from api.dashboard.rendering import page
from api.http import metrics
from api.http.methods import is_head
from api.http.queries.query import keys_of, now_of
from api.http.requests.own_address import base_of
from ledger.domain.errors import MAX_SHOWN
from people.api_keys import ApiKey, key_hash
from people.errors import AccessRefused
from people.sessions import InvalidLink, Session

WRONG_KEY_PAUSE = 1.0
"""Seconds that the answer to a wrong key waits, so that keys cannot be guessed quickly."""
MAX_WAITING = 10
"""Answers to wrong keys that may wait at a time in one process. One more is answered 429 at once."""

SHOWN_AS_OVER = timedelta(days=7)
"""How much longer a browser keeps the cookie of a session, so that its user is told that it is over."""

_waiting = asyncio.Semaphore(MAX_WAITING)


async def open_portal_link(request: Request) -> Response:
    """Open a one-time link and start a session. An operator who is signed in is asked first, and so is a person who
    signed in here: whoever sends somebody a link must not move them into another account unnoticed.

    A HEAD request, a prefetch of the browser and a part of another page, such as an image, do not use up the link.
    """
    if is_head(request.scope) or not _is_opened(request):
        return Response(status_code=204)
    if not await _gives_way(request):
        return await _begin_session(request)
    found = await sessions_of(request).find_link(request.path_params["token"])
    if isinstance(found, InvalidLink):
        return await _invalid_link(request, found)
    landing = request.query_params.get("page")
    return await page(request, "replace_session.html", holder=found.account_id, landing=landing)


async def replace_session(request: Request) -> Response:
    """Open a one-time link in place of the session of this browser, which ends."""
    await read_form(request)
    return await _begin_session(request, replaced=session_cookie(request))


def _is_opened(request: Request) -> bool:
    """Whether a browser opens the address as a page of its own."""
    purpose, destination = request.headers.get("sec-purpose", ""), request.headers.get("sec-fetch-dest", "document")
    return "prefetch" not in purpose and destination == "document"


async def _gives_way(request: Request) -> bool:
    """Whether this browser has a session that no link began."""
    try:
        user = await current_user_of(request)
    except NotSignedIn:
        return False
    return isinstance(user, Operator) or user.user_id is not None


async def _begin_session(request: Request, *, replaced: str | None = None) -> Response:
    sessions = sessions_of(request)
    found = await sessions.begin(request.path_params["token"], guard_of(request).mark)
    if isinstance(found, InvalidLink):
        return await _invalid_link(request, found)
    if replaced is not None:
        await sessions.end(replaced)
    metrics.count_sign_in("link", "done")
    return _start_session(request, *found)


async def _invalid_link(request: Request, found: InvalidLink) -> Response:
    metrics.count_sign_in("link", "refused")
    return await page(request, "link_used.html", status=410, return_url=found.return_url, opened=found.opened)


async def renamed_portal_link(request: Request) -> Response:
    """Redirect from the former path of portal links to their path today. This does not use up the link."""
    token: str = request.path_params["token"]
    if len(token) > MAX_SHOWN:
        raise HTTPException(404)
    return RedirectResponse(f"{root_of(request)}/portal/{quote(token, safe='')}", 308)


def _start_session(request: Request, cookie: str, session: Session) -> Response:
    response = RedirectResponse(_first_page(request, session.account_id), 303)
    lasts = session.expires_at - now_of(request) + SHOWN_AS_OVER
    set_session_cookie(request, response, cookie, max(int(lasts.total_seconds()), 1))
    return response


def _first_page(request: Request, account_id: str | None) -> str:
    """The page of the account that the link names, or else the home page."""
    named, root = request.query_params.get("page", "overview"), root_of(request)
    if account_id is not None and re.fullmatch(CHECKOUT_PAGE + CHECKOUT_ID, named):
        return account_path(root, account_id, *named.split("/"))
    if account_id is None or named not in get_args(PortalPage) or named == "overview":
        return home_path(root, account_id)
    return account_path(root, account_id, named)


async def sign_in_page(request: Request) -> Response:
    """Show the forms with which people and operators sign in."""
    return await _keys_page(request)


async def _keys_page(request: Request, *, status: int = 200, error: str | None = None) -> Response:
    """The form for API keys; before it, the ways in for people, if they have any."""
    form, provider = WITH_PASSWORD if request.app.state.people is not None else None, provider_of(request)
    title = provider.title if provider is not None else None
    values: dict[str, Any] = {"form": form, "given": {}, "provider": title, "back": way_back(request).query}
    return await page(request, "sign_in.html", status=status, error=error, **values)


async def sign_in(request: Request) -> Response:
    """Check an API key and start a session, which stores only the digest of the key."""
    secret = (await read_form(request)).get("key", "")
    digest = key_hash(secret)
    try:
        key = await keys_of(request).by_digest(digest) if secret else None
    except AccessRefused as problem:
        if problem.code != "rate_limited":
            raise
        key = None
    if key is None or not may_sign_in(key):
        return await _refused(request, key)
    metrics.count_sign_in("key", "done")
    return _start_session(request, *await sessions_of(request).sign_in(digest, guard_of(request).mark))


async def _refused(request: Request, key: ApiKey | None) -> Response:
    """Answer 401 after a pause, so that keys cannot be guessed quickly."""
    metrics.count_sign_in("key", "refused")
    if _waiting.locked():
        raise HTTPException(429, "Too many sign-ins with wrong keys are waiting. Wait a moment, then try again.")
    async with _waiting:
        await asyncio.sleep(WRONG_KEY_PAUSE)
    error = "This key is unknown, expired or revoked." if key is None else "This key lacks the scope ledger:read."
    return await _keys_page(request, status=401, error=error)


async def sign_out(request: Request) -> Response:
    """End the session. Every copy of its cookie stops working."""
    await read_form(request)
    cookie = session_cookie(request)
    session = await sessions_of(request).find(cookie) if cookie else None
    id_token = await sessions_of(request).end(cookie) if cookie else None
    return_url, way_out = session.return_url if session else None, await _way_out(request, session, id_token)
    response = await page(request, "signed_out.html", return_url=return_url, **way_out)
    delete_session_cookie(request, response)
    return response


async def _way_out(request: Request, session: Session | None, id_token: str | None) -> dict[str, Any]:
    """Where somebody signs out who came from the provider: their session there goes on."""
    provider = provider_of(request)
    if session is None or session.issuer is None or provider is None:
        return {"way_out": None, "provider": None}
    way_out = await provider.way_out(f"{base_of(request)}/dashboard/sign-in", id_token)
    return {"way_out": way_out, "provider": provider.title}
