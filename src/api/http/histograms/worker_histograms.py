"""The histograms of a worker: how long commands and their stages take, batches, loads, and waits for connections."""

from collections.abc import Mapping
from time import monotonic_ns

from prometheus_client import Gauge

from api.http.histograms.filled_histogram import FilledHistogram, in_seconds
from ledger.postgres.pool import Pool
from ledger.timings.command_timings import STAGES, CommandTimings
from ledger.timings.histogram import SECOND, SIZES, TIMES, Histogram

_SECONDS = in_seconds(TIMES)
REQUESTS = FilledHistogram(
    "credit_ledger_request_seconds",
    "Time from the head of a request for a command to its answer, by operation",
    ["operation"],
    buckets=_SECONDS,
)
STAGE_TIMES = FilledHistogram(
    "credit_ledger_stage_seconds",
    "Time that commands spend in each stage: wait, decide, commit",
    ["operation", "stage"],
    buckets=_SECONDS,
)
BATCHES = FilledHistogram(
    "credit_ledger_batch_commands", "Commands that are committed together, by lane", ["lane"], buckets=SIZES
)
APPENDS = FilledHistogram("credit_ledger_append_seconds", "Time that the append function takes", buckets=_SECONDS)
LOADS = FilledHistogram(
    "credit_ledger_load_seconds", "Time until an account that is not in memory is, for a command", buckets=_SECONDS
)
POOL_WAITS = FilledHistogram(
    "credit_ledger_pool_wait_seconds", "Time that a query waits for a connection, by pool", ["pool"], buckets=_SECONDS
)
POOL_WAITING = Gauge(
    "credit_ledger_pool_waiting", "Queries that wait for a connection, by pool", ["pool"], multiprocess_mode="livesum"
)
_requests: dict[str, Histogram] = {}
"""The times of requests of this process, by operation."""


def observe_request(operation: str, began: int) -> None:
    """Observe a request for a command that began at a moment of `monotonic_ns` and is answered now."""
    times = _requests.get(operation)
    if times is None:
        times = _requests[operation] = Histogram(TIMES)
    times.observe(monotonic_ns() - began)


def show(timings: CommandTimings, pools: Mapping[str, Pool]) -> None:
    """Show what was observed since the last call."""
    for operation, times in _requests.items():
        REQUESTS.labels(operation).fill(times, SECOND)
    for operation, stages in timings.operations.items():
        for stage in STAGES:
            STAGE_TIMES.labels(operation, stage).fill(stages.of(stage), SECOND)
    for lane, sizes in timings.batches.items():
        BATCHES.labels(lane).fill(sizes)
    APPENDS.fill(timings.appends, SECOND)
    LOADS.fill(timings.loads, SECOND)
    for name, pool in pools.items():
        POOL_WAITS.labels(name).fill(pool.waits, SECOND)
        POOL_WAITING.labels(name).set(pool.waiting)
