"""What sends traces and metrics: exporters and samplers as the standard variables say, and the parts that make spans.

Spans are kept for some seconds and sent by a thread of the library. When the collector is away, or takes too long, they
are dropped: no request waits for one.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from time import time_ns
from typing import cast

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from api.runtime.telemetry.aside import aside
from api.runtime.telemetry.commands import TracedLedger
from api.runtime.telemetry.log_ids import note_trace_ids
from api.runtime.telemetry.metrics_bridge import SCOPE, MetricsBridge
from api.runtime.telemetry.outgoing import with_client_spans
from api.runtime.telemetry.requests import TracedRequests
from api.runtime.telemetry.route_names import RouteNames
from api.runtime.telemetry.spans import Spans
from api.runtime.telemetry.telemetry import Exposition, Part, Telemetry, Work
from api.runtime.telemetry.turns import with_spans
from ledger.service import Ledger

SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the semantic conventions that spans follow."""
_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_DEFAULT_INTERVAL = 60_000
"""Milliseconds between two times that metrics are sent, unless the variable says otherwise."""
_PATIENCE = 2.0
"""Seconds that a process which stops takes to send what is left."""


class Sending(Telemetry):
    """Sends some of the signals TRACES and METRICS."""

    def __init__(self, signals: Sequence[str], *, accounts: bool, start: str) -> None:
        resource = resource_of(start)
        self._accounts = accounts
        self._resource = resource
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False) if "TRACES" in signals else None
        self._metrics = OTLPMetricExporter() if "METRICS" in signals else None
        self._spans: Spans | None = None
        if self._provider is not None:
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            tracer = self._provider.get_tracer(SCOPE, version("credit-ledger"), SCHEMA)
            self._spans = Spans(tracer, accounts=accounts)
            note_trace_ids()

    def of(self, part: type[Part]) -> Callable[..., Part]:
        """What makes a part of the process: a class of it that makes spans, if there is one."""
        if self._spans is None:
            return part
        if part is Ledger:
            return cast("Callable[..., Part]", partial(TracedLedger, self._spans))
        return with_client_spans(with_spans(part, self._spans), self._spans)

    def around(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> ASGIApp:
        """The application with a span around each request."""
        if self._spans is None:
            return app
        return TracedRequests(app, self._spans, RouteNames(routes, accounts=self._accounts))

    def work(self, exposition: Exposition) -> dict[str, Work]:
        """Sending of metrics."""
        if self._metrics is None:
            return {}
        bridge = MetricsBridge(self._metrics, self._resource, exposition, _interval(), time_ns)
        return {"telemetry": bridge.run}

    async def stop(self) -> None:
        """Send what is left, for two seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await aside(self._end)

    def _end(self) -> None:
        if self._provider is not None:
            self._provider.shutdown()
        if self._metrics is not None:
            self._metrics.shutdown()


def resource_of(start: str) -> Resource:
    """Who sends: the service, its version, this start of it, this process; OTEL_RESOURCE_ATTRIBUTES goes before."""
    found: dict[str, str | int] = {
        "service.name": "credit-ledger",
        "service.version": version("credit-ledger"),
        "process.pid": os.getpid(),
    }
    if start:
        found["service.instance.id"] = start
    return Resource.create(found).merge(OTELResourceDetector().detect())


def _interval() -> float:
    """Seconds between two times that metrics are sent."""
    told = os.environ.get(_INTERVAL, "")
    return (int(told) if told.isdigit() and int(told) else _DEFAULT_INTERVAL) / 1_000
