"""A collector of OpenTelemetry: it listens on this machine, and reads what it gets with the protocol's own messages."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

Values = dict[str, Any]
_KINDS = ("string_value", "int_value", "bool_value", "double_value")


@dataclass(frozen=True)
class Span:
    """A span as it arrived; ids are hexadecimal."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    began: int
    ended: int
    failed: bool
    says: Values
    links: Sequence[str]
    """The ids of the spans that it is linked to."""
    sender: Values
    """The attributes of its resource."""


class Collector:
    """What has arrived."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.bodies: list[bytes] = []
        self.spans: list[Span] = []
        self.metrics: list[tuple[Values, dict[str, Any]]] = []
        """Each time that metrics came: who sent them, and the metrics by their names."""

    def named(self, name: str, trace_id: str | None = None) -> list[Span]:
        """The spans of a name, of all traces or of one."""
        return [one for one in list(self.spans) if one.name == name and trace_id in (None, one.trace_id)]

    def of_trace(self, trace_id: str) -> dict[str, Span]:
        """The spans of a trace by their names."""
        return {one.name: one for one in list(self.spans) if one.trace_id == trace_id}

    def take(self, path: str, body: bytes) -> None:
        """Read what a process has sent."""
        self.bodies.append(body)
        if path == "/v1/traces":
            self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        else:
            assert path == "/v1/metrics"
            self.metrics += _metrics(ExportMetricsServiceRequest.FromString(body))


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """A collector until the block ends, on a port or on any."""

    class Receiving(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Receiving)
    server.daemon_threads = True
    collector = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        sender = _values(resource.resource.attributes)
        for scope in resource.scope_spans:
            for one in scope.spans:
                yield Span(
                    one.name,
                    one.kind,
                    one.trace_id.hex(),
                    one.span_id.hex(),
                    one.parent_span_id.hex(),
                    one.start_time_unix_nano,
                    one.end_time_unix_nano,
                    one.status.code == Status.STATUS_CODE_ERROR,
                    _values(one.attributes),
                    [link.span_id.hex() for link in one.links],
                    sender,
                )


def _metrics(request: ExportMetricsServiceRequest) -> Iterator[tuple[Values, dict[str, Any]]]:
    for resource in request.resource_metrics:
        found = {one.name: one for scope in resource.scope_metrics for one in scope.metrics}
        yield _values(resource.resource.attributes), found


def _values(attributes: Sequence[KeyValue]) -> Values:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind in _KINDS, f"no attribute of ours is a {kind}"
    return getattr(value, kind)


def labels_of(point: Any) -> tuple[tuple[str, Any], ...]:
    """The attributes of a point of a metric, in order."""
    return tuple(sorted(_values(point.attributes).items()))
