"""The dashboard as an application of its own, below one address: its pages, and what it says when something fails."""

from collections.abc import Iterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from api.contract.problems import Problem
from api.dashboard import accounts, actions, billing, events, grants, overview, service, sign_in, statistics, usage
from api.dashboard.action_forms import ACTIONS
from api.dashboard.current_user import NotSignedIn, home_path, root_of, visitor_of
from api.dashboard.forms import form_secret
from api.dashboard.live_updates import moves
from api.dashboard.rendering import STATIC, page, static_file
from api.http.command_endpoint import as_problem, endpoint_of
from api.http.methods import methods_at
from ledger.domain.errors import Refusal
from ledger.postgres.errors import LOST
from people.errors import AccessRefused
from projections.models.views import NotBuilt, NotYetVisible

_ACCOUNT = "/accounts/{account_id}"


def dashboard() -> Starlette:
    """The application, without what it works on: see api.wiring."""
    routes = [
        Route("/", home),
        Route("/static/{digest}/{name}", static),
        Route("/portal/{token}", sign_in.open_portal_link),
        Route("/come-in/{token}", sign_in.renamed_portal_link),
        Route("/sign-in", sign_in.sign_in_page),
        Route("/sign-in", sign_in.sign_in, methods=["POST"]),
        Route("/sign-out", sign_in.sign_out, methods=["POST"]),
        Route(_ACCOUNT, overview.overview),
        Route(f"{_ACCOUNT}/usage", usage.usage),
        Route(f"{_ACCOUNT}/usage.csv", usage.usage_csv),
        Route(f"{_ACCOUNT}/billing", billing.billing),
        Route(f"{_ACCOUNT}/moves", moves),
        Route(f"{_ACCOUNT}/events", events.events),
        *_actions(),
        Route(f"{_ACCOUNT}/grants", grants.grants),
        Route("/accounts", accounts.accounts),
        Route("/statistics", statistics.statistics),
        Route("/service", service.service),
    ]
    expected = dict.fromkeys((Problem, Refusal, AccessRefused, NotYetVisible, NotBuilt, *LOST, Exception), _on_anything)
    app = Starlette(
        routes=routes,
        exception_handlers={NotSignedIn: _not_signed_in, HTTPException: _on_http, **expected},
    )
    app.router.redirect_slashes = False
    return app


def _actions() -> Iterator[Route]:
    """The forms of what operators may do: asked for, and sent."""
    for name in ACTIONS:
        path = f"{_ACCOUNT}/grants/{{grant_id}}/{name}" if name == "void" else f"{_ACCOUNT}/{name}"
        yield Route(path, actions.ask)
        yield Route(path, actions.answer, methods=["POST"])


async def home(request: Request) -> Response:
    """Where a visitor begins."""
    visitor = await visitor_of(request)
    return RedirectResponse(home_path(root_of(request), visitor.account_id), 303)


async def static(request: Request) -> Response:
    """A file that pages link to; its address changes with it, so it can be kept."""
    media_type = STATIC.get(request.path_params["name"])
    if media_type is None:
        raise HTTPException(404)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(static_file(request.path_params["name"]), headers=headers, media_type=media_type)


async def _not_signed_in(request: Request, error: Exception) -> Response:
    """Somebody whose session is over is told so, and where they came from; others may be operators."""
    assert isinstance(error, NotSignedIn)
    if request.method == "GET" and not error.over:
        return RedirectResponse(f"{root_of(request)}/sign-in", 303)
    return await page(request, "session_over.html", status=401, return_url=error.return_url)


_TITLES = {
    400: "That request cannot be read",
    403: "That is not yours to do",
    404: "There is nothing here",
    405: "That cannot be done here",
    413: "That is too much at once",
    415: "That request cannot be read",
    429: "One moment, please",
    503: "Back in a moment",
}


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail if error.status_code not in (404, 405) else ""
    response = await _wrong(request, error.status_code, detail)
    if error.status_code == 405:
        response.headers["allow"] = ", ".join(methods_at(request.app.routes, request.scope))
    return response


async def _on_anything(request: Request, error: Exception) -> Response:
    problem = as_problem(error, endpoint_of(request).next_request_id())
    said = [f"{one['field']} {one['message']}." for one in problem.facts.get("errors", ())]
    if "request_id" in problem.facts:
        said.append(f"The id is {problem.facts['request_id']}.")
    response = await _wrong(request, problem.status, " ".join((problem.detail, *said)))
    if "request_id" in problem.facts:
        response.headers["x-request-id"] = problem.facts["request_id"]
    if problem.retry_after is not None:
        response.headers["retry-after"] = str(problem.retry_after)
    return response


async def _wrong(request: Request, status: int, detail: str) -> Response:
    form_secret(request)
    title = _TITLES.get(status, "Something went wrong" if status >= 500 else "That cannot be done")
    return await page(request, "wrong.html", status=status, title=title, detail=detail)
