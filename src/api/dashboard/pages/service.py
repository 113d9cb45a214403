"""The state of the service, for operators: the checks of /readyz and figures of /metrics as a page."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.rendering import page
from api.http.health import drift_of, health_of, readiness

_FAILED = {
    "database": "The database does not answer.",
    "sessions": "The connection pooler before the database does not keep sessions.",
    "committer": "Commands cannot be recorded at the moment.",
    "projections": "A projection stopped, or is more than 30 seconds behind.",
    "checkpoints": "The log does not match its newest checkpoint, or the two cannot be compared.",
}


class ProjectionRow(NamedTuple):
    """The state of one projection, and the label of that state."""

    name: str
    state: Mapping[str, Any]
    end: int
    """The newest position of the log."""
    status: str
    tone: str


async def service(request: Request) -> Response:
    """Show the state of the service."""
    health = health_of(request)
    ready = await readiness(health)
    return await page(
        request,
        "service.html",
        ready=ready,
        failed=[_FAILED[name] for name, good in ready["checks"].items() if not good],
        projections=[_projection_row(name, state) for name, state in ready["projections"].items()],
        drift=await drift_of(health),
        waiting=health.ledger.waiting,
        cached=health.ledger.cached_accounts,
        several_processes=health.processes,
    )


def _projection_row(name: str, state: Mapping[str, Any]) -> ProjectionRow:
    return ProjectionRow(name, state, (state["position"] or 0) + state["behind"], *status_of(state))


def status_of(state: Mapping[str, Any]) -> tuple[str, str]:
    """The label of the state of a projection, and its colour."""
    if state["stopped_at"] is not None:
        return "stopped", "bad"
    if state["position"] is None:
        return ("being built", "warn") if state["rebuilding"] else ("not built", "bad")
    if not state["within_bounds"]:
        return "too far behind", "bad"
    if state["rebuilding"]:
        return "being rebuilt", "warn"
    return ("catching up", "") if state["behind"] else ("up to date", "good")
