"""The state of the service for operators: the same looks that /readyz and /metrics take, in words."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.current_user import operator_of
from api.dashboard.rendering import page
from api.http.health import drift_of, health_of, readiness

_FAILED = {
    "database": "The database does not answer.",
    "sessions": "The database is reached through a connection pooler that keeps no sessions.",
    "committer": "Commands cannot be recorded at the moment.",
    "projections": "A projection has stopped, or is more than 30 seconds behind.",
    "checkpoints": "The log is not what its newest checkpoint says, or that cannot be told.",
}


class Stand(NamedTuple):
    """One projection: where it stands, and how that is to be called."""

    name: str
    state: Mapping[str, Any]
    end: int
    """The end of the log."""
    word: str
    tone: str


async def service(request: Request) -> Response:
    """How the service is."""
    await operator_of(request)
    health = health_of(request)
    ready = await readiness(health)
    return await page(
        request,
        "service.html",
        ready=ready,
        failed=[_FAILED[name] for name, good in ready["checks"].items() if not good],
        stands=[_stand(name, state) for name, state in ready["projections"].items()],
        drift=await drift_of(health),
        waiting=health.ledger.waiting,
        cached=health.ledger.cached_accounts,
        several=health.processes,
    )


def _stand(name: str, state: Mapping[str, Any]) -> Stand:
    return Stand(name, state, (state["position"] or 0) + state["behind"], *called(state))


def called(state: Mapping[str, Any]) -> tuple[str, str]:
    """How it stands, in words, and with what tone."""
    if state["stopped_at"] is not None:
        return "stopped", "bad"
    if state["position"] is None:
        return ("being built", "warn") if state["rebuilding"] else ("not built", "bad")
    if not state["within_bounds"]:
        return "too far behind", "bad"
    if state["rebuilding"]:
        return "being rebuilt", "warn"
    return ("catching up", "") if state["behind"] else ("up to date", "good")
