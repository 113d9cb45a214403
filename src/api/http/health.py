"""Health: the routes /healthz for load balancers, /readyz for operators and /metrics for Prometheus."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from api.contract.answers.health import (
    STARTED_BY,
    CheckpointsState,
    Checks,
    ClockState,
    HealthAnswer,
    ProjectionState,
    ReadinessAnswer,
    ReadinessStatus,
    Role,
    WebhooksState,
)
from api.contract.openapi import problem_response
from api.contract.readiness import AGAIN_AND_AGAIN
from api.http import metrics
from api.http.draining import Draining
from api.http.histograms import worker_histograms
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.shared_answer import SharedAnswer
from billing.inbox.inbox import Inbox, WaitingCount
from ledger.clock import GuardedClock
from ledger.postgres.pool import Pool
from ledger.postgres.privileges import PrivilegeWatch
from ledger.postgres.socket_logins import SocketLogins
from ledger.proof.status import CheckpointStatus, CheckpointWatch
from ledger.service import Ledger
from ledger.store import Reader, decode_event
from projections.checks.watch import Drift, drift
from projections.engine.builds import BuildState, build_states, live, next_of
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection

router = APIRouter(route_class=AnswerRoute, tags=["health"])

SHARED = 0.1
"""Seconds between two answers of /readyz or of /metrics that are made; each is for all who asked meanwhile."""
_FIGURES = 1.0
"""Seconds after which a process sets its metrics for the others."""
LONGEST_LAG = timedelta(seconds=30)
"""/readyz reports a projection whose oldest event that it has not applied is older than this."""
LONGEST_WAIT = timedelta(hours=1)
"""/readyz warns of a webhook that has waited for longer."""


class RestartCounts(Protocol):
    """How often parts of the service were started again."""

    def recent(self) -> dict[str, int]:
        """The restarts of the last minute by the name of the part."""


@dataclass(frozen=True, slots=True)
class Health:
    """The parts of the service that the health checks read."""

    ledger: Ledger
    clock: GuardedClock
    """The clock of the ledger."""
    checkpoints: CheckpointWatch
    privileges: PrivilegeWatch
    inbox: Inbox
    restarts: RestartCounts
    processes: bool
    """Whether the service has several worker processes."""
    start: str
    """Which start of the service this process belongs to."""
    draining: Draining
    ops: bool = False
    """Whether operators have an address of their own: then the public one has no details."""
    pools: Mapping[str, Pool] = field(default_factory=dict)
    """The pools whose waits are shown, by name."""
    sockets: SocketLogins = field(default_factory=SocketLogins)
    readiness: SharedAnswer[ReadinessAnswer] = field(default_factory=lambda: SharedAnswer(SHARED))
    exposition: SharedAnswer[bytes] = field(default_factory=lambda: SharedAnswer(SHARED))

    def show_figures(self) -> None:
        """Set the metrics of this process."""
        metrics.WAITING.set(self.ledger.waiting)
        metrics.CACHED.set(self.ledger.cached_accounts)
        metrics.CLOCK.set(self.clock.refused)
        metrics.show_owner(owns=self.ledger.owns)
        metrics.FORWARDED.inc(self.ledger.newly_forwarded())
        worker_histograms.show(self.ledger.timings, self.pools)

    async def keep_figures(self) -> None:
        """Set the metrics of this process every second while another process may be asked for them."""
        while self.processes:
            self.show_figures()
            await asyncio.sleep(_FIGURES)


def health_of(request: Request) -> Health:
    """The health checks of this process."""
    health: Health = request.app.state.health
    return health


@router.get("/healthz", summary="Whether the process answers")
async def healthz(request: Request) -> JsonAnswer[HealthAnswer]:
    """The process answers. This does not check the database."""
    return JsonAnswer({"status": "ok"}, headers={STARTED_BY: health_of(request).start})


@router.get(
    "/readyz", responses={503: {"model": ReadinessAnswer | ReadinessStatus}}, summary="Whether the service is ready"
)
async def readyz(request: Request) -> JsonAnswer[ReadinessAnswer | ReadinessStatus]:
    """The service is ready when the database answers, its connections keep their sessions, commands can be committed,
    the log matches its newest checkpoint, no process ended three times within a minute, and no projection has stopped
    or is more than 30 seconds behind. A projection that is being rebuilt for a new version counts as ready. A service
    that is about to stop is `draining`, whatever the checks find, and answers 503. `role` is only a warning: it lists
    what the database login can do beyond appending and reading, checked once a minute. With CREDIT_LEDGER_OPS_PORT,
    only `status` is answered here."""
    health = health_of(request)
    return await readiness_reply(health, details=not health.ops)


async def readiness_reply(health: Health, *, details: bool = True) -> JsonAnswer[ReadinessAnswer | ReadinessStatus]:
    """The answer of /readyz, with or without its details."""
    found = await health.readiness.get(lambda: readiness(health))
    if health.draining.begun:
        found = {**found, "status": "draining"}
    shown: ReadinessAnswer | ReadinessStatus = found if details else {"status": found["status"]}
    return JsonAnswer(shown, 200 if found["status"] == "ok" else 503)


async def readiness(health: Health) -> ReadinessAnswer:
    """Run all checks of /readyz."""
    sessions = await _sessions(health)
    states = None if sessions is None else await _states(health)  # a lost database costs one timeout only
    checkpoint_status = None if states is None else await _checkpoint_status(health)
    waiting = None if states is None else await _waiting(health)
    role = None if states is None else await _role(health)
    restarts = health.restarts.recent()
    checks: Checks = {
        "checkpoints": checkpoint_status is not None and checkpoint_status.holds is not False,
        "committer": health.ledger.available,
        "database": states is not None,
        "processes": all(count < AGAIN_AND_AGAIN for count in restarts.values()),
        "sessions": sessions is True,
        "projections": states is not None and all(state["within_bounds"] for state in states.values()),
    }
    return {
        "status": "ok" if all(checks.values()) else "unavailable",
        "checks": checks,
        "role": role,
        "clock": _clock(health),
        "projections": states or {},
        "checkpoints": _checkpoints(checkpoint_status) if checkpoint_status else None,
        "webhooks": None if waiting is None else _webhooks(waiting, health.clock()),
        "restarts": restarts,
    }


@router.get(
    "/metrics",
    responses={404: problem_response(404, "not_found")},
    summary="Prometheus metrics",
    response_class=PlainTextResponse,
)
async def prometheus(request: Request) -> Response:
    """The metrics in the text format of Prometheus. With several workers, the sum of all of them. With
    CREDIT_LEDGER_OPS_PORT, they are only there."""
    health = health_of(request)
    if health.ops:
        raise HTTPException(404)
    return Response(await metrics_text(health), media_type="text/plain; version=0.0.4; charset=utf-8")


async def metrics_text(health: Health) -> bytes:
    """All metrics in the text format of Prometheus."""
    return await health.exposition.get(lambda: _exposition(health))


async def _exposition(health: Health) -> bytes:
    health.show_figures()
    for part, count in health.restarts.recent().items():
        metrics.RESTARTS.labels(part).set(count)
    states = await _states(health)
    for name, state in (states or {}).items():
        metrics.BEHIND.labels(name).set(state["behind"])
        metrics.STOPPED.labels(name).set(state["stopped_at"] is not None)
    if states is not None and (status := await _checkpoint_status(health)):
        metrics.show_checkpoints(status.noted, status.signed_at, status.problem, health.clock())
    shown = metrics.exposition(processes=health.processes)
    if states is None:  # a lost database costs one timeout only: whoever gathers metrics waits for ten seconds
        return shown
    found = await drift_of(health)
    shown += metrics.exposition_of(found) if found else b""
    waiting = await _waiting(health)
    return shown + (metrics.exposition_of_waiting(waiting, health.clock()) if waiting is not None else b"")


def _clock(health: Health) -> ClockState:
    """The state of the machine's clock. A wrong clock does not make the service unready, which keeps its own time."""
    refused = health.clock.refused
    return {"machine_followed": not refused, "machine_ahead_seconds": round(refused)}


