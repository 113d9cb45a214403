"""The dashboard as an application of its own: its routes, and the pages that it answers when something fails."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from api.contract.problems import Problem
from api.contract.scopes import PAGES, route_name
from api.dashboard import sign_in
from api.dashboard.catalog_pages import catalog, plans
from api.dashboard.checkout_pages import buying, checkout, transfers
from api.dashboard.current_user import InAnotherAccount, NotSignedIn, admit, home_path, root_of, user_of
from api.dashboard.document_pages import downloads
from api.dashboard.forms import form_secret
from api.dashboard.import_pages import import_file, import_list
from api.dashboard.limits.page import limits
from api.dashboard.live_updates import updates
from api.dashboard.money_pages import deferred, disputes, revenue
from api.dashboard.pages import accounts, actions, billing, events, grants, overview, service, statistics, usage
from api.dashboard.pages.action_forms import ACTIONS
from api.dashboard.people_pages import (
    at_provider,
    audit,
    directory,
    keys,
    mails,
    recovering,
    settings,
    settings_forms,
    signing_in,
)
from api.dashboard.people_pages.teams import invitation, my_accounts, team, team_limits, team_usage
from api.dashboard.price_pages import prices, what_if
from api.dashboard.rendering import STATIC, page, static_document
from api.dashboard.same_origin import check_same_origin
from api.dashboard.subscription_pages import wishes
from api.dashboard.webhook_pages import webhooks
from api.http.commands.command_endpoint import endpoint_of
from api.http.methods import methods_at
from api.http.requests.encoded_slashes import restore_ids
from api.http.requests.replies import as_problem
from api.http.requests.request import check_query
from api.http.requests.request_body import ClientLeft
from billing.errors import BillingRefused
from ledger.domain.errors import Refusal
from ledger.postgres.errors import LOST
from people.errors import AccessRefused
from people.sign_in.ways_back import WayBack
from projections.models.views import NotBuilt, NotYetVisible

_ACCOUNT = "/accounts/{account_id}"

Show = Callable[[Request], Awaitable[Response]]


def dashboard() -> Starlette:
    """Make the application. The composition root sets its state: see api.wiring."""
    routes = [
        _page("/", home),
        _page("/static/{digest}/{name}", static),
        _page("/portal/{token}", sign_in.open_portal_link),
        _page("/portal/{token}", sign_in.replace_session, "POST"),
        _page("/come-in/{token}", sign_in.renamed_portal_link),
        _page("/sign-in", sign_in.sign_in_page),
        _page("/sign-in", sign_in.sign_in, "POST"),
        _page("/sign-out", sign_in.sign_out, "POST"),
        *_people(),
        *_settings(),
        *_teams(),
        _page(_ACCOUNT, overview.overview),
        _page(f"{_ACCOUNT}/usage", usage.usage),
        _page(f"{_ACCOUNT}/usage.csv", usage.usage_csv),
        _page(f"{_ACCOUNT}/limits", limits),
        _page(f"{_ACCOUNT}/billing", billing.billing),
        _page(f"{_ACCOUNT}/payments/{{payment_id}}/receipt.pdf", downloads.receipt),
        _page(f"{_ACCOUNT}/payments/{{payment_id}}/invoice", downloads.invoice),
        _page(f"{_ACCOUNT}/statement.pdf", downloads.statement),
        _page(f"{_ACCOUNT}/prices", prices.prices_of_account),
        _page(f"{_ACCOUNT}/plans", plans.plans),
        _page(f"{_ACCOUNT}/plans", buying.buy, "POST"),
        _page(f"{_ACCOUNT}/checkout/{{checkout_id}}", checkout.checkout),
        _page(f"{_ACCOUNT}/checkout/{{checkout_id}}", checkout.play_payment, "POST"),
        _page(f"{_ACCOUNT}/updates", updates),
        *_wishes(),
        _page(f"{_ACCOUNT}/audit", audit.audit),
        _page(f"{_ACCOUNT}/audit.csv", audit.audit_file),
        *_keys(),
        _page(f"{_ACCOUNT}/events", events.events),
        *_actions(),
        _page(f"{_ACCOUNT}/grants", grants.grants),
        _page("/accounts", accounts.accounts),
        _page("/statistics", statistics.statistics),
        _page("/uncollected", accounts.uncollected),
        _page("/service", service.service),
        *_money(),
        _page("/transfers", transfers.transfers),
        _page("/transfers", transfers.receive_transfer, "POST"),
        _page("/webhooks", webhooks.webhooks),
        _page("/webhooks", webhooks.decide_webhook, "POST"),
        _page("/imports", import_list.imports),
        _page("/imports", import_list.upload, "POST"),
        _page("/imports/{upload_id}", import_file.import_file),
        _page("/imports/{upload_id}", import_file.submit_import_file, "POST"),
        _page("/imports/{upload_id}/bad_rows.csv", import_file.bad_rows),
    ]
    app = Starlette(exception_handlers=_pages_of_errors())
    app.router = Router(routes, redirect_slashes=False, middleware=[Middleware(_QueryLimit)])
    return app


def _pages_of_errors() -> dict[Any, Callable[[Request, Exception], Awaitable[Response]]]:
    """What a browser is shown when a page raises."""
    expected = (Problem, Refusal, AccessRefused, BillingRefused, NotYetVisible, NotBuilt, *LOST, Exception)
    return {
        NotSignedIn: _not_signed_in,
        InAnotherAccount: _in_another_account,
        HTTPException: _on_http_error,
        ClientLeft: _on_client_left,
        **dict.fromkeys(expected, _on_error),
    }


def _page(path: str, show: Show, method: str = "GET") -> Route:
    """The route of a page, which lets in those whom the table of scopes names. Raises KeyError if it lacks the page.

    What changes something is taken from our own pages only.
    """
    access = PAGES[route_name(method, path)]

    async def admitted(request: Request) -> Response:
        restore_ids(request.scope)
        if method != "GET":
            check_same_origin(request)
        await admit(request, access)
        return await show(request)

    return Route(path, admitted, methods=[method], name=show.__name__)


class _QueryLimit:
    """Middleware that refuses a query string that is too large, before a page parses it. Raises Problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            check_query(scope["query_string"])
        except Problem:
            scope["query_string"] = b""  # the page of the problem must not parse it either
            raise
        await self._app(scope, receive, send)


