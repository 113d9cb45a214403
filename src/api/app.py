"""The service as an ASGI application: its routes, its parts and its background tasks."""

import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.telemetry import TelemetryConfig
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope

from api.components import COMPONENTS
from api.contract.openapi import BATCH_DOCUMENTATION, command_documentation, describe
from api.contract.operations import MOVES, OPERATIONS, Defaults, Operation
from api.dashboard import portal_sessions
from api.dashboard.app import dashboard
from api.dashboard.current_user import ROOT
from api.http import health
from api.http.billing import catalog, changes, checkouts, earned, estimates, prices, receiving, webhooks
from api.http.commands.batch_endpoint import BatchEndpoint
from api.http.commands.command_endpoint import CommandEndpoint
from api.http.commands.move_endpoint import MoveEndpoint
from api.http.commands.ways_out import WaysOut
from api.http.cross_origin import CrossOrigin
from api.http.docs_page import add_docs_page
from api.http.documents import invoices, receipts
from api.http.draining import Draining
from api.http.health import Health, metrics_text
from api.http.hot_path import HotPath
from api.http.json_answer import answers_of
from api.http.own_data import export
from api.http.own_data import subscription as own_subscription
from api.http.path_prefix import AddPathPrefix, StripPathPrefix
from api.http.people import account_keys, audit, auth, own_audit, own_keys, profile, services, teams, usage, user
from api.http.problem_answers import answer_problems, response_of
from api.http.queries import explanations, history, ledger_queries, limits, lists, money, subscription, summary, totals
from api.http.queries.reads import Reads
from api.http.queries.things import routes as things
from api.http.query_routes import QueryRoutes
from api.http.requests.encoded_slashes import restored
from api.http.requests.replies import Reply
from api.http.requests.request_body import refuse_late_bodies
from api.http.security_headers import SecurityHeaders
from api.imports.runs import ImportRuns
from api.runtime.clock_agreement import agreed_clock
from api.runtime.listening.announcement import START
from api.runtime.listening.connections import ConnectionWatch
from api.runtime.listening.ops_server import OpsServer
from api.runtime.listening.port_sharing import leave_new_connections
from api.runtime.people.duties import duties_for
from api.runtime.people.keys import keys_here
from api.runtime.people.mail import mailer_of
from api.runtime.people.parts import people_in
from api.runtime.processes.background import Work, in_background
from api.runtime.processes.children.parent_process import signal_at_end_of
from api.runtime.processes.draining import begin_when_told
from api.runtime.processes.garbage_collection import tune_collection_of_worker
from api.runtime.processes.logs import start_logging
from api.runtime.processes.rate_sharing import SHARED_RATES
from api.runtime.processes.restarts import FOLDER, Restarts
from api.runtime.processes.scheduling import let_others_finish
from api.runtime.processes.shutdown import call_at_shutdown
from api.runtime.processes.traceback_limit import limit_tracebacks
from api.runtime.processes.worker_group import group_of_workers
from api.runtime.settings import Settings, load_settings
from api.runtime.sweeper import Sweeper
from api.runtime.telemetry.telemetry import OFF, Telemetry, telemetry_here
from api.runtime.webhooks import Webhooks
from api.streaming.follower import Follower
from api.streaming.places import StreamPlaces
from api.streaming.streams import router as streams_router
from api.wiring import Wiring, dashboard_options, documents_in, keys_of_accounts
from audit.revenue.reading import RevenueReading
from billing.prices.current import CurrentPrices
from ledger.clock import GuardedClock
from ledger.forwarding.group import Group
from ledger.postgres.privileges import PrivilegeWatch
from ledger.proof.status import CheckpointWatch
from ledger.service import Ledger
from measures.refusals import RefusalCounter
from people.sessions import SessionWatch
from projections.models.views import Views

_QUERIES = (ledger_queries, limits, subscription, explanations, history, totals, lists, money, summary)
_Answer = Callable[[Operation, Mapping[str, str], Scope, Receive], Awaitable[Reply]]
"""What answers the requests for an operation."""
_FRAMEWORK: dict[str, Any] = {"title": "Credit ledger", "version": "1", "redirect_slashes": False, "openapi_url": None}
_NO_OTHER_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""The framework's own would send whole paths and queries, which have secret links, to whoever a variable names."""
_EX_SOFTWARE = 70
"""See sysexits(3)."""
_LOAD_TIMEOUT = 1.0
"""Seconds that a command waits until its account is loaded. Its answer may take as long again: two seconds in all."""


