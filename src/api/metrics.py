"""What Prometheus can ask: counts of commands and refusals, and the state of the committer."""

from collections.abc import Callable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, multiprocess
from prometheus_client.values import MultiProcessValue  # noqa: F401  # chosen by PROMETHEUS_MULTIPROC_DIR

COMMANDS = Counter(
    "credit_ledger_commands", "Requests for commands, by operation and HTTP status", ["operation", "status"]
)
REFUSALS = Counter("credit_ledger_refusals", "Refused commands, by code", ["code"])
SWEPT = Counter("credit_ledger_swept", "Expiries and hold expiries that the sweeper recorded")
WAITING = Gauge("credit_ledger_commands_waiting", "Commands that wait for their commit", multiprocess_mode="livesum")
CACHED = Gauge("credit_ledger_cached_accounts", "Account states in memory", multiprocess_mode="livesum")
LISTENERS = Gauge("credit_ledger_listeners", "Open streams of events", multiprocess_mode="livesum")
POSITION = Gauge("credit_ledger_position", "The newest position of the log", multiprocess_mode="max")
BEHIND = Gauge(
    "credit_ledger_projection_behind",
    "Events that a projection has not seen",
    ["projection"],
    multiprocess_mode="mostrecent",
)
STOPPED = Gauge(
    "credit_ledger_projection_stopped",
    "1 when a projection met an event that it cannot apply",
    ["projection"],
    multiprocess_mode="mostrecent",
)


@cache
def _commands(operation: str, status: int) -> Callable[[], None]:
    return COMMANDS.labels(operation, str(status)).inc


def count_command(operation: str, status: int) -> None:
    """One more answered request for a command."""
    _commands(operation, status)()


def count_refusal(code: str) -> None:
    """One more refused command."""
    REFUSALS.labels(code).inc()


def exposition(*, processes: bool) -> bytes:
    """All metrics as text: those of all workers when there are several processes."""
    if not processes:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