_PLACES = {
    "void": "grants/{grant_id}/",
    "change_expiry": "grants/{grant_id}/",
    "allowance": "limits/{limit_id}/",
    "remove": "limits/{limit_id}/",
}
"""Where the form of an action is, if it is about one thing of an account."""


def _actions() -> Iterator[Route]:
    """The routes of the action forms: GET shows a form, POST submits it."""
    for name in ACTIONS:
        path = f"{_ACCOUNT}/{_PLACES.get(name, '')}{name}"
        yield _page(path, actions.show_form)
        yield _page(path, actions.submit_form, "POST")


def _money() -> Iterator[Route]:
    """The routes of what is sold and earned, for operators."""
    yield _page("/revenue", revenue.revenue)
    yield _page("/revenue/deferred", deferred.deferred)
    yield _page("/revenue/deferred.csv", deferred.deferred_csv)
    yield _page("/disputes", disputes.disputes)
    yield _page("/catalog", catalog.catalog)
    yield _page("/catalog/plans/{plan_id}", catalog.plan_versions)
    yield _page("/catalog/packages/{package_id}", catalog.package_versions)
    yield _page("/prices", prices.prices)
    yield _page("/prices/what_if", what_if.show_what_if)
    yield _page("/prices/what_if", what_if.compute_what_if, "POST")
    yield _page("/prices/{version}", prices.price_version)


def _people() -> Iterator[Route]:
    """The routes of people who sign in here: GET shows a form and takes nothing, POST submits it."""
    yield _page("/sign-in/password", signing_in.with_password, "POST")
    yield _page("/oidc/start", at_provider.start)
    yield _page("/oidc/callback", at_provider.callback)
    for path, show, submit in (
        ("/register", signing_in.show_register, signing_in.register),
        ("/verify/{token}", signing_in.show_verify, signing_in.verify),
        ("/sign-in/link", signing_in.show_by_mail, signing_in.by_mail),
        ("/link/{token}", signing_in.show_link, signing_in.open_link),
        ("/reset", recovering.show_ask, recovering.ask_reset),
        ("/reset/{token}", recovering.show_reset, recovering.reset),
        ("/email/{token}", recovering.show_email, recovering.confirm_email),
        ("/undo/{token}", recovering.show_undo, recovering.keep_email),
        ("/keep/{token}", recovering.show_keep, recovering.keep_account),
        ("/join/{token}", at_provider.show_join, at_provider.join),
        ("/mails/{token}", mails.show_mails, mails.end_mails),
    ):
        yield _page(path, show)
        yield _page(path, submit, "POST")


def _settings() -> Iterator[Route]:
    """The settings of a person: one page, and an address for each of its forms."""
    yield _page("/settings", settings.settings)
    for name, submit in (
        ("profile", settings_forms.change_profile),
        ("mails", settings_forms.change_mails),
        ("password", settings_forms.change_password),
        ("email", settings_forms.ask_address),
        ("sessions", settings_forms.end_sessions),
        ("export", settings_forms.ask_export),
        ("deletion", settings_forms.delete),
        ("keep", settings_forms.keep),
        ("first_steps", settings_forms.hide_first_steps),
    ):
        yield _page(f"/settings/{name}", submit, "POST")
    yield _page("/settings/export/{export_id}", settings_forms.fetch_export)


