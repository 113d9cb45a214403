"""The metrics of /metrics for a collector: the same numbers, read from the same text, under the same names.

There is no second bookkeeping: what is counted is counted once, for Prometheus. Of the workers of a service one sends,
for all of them, as one of them answers /metrics for all: it holds a lock on a file in the folder that they share, which
the kernel gives to another one when it ends.
"""

import asyncio
import fcntl
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from api.runtime.telemetry.aside import aside
from api.runtime.telemetry.telemetry import Exposition

SCOPE = "credit_ledger"
_LOCK = "opentelemetry.lock"
_CUMULATIVE = AggregationTemporality.CUMULATIVE
_NOT_KNOWN: Any = None
"""The least and the largest value of a histogram: Prometheus knows neither, and the encoder leaves them out."""


class MetricsBridge:
    """Sends all metrics every `interval` seconds. `clock` tells nanoseconds since 1970."""

    def __init__(
        self,
        exporter: MetricExporter,
        resource: Resource,
        exposition: Exposition,
        interval: float,
        clock: Callable[[], int],
    ) -> None:
        self._exporter = exporter
        self._resource = resource
        self._exposition = exposition
        self._interval = interval
        self._clock = clock
        self._started = clock()
        self._lock: IO[bytes] | None = None

    async def run(self) -> None:
        """Send until cancelled. A collector that does not answer gets the next numbers, which include these."""
        while True:
            await asyncio.sleep(self._interval)
            if self._speaks_for_all():
                text = (await self._exposition()).decode()
                found = self._data(metrics_in(text, self._started, self._clock()))
                await aside(partial(self._exporter.export, found))

    def _speaks_for_all(self) -> bool:
        """Whether this process sends the metrics: a single worker does, and of several the one that has the lock."""
        shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if shared is None or self._lock is not None:
            return True
        lock = (Path(shared) / _LOCK).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def _data(self, metrics: Iterable[Metric]) -> MetricsData:
        scope = ScopeMetrics(InstrumentationScope(SCOPE, version("credit-ledger")), list(metrics), "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])


def metrics_in(text: str, started: int, now: int) -> Iterator[Metric]:
    """The metrics in a text for Prometheus. What is summed up is so since `started`."""
    for family in text_string_to_metric_families(text):
        if family.name.endswith("_created"):  # when a counter began: a point of OpenTelemetry has that itself
            continue
        data = _data_of(family, started, now)
        yield Metric(family.name, family.documentation, "", data)


def _data_of(family: Family, started: int, now: int) -> Sum | Gauge | Histogram:
    match family.type:
        case "counter":
            samples = [one for one in family.samples if one.name.endswith("_total")]
            return Sum([_point(one, started, now) for one in samples], _CUMULATIVE, is_monotonic=True)
        case "histogram":
            return Histogram(list(_histogram_points(family.samples, started, now)), _CUMULATIVE)
        case _:
            return Gauge([_point(one, started, now) for one in family.samples])


def _point(sample: Sample, started: int, now: int) -> NumberDataPoint:
    return NumberDataPoint(sample.labels, started, now, sample.value)


def _histogram_points(samples: Iterable[Sample], started: int, now: int) -> Iterator[HistogramDataPoint]:
    """The points of a histogram. Prometheus counts what is at most a bound; OpenTelemetry, what is between two."""
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, int]]] = defaultdict(list)
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        series = tuple(sorted(labels.items()))
        if sample.name.endswith("_bucket"):
            buckets[series].append((float(sample.labels["le"]), int(sample.value)))
        elif sample.name.endswith("_sum"):
            sums[series] = sample.value
    for series, found in buckets.items():
        found.sort()
        upto = [count for _, count in found]
        counts = [count - before for before, count in zip([0, *upto], upto, strict=False)]
        bounds = [bound for bound, _ in found[:-1]]  # the last one is infinite
        yield HistogramDataPoint(
            dict(series), started, now, upto[-1], sums.get(series, 0), counts, bounds, _NOT_KNOWN, _NOT_KNOWN
        )