def create_app(
    settings: Settings,
    conninfo: str,
    *,
    processes: bool = False,
    start: str = "",
    restarts: Restarts | None = None,
    group: Group | None = None,
    telemetry: Telemetry = OFF,
) -> ASGIApp:
    """The service on a migrated database. Its /healthz sends `start` to the process that started it."""
    clock, restarts = agreed_clock(), restarts or Restarts()
    ledger = _ledger(settings, conninfo, clock, group, telemetry)
    keys = keys_here(settings, ledger, os.environ.get(SHARED_RATES))
    views, follower = Views(conninfo, query_timeout=settings.query_timeout_seconds), Follower(ledger.log, conninfo)
    refusals, received = RefusalCounter(ledger.log), Webhooks(settings, ledger, conninfo, telemetry)
    prices, defaults = _prices_and_defaults(settings, ledger)
    shown = Draining(), settings.ops_port is not None, {**ledger.log.pools, "views": views.pool}
    watched = CheckpointWatch(settings.signing, settings.checkpoints), PrivilegeWatch(COMPONENTS), received.inbox
    endpoint = CommandEndpoint(ledger, keys, defaults, refusals, _ways_out(settings, ledger))
    wiring = Wiring(
        endpoint,
        BatchEndpoint(ledger, endpoint),
        Reads(ledger, views, clock),
        Health(ledger, clock, *watched, restarts, processes, start, *shown),
        keys,
        follower,
        StreamPlaces(),
        SessionWatch(ledger.log),
        dashboard_options(settings),
        ImportRuns(ledger, defaults),
        *received.parts,
        documents_in(settings),
        prices,
        RevenueReading(ledger.log),
        *people_in(settings, ledger, telemetry),
        *keys_of_accounts(settings, ledger, keys, endpoint),
    )
    duties = {"refusals": refusals.run, **received.work, **duties_for(settings, ledger, wiring.directory)}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with ledger.running(), views.running(), wiring.import_runs.running(), wiring.revenue.running():
            await wiring.read_secrets_and_prices()
            work = {**_background(settings, wiring, telemetry), **_duties(settings, ledger, conninfo, telemetry)}
            async with in_background({**work, **duties}, restarts), _for_operators(settings, wiring.health):
                tune_collection_of_worker()
                with _obeying_signals(settings, wiring.health, follower):
                    yield
                await follower.stop()
            await keys.uses.write()
            await refusals.write()
        await telemetry.stop()

    app = FastAPI(**_FRAMEWORK, lifespan=lifespan, telemetry=_NO_OTHER_TELEMETRY)
    _add_routes(app, wiring, https=settings.https)
    return _with_path_prefix(settings, app, wiring, telemetry)


def _ledger(
    settings: Settings, conninfo: str, clock: GuardedClock, group: Group | None, telemetry: Telemetry
) -> Ledger:
    return telemetry.of(Ledger)(
        conninfo,
        clock=clock,
        cached_accounts=settings.cached_accounts,
        queue_limit=settings.queue_limit,
        patience=_LOAD_TIMEOUT,
        query_timeout=settings.query_timeout_seconds,
        group=group,
    )


def _obeying_signals(settings: Settings, health: Health, follower: Follower) -> AbstractContextManager[None]:
    """Drain when the parent process says so, and end the streams when the server stops, until the block ends."""
    begin_when_told(health.draining.begin, lambda: leave_new_connections(settings))
    return call_at_shutdown(follower.end)


def _background(settings: Settings, wiring: Wiring, telemetry: Telemetry) -> dict[str, Work]:
    """What the parts of a process do until it ends, by the names under which restarts are counted."""
    return {
        "keys": wiring.keys.keep_fresh,
        "key_uses": wiring.keys.uses.keep_written,
        "prices": wiring.prices.keep_fresh,
        "committer": lambda: _exit_when_broken(wiring.health.ledger),
        "connections": ConnectionWatch(settings.port, settings.connections_per_address).run,
        "bodies": refuse_late_bodies,
        "streams": wiring.places.end_those_not_allowed,
        "sessions": wiring.session_watch.keep_fresh,
        "figures": wiring.health.keep_figures,
        **telemetry.work(lambda: metrics_text(wiring.health)),
    }


def _duties(settings: Settings, ledger: Ledger, conninfo: str, telemetry: Telemetry) -> dict[str, Work]:
    """What one process does for all, while it leads."""
    sweeper = telemetry.of(Sweeper)(ledger, conninfo, settings.sweep_interval_seconds, settings.sweep_rate)
    return {"sweeper": sweeper.run, "mailer": mailer_of(settings, ledger, conninfo, telemetry).run}


def _add_routes(app: FastAPI, wiring: Wiring, *, https: bool) -> None:
    wiring.attach_to(app)
    billing = catalog, changes, checkouts, earned, estimates, invoices, prices, receipts, receiving, webhooks
    people = auth, user, profile, export, usage, own_audit, audit, account_keys, own_keys, *teams.TEAM_ROUTES
    of_services = own_subscription, *services.SERVICE_ROUTES
    parts = (*_QUERIES, *billing, health, portal_sessions, *people, *of_services, things)
    for router in (*(part.router for part in parts), streams_router):
        # As they are: nothing is added to them, and `include_router` would make all of them a second time.
        app.router.routes.extend(router.routes)
    for operation in OPERATIONS.values():
        _add_command_route(app, wiring.endpoint.command, operation)
    moves = MoveEndpoint(wiring.reads.ledger, wiring.endpoint)
    for operation in MOVES.values():
        _add_command_route(app, moves.move, operation)
    _add_batch_route(app, wiring.batches)
    _add_dashboard(app, wiring, https=https)
    answer_problems(app)
    describe(app, answers_of(route for part in parts for route in part.router.routes))
    add_docs_page(app, https=https)