async def _sessions(health: Health) -> bool | None:
    """Whether connections keep their server process; None when the database does not answer."""
    try:
        return await health.ledger.log.has_own_sessions()
    except psycopg.Error:
        return None


async def _role(health: Health) -> Role | None:
    """The rights of the database login; None when the database does not answer."""
    try:
        async with health.ledger.log.connection() as connection:
            found = await health.privileges.of(connection)
            could = (*found.could, *await health.sockets.of(connection))
    except psycopg.Error:
        return None
    return {
        "session_user": found.session_user,
        "current_user": found.current_user,
        "append_only": not could,
        "could": could,
    }


async def _states(health: Health) -> dict[str, ProjectionState] | None:
    """The state of each projection; None when the database does not answer."""
    builds = [build for projection in PROJECTIONS for build in (live(projection), next_of(projection))]
    try:
        async with health.ledger.log.connection() as connection:
            reader = Reader(connection)
            found = await build_states(connection, builds)
            end = await reader.last_position()
            times = await _times_of_next_events(reader, found)
    except psycopg.Error:
        return None
    metrics.POSITION.set(end)
    late = health.clock() - LONGEST_LAG
    old = {position for position, recorded_at in times.items() if recorded_at < late}
    return {projection.name: _state(projection, found, end, old) for projection in PROJECTIONS}


