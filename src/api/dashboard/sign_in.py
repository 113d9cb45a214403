"""Coming in and going out: the one-time link of a person, the API key of an operator, and the sign-out of both."""

import asyncio
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.current_user import COOKIE, drop_cookie, home_path, keep_cookie, may_look, root_of, sessions_of
from api.dashboard.forms import posted
from api.dashboard.rendering import page
from api.http import metrics
from api.http.methods import is_head
from api.http.queries import keys_of, now_of
from people.api_keys import ApiKey, key_hash
from people.errors import AccessRefused
from people.sessions import InvalidLink, Session

WRONG_KEY_PAUSE = 1.0
"""Seconds that an answer to a wrong key takes."""
MOST_WRONG = 10
"""Wrong keys that are being answered at a time in one process; whoever comes then is told to come again."""

_waiting = asyncio.Semaphore(MOST_WRONG)


async def open_portal_link(request: Request) -> Response:
    """Open a one-time link. Whoever only looks ahead (a prefetching browser, a HEAD) opens nothing."""
    if is_head(request.scope) or "prefetch" in request.headers.get("sec-purpose", ""):
        return Response(status_code=204)
    found = await sessions_of(request).begin(request.path_params["token"])
    if isinstance(found, InvalidLink):
        metrics.count_sign_in("link", "refused")
        return await page(request, "link_spent.html", status=410, return_url=found.return_url, opened=found.opened)
    metrics.count_sign_in("link", "done")
    return _inside(request, *found)


async def renamed_portal_link(request: Request) -> Response:
    """Where portal links were until they were called that. It opens nothing itself."""
    return RedirectResponse(f"{root_of(request)}/portal/{quote(request.path_params['token'], safe='')}", 308)


def _inside(request: Request, cookie: str, session: Session) -> Response:
    response = RedirectResponse(home_path(root_of(request), session.account_id), 303)
    lasts = session.expires_at - now_of(request)
    keep_cookie(request, response, COOKIE, cookie, max_age=max(int(lasts.total_seconds()), 1))
    return response


async def sign_in_page(request: Request) -> Response:
    """Ask for an API key."""
    return await page(request, "sign_in.html", wrong=None)


async def sign_in(request: Request) -> Response:
    """Take an API key, and keep only what finds it again."""
    secret = (await posted(request)).get("key", "")
    digest = key_hash(secret)
    try:
        key = await keys_of(request).by_digest(digest) if secret else None
    except AccessRefused as problem:
        if problem.code != "rate_limited":
            raise
        key = None
    if key is None or not may_look(key):
        return await _refused(request, key)
    metrics.count_sign_in("key", "done")
    return _inside(request, *await sessions_of(request).sign_in(digest))


async def _refused(request: Request, key: ApiKey | None) -> Response:
    """Slowly, so that nobody tries many."""
    metrics.count_sign_in("key", "refused")
    if _waiting.locked():
        raise HTTPException(429, "Too many wrong keys are being tried. Wait a moment, then try again.")
    async with _waiting:
        await asyncio.sleep(WRONG_KEY_PAUSE)
    wrong = "This key is unknown, expired or revoked." if key is None else "This key lacks the scope ledger:read."
    return await page(request, "sign_in.html", status=401, wrong=wrong)


async def sign_out(request: Request) -> Response:
    """End the session, here and wherever else its cookie is."""
    await posted(request)
    cookie = request.cookies.get(COOKIE)
    session = await sessions_of(request).find(cookie) if cookie else None
    if cookie:
        await sessions_of(request).end(cookie)
    response = await page(request, "signed_out.html", return_url=session.return_url if session else None)
    drop_cookie(request, response, COOKIE)
    return response