def _teams() -> Iterator[Route]:
    """The routes of teams, and of the accounts of a person."""
    yield _page("/invitation/{token}", invitation.show_invitation)
    yield _page("/invitation/{token}", invitation.accept_invitation, "POST")
    yield _page("/my/accounts", my_accounts.my_accounts)
    yield _page("/my/accounts", my_accounts.switch_account, "POST")
    yield _page("/my/teams", my_accounts.make_team, "POST")
    yield _page(f"{_ACCOUNT}/team", team.team)
    yield _page(f"{_ACCOUNT}/team", team.change_team, "POST")
    yield _page(f"{_ACCOUNT}/team/usage", team_usage.team_usage)
    yield _page(f"{_ACCOUNT}/team/limits", team_limits.team_limits)
    yield _page(f"{_ACCOUNT}/team/limits", team_limits.set_team_limits, "POST")


def _keys() -> Iterator[Route]:
    """The routes of keys: those of one account, and all of them for operators, who find people and teams too."""
    yield _page(f"{_ACCOUNT}/keys", keys.keys)
    yield _page(f"{_ACCOUNT}/keys", keys.submit_keys, "POST")
    yield _page("/people", directory.directory)
    yield _page("/keys", keys.all_keys)
    yield _page("/keys", keys.revoke_any, "POST")


def _wishes() -> Iterator[Route]:
    """The routes of wishes about a subscription: GET says what would happen, POST asks for it."""
    shown = {
        "upgrade": (wishes.show_upgrade, wishes.upgrade),
        "downgrade": (wishes.show_downgrade, wishes.downgrade),
        "cancel": (wishes.show_cancel, wishes.cancel),
        "reactivate": (wishes.show_reactivate, wishes.reactivate),
    }
    for name, (show, ask) in shown.items():
        yield _page(f"{_ACCOUNT}/subscription/{name}", show)
        yield _page(f"{_ACCOUNT}/subscription/{name}", ask, "POST")
    yield _page(f"{_ACCOUNT}/subscription/portal", wishes.portal, "POST")


async def home(request: Request) -> Response:
    """Redirect to the first page of the current user."""
    return RedirectResponse(home_path(root_of(request), user_of(request).account_id), 303)


async def static(request: Request) -> Response:
    """Serve a static file."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404)
    return static_document(name).response(request)


async def _not_signed_in(request: Request, error: Exception) -> Response:
    """Explain that the session is over, and link back to the product. Without a session, ask for a sign-in.

    Whoever opened a page of their account, or their settings, goes on there when they have signed in.
    The script of an open page that asks for its event stream gets the status alone: a page is no stream.
    """
    assert isinstance(error, NotSignedIn)
    back = WayBack.of_path(request.url.path).query
    asks_for_page = not request.headers.get("accept", "").startswith("text/event-stream")
    if request.method == "GET" and not error.session_over and asks_for_page:
        return RedirectResponse(f"{root_of(request)}/sign-in{back}", 303)
    return await page(request, "session_over.html", status=401, return_url=error.return_url, back=back)


async def _in_another_account(request: Request, error: Exception) -> Response:
    """Lead to the list of a person's accounts, where a button opens the page in its account."""
    assert isinstance(error, InAnotherAccount)
    return RedirectResponse(f"{root_of(request)}/my/accounts{error.back.query}", 303)


_TITLES = {
    400: "The request cannot be read",
    403: "You are not allowed to do this",
    404: "This page does not exist",
    405: "This page does not accept that request",
    408: "The request did not arrive in time",
    413: "The request is too large",
    414: "The address is too long",
    415: "The request cannot be read",
    429: "Too many requests",
    503: "The service is not available at the moment",
}


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail if error.status_code not in (404, 405) else ""
    response = await _failed(request, error.status_code, detail)
    if error.status_code == 405:
        response.headers["allow"] = ", ".join(methods_at(request.app.routes, request.scope))
    return response


async def _on_error(request: Request, error: Exception) -> Response:
    problem = as_problem(error, endpoint_of(request).next_request_id())
    fields = [f"{one['field']} {one['message']}." for one in problem.facts.get("errors", ())]
    sentences = [" ".join(fields) or problem.detail]
    if "request_id" in problem.facts:
        sentences.append(f"The request id is {problem.facts['request_id']}.")
    response = await _failed(request, problem.status, " ".join(sentences))
    if "request_id" in problem.facts:
        response.headers["x-request-id"] = problem.facts["request_id"]
    if problem.retry_after is not None:
        response.headers["retry-after"] = str(problem.retry_after)
    return response


async def _on_client_left(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody receives it


async def _failed(request: Request, status: int, detail: str) -> Response:
    form_secret(request)
    title = _TITLES.get(status, "An error occurred" if status >= 500 else "The request was refused")
    return await page(request, "failed.html", status=status, title=title, detail=detail)
