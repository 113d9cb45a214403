"""What a text for Prometheus becomes for a collector."""

from opentelemetry.sdk.metrics.export import Gauge, Histogram, Sum
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client import Gauge as PrometheusGauge
from prometheus_client import Histogram as PrometheusHistogram

from api.runtime.telemetry.metrics_bridge import metrics_in


def test_each_kind_keeps_its_numbers() -> None:
    registry = CollectorRegistry()
    counter = Counter("ledger_commands", "Commands", ["operation"], registry=registry)
    counter.labels("deduct").inc(41)
    counter.labels('grant "x"').inc()
    PrometheusGauge("ledger_waiting", "Waiting", registry=registry).set(7)
    histogram = PrometheusHistogram("ledger_seconds", "Times", ["stage"], registry=registry, buckets=(0.1, 1, 10))
    for value in (0.05, 0.5, 0.6, 100):
        histogram.labels("wait").observe(value)
    histogram.labels("commit").observe(2)
    found = {one.name: one for one in metrics_in(generate_latest(registry).decode(), 1, 2)}
    assert found.keys() == {"ledger_commands", "ledger_waiting", "ledger_seconds"}
    commands, waiting, seconds = (found[name].data for name in ("ledger_commands", "ledger_waiting", "ledger_seconds"))
    assert isinstance(commands, Sum)
    assert commands.is_monotonic
    counted = {(one.attributes or {})["operation"]: one.value for one in commands.data_points}
    assert counted == {"deduct": 41, 'grant "x"': 1}
    assert isinstance(waiting, Gauge)
    assert [(one.attributes, one.value) for one in waiting.data_points] == [({}, 7)]
    assert isinstance(seconds, Histogram)
    points = {(one.attributes or {})["stage"]: one for one in seconds.data_points}
    assert points["wait"].bucket_counts == [1, 2, 0, 1]
    assert points["wait"].explicit_bounds == [0.1, 1, 10]
    assert (points["wait"].count, points["wait"].sum) == (4, 101.15)
    assert points["commit"].bucket_counts == [0, 0, 1, 0]
    assert (points["commit"].start_time_unix_nano, points["commit"].time_unix_nano) == (1, 2)
