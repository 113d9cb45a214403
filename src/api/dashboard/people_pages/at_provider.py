"""Sign-in at the provider of the product: the way there, the way back, and the mailed link that joins two sign-ins.

The way there is a link and no form: browsers let no form of ours lead to another site.
"""

import logging

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.cookies import (
    PROVIDER,
    delete_cookie,
    guard_of,
    named_cookie,
    session_cookie,
    set_named_cookie,
    set_session_cookie,
)
from api.dashboard.current_user import page_not_found, sessions_of
from api.dashboard.people_pages.signing_in import Fields, goes_on, notice, spent, submitted_to
from api.dashboard.person_forms import Form, provider_of, show, way_back
from api.dashboard.sign_in import SHOWN_AS_OVER
from api.http import metrics
from api.http.methods import is_head
from api.http.people.origins import origin_of
from api.http.requests.own_address import base_of
from people.oidc.words import LASTS, CameIn, LinkMailed, NotVouchedFor, ProviderAway, SignsInAtProvider, Wish

JOIN = Form(
    "Join your two sign-ins",
    "Somebody signed in at your product with your address. Confirm only if that was you: they will be you here.",
    "Join them",
)
_PATIENCE = 600
"""Seconds for which a browser keeps the cookie of a sign-in that it began."""
_LONGEST = 4_000
"""Characters of a parameter of an answer."""
_log = logging.getLogger("credit_ledger.provider")


async def start(request: Request) -> Response:
    """Send the browser to the provider."""
    provider = _provider(request)
    if is_head(request.scope) or "prefetch" in request.headers.get("sec-purpose", ""):
        return Response(status_code=204)
    try:
        back = way_back(request)
        begun = await provider.begin(_callback(request), Wish(back, again=back.settings))
    except ProviderAway as error:
        return await _away(request, provider, error)
    response = RedirectResponse(begun.url, 303)
    set_named_cookie(request, response, PROVIDER, begun.cookie, _PATIENCE)
    return response


async def callback(request: Request) -> Response:
    """Take what the provider answers, and begin a session."""
    provider = _provider(request)
    if is_head(request.scope):
        return Response(status_code=204)
    answer = {name: value[:_LONGEST] for name, value in request.query_params.items()}
    cookie, mark = named_cookie(request, PROVIDER), guard_of(request).mark
    try:
        came = await provider.finish(answer, cookie, _callback(request), origin_of(request), mark)
    except ProviderAway as error:
        return await _away(request, provider, error)
    except NotVouchedFor as error:
        return await _refused(request, provider, error)
    response = await _joined_later(request, came) if isinstance(came, LinkMailed) else await _came_in(request, came)
    delete_cookie(request, response, PROVIDER)
    return response


async def _came_in(request: Request, came: CameIn) -> Response:
    """Begin the session in this browser with a new cookie. The one before ends."""
    before = session_cookie(request)
    if before is not None:
        await sessions_of(request).end(before)
    metrics.count_sign_in("provider", "done")
    cookie, place = await goes_on(request, came.cookie, came.back, came.account_id)
    response = RedirectResponse(place, 303)
    set_session_cookie(request, response, cookie, int((LASTS + SHOWN_AS_OVER).total_seconds()))
    return response


async def _joined_later(request: Request, mailed: LinkMailed) -> Response:
    says = (
        f"{mailed.email} has an account here already. We mailed it a link that joins the two: open it, confirm, and "
        "sign in again."
    )
    return await notice(request, "Look into your mail", says, status=202)


async def show_join(request: Request) -> Response:
    """Show a button, if the link opens: mail scanners open links too."""
    if not await _provider(request).is_joinable(request.path_params["token"]):
        return await spent(request)
    return await show(request, JOIN)


async def join(request: Request) -> Response:
    """Join the user with whom the provider meant."""
    provider = _provider(request)

    async def ask(_: Fields) -> Response:
        await provider.join(request.path_params["token"])
        says = f"From now on you are the same person, whether you sign in here or at {provider.title}."
        return await notice(request, "Your sign-ins are joined", says)

    return await submitted_to(request, JOIN, ask)


def _provider(request: Request) -> SignsInAtProvider:
    found = provider_of(request)
    if found is None:
        page_not_found()
    return found


def _callback(request: Request) -> str:
    """Where the provider sends browsers back. It knows this address, and sends none elsewhere."""
    return f"{base_of(request)}/dashboard/oidc/callback"


async def _away(request: Request, provider: SignsInAtProvider, error: ProviderAway) -> Response:
    """Say what to do. What is wrong is in the log, for operators."""
    _log.warning("nobody can sign in at the provider: %s", error)
    metrics.count_sign_in("provider", "failed")
    says = f"{provider.title} does not answer as it should. Try again in a minute. Your credits are not affected."
    title = "You cannot sign in at the moment"
    response = await notice(request, title, says, status=503)
    response.headers["retry-after"] = "60"
    return response


async def _refused(request: Request, provider: SignsInAtProvider, error: NotVouchedFor) -> Response:
    """Say what to do, and not what was wrong: only a forger learns from that."""
    _log.warning("a sign-in at the provider was refused: %s", error)
    metrics.count_sign_in("provider", "refused")
    says = (
        f"The sign-in at {provider.title} did not end well: it took too long, was begun in another browser, or was "
        "refused there. Begin it again."
    )
    return await notice(request, "You are not signed in", says, status=401)
