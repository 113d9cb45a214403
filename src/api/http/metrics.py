"""The metrics for Prometheus: counts of commands and refusals, and the state of the service."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.values import MultiProcessValue  # noqa: F401  # chosen by PROMETHEUS_MULTIPROC_DIR

from api.http.histograms import PROJECTOR_METRICS
from billing.inbox.inbox import WaitingCount
from projections.checks.watch import Drift

COMMANDS = Counter(
    "credit_ledger_commands", "Requests for commands, by operation and HTTP status", ["operation", "status"]
)
REFUSALS = Counter("credit_ledger_refusals", "Refused commands, by code", ["code"])
SIGN_INS = Counter("credit_ledger_sign_ins", "Attempts to sign in to the dashboard", ["by", "outcome"])
SWEPT = Counter("credit_ledger_swept", "Expiries and hold expiries that the sweeper recorded")
WAITING = Gauge("credit_ledger_commands_waiting", "Commands that wait for their commit", multiprocess_mode="livesum")
FORWARDED = Counter("credit_ledger_commands_forwarded", "Commands that a worker forwarded to the owner of the log")
OWNER = Gauge(
    "credit_ledger_log_owner",
    "1 for the worker that decides and commits commands, 0 for a worker that forwards them to it",
    ["worker"],
    multiprocess_mode="livesum",
)
CACHED = Gauge("credit_ledger_cached_accounts", "Account states in memory", multiprocess_mode="livesum")
LISTENERS = Gauge("credit_ledger_listeners", "Open streams of events", multiprocess_mode="livesum")
CLOCK = Gauge(
    "credit_ledger_clock_refused_seconds",
    "Seconds by which the machine's clock is ahead and therefore not used; 0 while it is used",
    multiprocess_mode="mostrecent",
)
POSITION = Gauge("credit_ledger_position", "The newest position of the log", multiprocess_mode="max")
BEHIND = Gauge(
    "credit_ledger_projection_behind",
    "Events that a projection has not applied",
    ["projection"],
    multiprocess_mode="mostrecent",
)
STOPPED = Gauge(
    "credit_ledger_projection_stopped",
    "1 when a projection stopped at an event that it cannot apply",
    ["projection"],
    multiprocess_mode="mostrecent",
)
CHECKPOINT = Gauge("credit_ledger_checkpoint_size", "Events in the newest checkpoint", multiprocess_mode="mostrecent")
CHECKPOINT_AGE = Gauge(
    "credit_ledger_checkpoint_age_seconds", "Seconds since a checkpoint was signed", multiprocess_mode="mostrecent"
)
CHECKPOINT_PROBLEM = Gauge(
    "credit_ledger_checkpoint_problem",
    "1 when no checkpoint can be signed, or when the log does not match the newest one",
    multiprocess_mode="mostrecent",
)
RESTARTS = Gauge(
    "credit_ledger_restarts",
    "How often a part of the service ended and was started again in the last minute, up to 3",
    ["part"],
    multiprocess_mode="mostrecent",
)


WEBHOOKS = Counter(
    "credit_ledger_webhooks",
    "Webhooks of payment providers that arrived (new, duplicate, spooled), and what became of them",
    ["provider", "type", "state"],
)
SIGNATURE_FAILURES = Counter(
    "credit_ledger_webhook_signature_failures", "Deliveries that no secret of their provider has signed", ["provider"]
)


@cache
def _commands(operation: str, status: int) -> Callable[[], None]:
    return COMMANDS.labels(operation, str(status)).inc


def count_command(operation: str, status: int) -> None:
    """Count an answered request for a command."""
    _commands(operation, status)()


def count_refusal(code: str) -> None:
    """Count a refused command."""
    REFUSALS.labels(code).inc()


def count_sign_in(by: str, outcome: str) -> None:
    """Count a sign-in to the dashboard `by` a `link`, a `password`, a `key` or the `provider`; the outcome is `done`,
    `refused` or `failed`."""
    SIGN_INS.labels(by, outcome).inc()


def show_checkpoints(size: int, signed_at: datetime | None, problem: str | None, now: datetime) -> None:
    """Set the metrics of the checkpoints."""
    CHECKPOINT.set(size)
    if signed_at is not None:
        CHECKPOINT_AGE.set(max(0.0, (now - signed_at).total_seconds()))
    CHECKPOINT_PROBLEM.set(problem is not None)


def exposition(*, processes: bool) -> bytes:
    """All metrics of this process and of the projector as text. With several workers, the metrics of all."""
    if not processes:
        return generate_latest() + _written_to(os.environ.get(PROJECTOR_METRICS))
    shared = os.environ["PROMETHEUS_MULTIPROC_DIR"]
    _forget_the_dead(Path(shared))
    return _written_to(shared)


def _written_to(folder: str | None) -> bytes:
    """What processes have written to a folder, in sum."""
    if folder is None:
        return b""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _forget_the_dead(shared: Path) -> None:
    """Remove what processes that have ended say of their present state."""
    for name in shared.glob("gauge_live*_*.db"):
        pid = int(name.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except OSError:  # there is none, or it is another user's: the workers have the same
            with suppress(FileNotFoundError):  # another worker removes it too
                multiprocess.mark_process_dead(pid, str(shared))  # type: ignore[no-untyped-call]


def show_owner(*, owns: bool) -> None:
    """Show whether this process owns the log."""
    OWNER.labels(str(os.getpid())).set(owns)


class _DriftCollector(Collector):
    """The drift that the check has found. It is in the database, so each process reports it for all."""

    def __init__(self, drift: Drift) -> None:
        self._drift = drift

    def collect(self) -> Iterator[Metric]:
        """A sample of 1 for each account and projection that is wrong, or one sample of 0 without labels."""
        alarm = "1 for each account and projection that differs from the events; 0 when there is none"
        gauge = GaugeMetricFamily("credit_ledger_drift", alarm, labels=["account_id", "projection"])
        for names in self._drift.wrong:
            gauge.add_metric(names, 1)
        if not self._drift.wrong:
            gauge.add_metric([], 0)
        yield gauge
        place = self._drift.place
        yield CounterMetricFamily("credit_ledger_checked_accounts", "Accounts that were checked", place.checked)
        yield CounterMetricFamily("credit_ledger_check_rounds", "Times that all accounts were checked", place.rounds)


def exposition_of(drift: Drift) -> bytes:
    """The metrics of the drift, as text."""
    registry = CollectorRegistry()
    registry.register(_DriftCollector(drift))
    return generate_latest(registry)


class _WaitingCollector(Collector):
    """The webhooks that wait. They are in the database, so each process reports them for all."""

    def __init__(self, waiting: Sequence[WaitingCount], now: datetime) -> None:
        self._waiting = waiting
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """A sample for each reason, and the age of the oldest webhook that waits."""
        gauge = GaugeMetricFamily(
            "credit_ledger_webhooks_waiting", "Webhooks that are not applied yet", labels=["reason"]
        )
        for one in self._waiting:
            gauge.add_metric([one.reason], one.count)
        yield gauge
        oldest = min((one.oldest for one in self._waiting), default=self._now)
        age = max((self._now - oldest).total_seconds(), 0.0)
        said = "Seconds since the oldest webhook arrived that is not applied yet; 0 when none waits"
        yield GaugeMetricFamily("credit_ledger_webhook_oldest_waiting_seconds", said, age)


def exposition_of_waiting(waiting: Sequence[WaitingCount], now: datetime) -> bytes:
    """The metrics of webhooks that wait, as text."""
    registry = CollectorRegistry()
    registry.register(_WaitingCollector(waiting, now))
    return generate_latest(registry)