def _prices_and_defaults(settings: Settings, ledger: Ledger) -> tuple[CurrentPrices, Defaults]:
    subscription, hold = timedelta(days=settings.subscription_days), timedelta(days=settings.hold_days)
    back_dating = timedelta(days=settings.back_dating_days)
    prices = CurrentPrices(ledger.log, ledger.clock, back_dating)
    more = settings.frozen_captures, back_dating, settings.on_dispute, prices.price
    return prices, Defaults(settings.signup_credits, subscription, hold, *more)


def _ways_out(settings: Settings, ledger: Ledger) -> WaysOut:
    return WaysOut(ledger.log, settings.public_url and settings.public_url.rstrip("/"), settings.billing_url)


@asynccontextmanager
async def _for_operators(settings: Settings, health: Health) -> AsyncIterator[None]:
    """Serve operators on their own port until the block ends, if they have one."""
    if settings.ops_port is None:
        yield
        return
    async with OpsServer(health).listening(settings.ops_host, settings.ops_port):
        yield


def _with_path_prefix(settings: Settings, app: FastAPI, wiring: Wiring, telemetry: Telemetry) -> ASGIApp:
    """The application below the path prefix, if there is one, for the pages of other origins too, if there are any, and
    traced, if it is."""
    routes = [route for part in _QUERIES for route in part.router.routes]
    queries = QueryRoutes(app, routes, wiring.keys, wiring.endpoint.request_ids)
    commands = wiring.endpoint, wiring.batches, wiring.verifications
    hot_path = HotPath(app, *commands, queries, wiring.webhooks, wiring.keys, wiring.health.draining, pages=ROOT)
    served = telemetry.around(CrossOrigin(hot_path, settings.origins) if settings.origins else hot_path, app.routes)
    if not settings.path_prefix:
        return served
    app.add_middleware(AddPathPrefix, prefix=settings.path_prefix)
    return StripPathPrefix(served, settings.path_prefix)


def _add_dashboard(app: FastAPI, wiring: Wiring, *, https: bool) -> None:
    pages = dashboard()
    wiring.attach_to(pages)
    app.mount(ROOT, SecurityHeaders(pages, https=https), name="dashboard")
    app.add_route(ROOT, _redirect_to_dashboard, include_in_schema=False)


async def _redirect_to_dashboard(request: Request) -> Response:
    return RedirectResponse(f"{request.scope['root_path']}{ROOT}/", 303)


async def _exit_when_broken(ledger: Ledger) -> None:
    """End the process at once if its committer is broken. The parent starts another worker; clients that wait
    for an answer lose their connection, and send the request again."""
    await ledger.broken()
    os._exit(_EX_SOFTWARE)


def _add_command_route(app: FastAPI, answer: _Answer, operation: Operation) -> None:
    async def endpoint(request: Request) -> Response:
        return response_of(await answer(operation, restored(request.path_params), request.scope, request.receive))

    app.add_api_route(
        operation.path.replace("{payment_id}", "{payment_id:path}"),
        endpoint,
        methods=["POST"],
        name=operation.name,
        response_model=None,
        response_class=Response,
        **command_documentation(operation),
    )


def _add_batch_route(app: FastAPI, batches: BatchEndpoint) -> None:
    async def endpoint(request: Request) -> Response:
        return response_of(await batches.batch(request.scope, request.receive))

    app.add_api_route(
        "/v1/batch",
        endpoint,
        methods=["POST"],
        name="batch",
        response_model=None,
        response_class=Response,
        **BATCH_DOCUMENTATION,
    )


def from_environment() -> ASGIApp:
    """The service of a worker process. All of its settings are in the environment."""
    _restore_signal_handlers()
    settings = load_settings()
    start_logging(settings.log_level, settings.log_format)
    limit_tracebacks()
    let_others_finish()
    url = settings.database_url
    assert url is not None, "the parent process sets the database URL"
    restarts = Restarts(Path(os.environ[FOLDER]) if FOLDER in os.environ else None)
    restarts.note_start("worker", first=settings.workers)
    return create_app(
        settings,
        url.get_secret_value(),
        processes="PROMETHEUS_MULTIPROC_DIR" in os.environ,
        start=os.environ.get(START, ""),
        restarts=restarts,
        group=group_of_workers(),
        telemetry=telemetry_here(accounts=settings.trace_accounts, start=os.environ.get(START, "")),
    )


def _restore_signal_handlers() -> None:
    """Let signals end a worker while it starts: it was forked with the handlers of its parent, which only set a flag.

    If the parent is killed, the kernel kills its workers: the server can hang for ever in a worker that is told to stop
    while it starts, and no other process would end that worker.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        signal_at_end_of(parent.pid, signal.SIGKILL)