async def _checkpoint_status(health: Health) -> CheckpointStatus | None:
    """The state of the checkpoints; None when the database does not answer."""
    try:
        async with health.ledger.log.connection() as connection:
            return await health.checkpoints.status(connection)
    except psycopg.Error:
        return None


async def _waiting(health: Health) -> list[WaitingCount] | None:
    """How many webhooks wait; None when the database does not answer."""
    try:
        return await health.inbox.waiting()
    except psycopg.Error:
        return None


def _webhooks(waiting: Sequence[WaitingCount], now: datetime) -> WebhooksState:
    oldest = max(((now - one.oldest) for one in waiting), default=timedelta())
    return {
        "waiting": sum(one.count for one in waiting),
        "oldest_seconds": max(round(oldest.total_seconds()), 0),
        "too_long": oldest > LONGEST_WAIT,
    }


def _checkpoints(status: CheckpointStatus) -> CheckpointsState:
    return {
        "holds": status.holds,
        "size": status.size,
        "position": status.position,
        "signed_at": status.signed_at,
        "problem": status.problem,
    }


async def _times_of_next_events(reader: Reader, found: Mapping[str, BuildState]) -> dict[int, Any]:
    """For each position of a projection, the time of the first event after it.

    An event that cannot be read is as old as can be, because it never becomes readable.
    """
    times = {}
    for position in {at.position for at in found.values()}:
        for row in await reader.log(position, 1, None):
            try:
                times[position] = decode_event(row.topic, row.state).recorded_at
            except Exception:  # damaged bytes may fail in any way
                times[position] = datetime.min.replace(tzinfo=UTC)
    return times


def _state(projection: Projection, found: Mapping[str, BuildState], end: int, old: set[int]) -> ProjectionState:
    at, coming = found.get(live(projection).schema), found.get(next_of(projection).schema)
    rebuilding = coming is not None
    if at is None:
        return _not_built(end, coming)
    fresh = at.position not in old or (rebuilding and at.version != projection.version)
    return {
        "within_bounds": at.stopped_at is None and fresh,
        "position": at.position,
        "behind": max(end - at.position, 0),
        "as_of": at.as_of,
        "stopped_at": at.stopped_at,
        "problem": at.problem and at.problem.splitlines()[0],  # further lines may contain data of a row
        "rebuilding": rebuilding,
        "rebuilt_to": coming.position if coming else None,
    }


def _not_built(end: int, coming: BuildState | None) -> ProjectionState:
    return {
        "within_bounds": False,
        "position": None,
        "behind": end,
        "as_of": None,
        "stopped_at": None,
        "problem": None,
        "rebuilding": coming is not None,
        "rebuilt_to": coming.position if coming else None,
    }


async def drift_of(health: Health) -> Drift | None:
    """The drift that the check has found; None when the database does not answer, because it is unknown then."""
    try:
        async with health.ledger.log.connection() as connection:
            return await drift(connection)
    except psycopg.Error:
        return None
