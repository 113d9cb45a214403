"""A span for each request: middleware around the whole application.

The span says what was asked, by the template of its route, and how it was answered. It has no body, no header but the
request id, no query, no address and no browser of a caller.
"""

from collections.abc import Mapping

from opentelemetry.context import Context, attach, create_key, detach, get_value, set_value
from opentelemetry.propagate import extract
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.requests.encoded_slashes import with_encoded_slashes
from api.http.requests.request import headers_of
from api.http.requests.request_ids import HEADER
from api.runtime.telemetry import names
from api.runtime.telemetry.route_names import RouteName, RouteNames
from api.runtime.telemetry.spans import Attributes, Spans, as_traceparent, fail
from ledger.commit.submission import Submission

MOST_COMMANDS = 20
"""Commands of one request that have spans of their own. A batch may have thousands, and tells nothing new with more."""
_NOT_TRACED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What is asked every few seconds, and says nothing of anybody's request."""
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_REQUEST = create_key("credit_ledger.request")


class TracedRequest:
    """A request with a span that is recorded."""

    __slots__ = ("_accounts", "_left", "_span")

    def __init__(self, span: Span, *, accounts: bool) -> None:
        self._span = span
        self._accounts = accounts
        self._left = MOST_COMMANDS

    def trace(self, submission: Submission) -> None:
        """Let the commit of a command make spans below the span of the request, if it has not had enough of them."""
        if self._left == MOST_COMMANDS:
            self._span.set_attribute(names.OPERATION, submission.metadata.operation)
            if self._accounts:
                self._span.set_attribute(names.ACCOUNT, submission.account_id)
        if self._left:
            self._left -= 1
            submission.trace = as_traceparent(self._span.get_span_context())


def traced_request() -> TracedRequest | None:
    """The request in which this is called; None without one, or if its span is not recorded."""
    found = get_value(_REQUEST)
    return found if isinstance(found, TracedRequest) else None


class TracedRequests:
    """Makes a span around each request of an application, below the span of its caller if it names one."""

    def __init__(self, app: ASGIApp, spans: Spans, routes: RouteNames) -> None:
        self._app = app
        self._spans = spans
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http" or scope["path"] in _NOT_TRACED:
            await self._app(scope, receive, send)
            return
        span, context = self._begin(scope)
        token = attach(context)
        try:
            await self._app(scope, receive, _watched(send, span))
        except BaseException as error:
            fail(span, error)
            raise
        finally:
            detach(token)
            span.end()

    def _begin(self, scope: Scope) -> tuple[Span, Context]:
        name = self._routes.find(with_encoded_slashes(scope)["path"])
        parent = extract(headers_of(scope), Context(), _HEADERS)
        span = self._spans.start(_title(scope, name), parent, _attributes(scope, name), kind=SpanKind.SERVER)
        context = set_span_in_context(span, parent)
        if span.is_recording():
            context = set_value(_REQUEST, TracedRequest(span, accounts=self._spans.accounts), context)
        return span, context


def _title(scope: Scope, name: RouteName) -> str:
    method = scope["method"] if scope["method"] in _METHODS else "HTTP"
    return method if name.template is None else f"{method} {name.template}"


def _attributes(scope: Scope, name: RouteName) -> Attributes:
    found: dict[str, str | int | bool] = {
        names.METHOD: scope["method"] if scope["method"] in _METHODS else "_OTHER",
        names.SCHEME: scope.get("scheme", "http"),
        names.PATH: name.told,
        names.PROTOCOL: scope.get("http_version", "1.1"),
    }
    if name.template is not None:
        found[names.ROUTE] = name.template
    if name.account_id is not None:
        found[names.ACCOUNT] = name.account_id
    return found


def _watched(send: Send, span: Span) -> Send:
    """A `send` that tells the span how the request is answered."""
    if not span.is_recording():
        return send

    async def watch(message: Message) -> None:
        if message["type"] == "http.response.start":
            _answered(span, message)
        await send(message)

    return watch


def _answered(span: Span, message: Message) -> None:
    status: int = message["status"]
    span.set_attribute(names.STATUS, status)
    for name, value in message.get("headers", ()):
        if name == HEADER:
            span.set_attribute(names.REQUEST_ID, value.decode("latin-1"))
    if status >= 500:
        span.set_attribute(names.ERROR, str(status))
        span.set_status(Status(StatusCode.ERROR))


class _Headers(Getter[Mapping[bytes, bytes]]):
    """Reads the headers of a request."""

    def get(self, carrier: Mapping[bytes, bytes], key: str) -> list[str] | None:
        """The values of a header."""
        value = carrier.get(key.lower().encode())
        return None if value is None else [value.decode("latin-1")]

    def keys(self, carrier: Mapping[bytes, bytes]) -> list[str]:
        """The names of all headers."""
        return [name.decode("latin-1") for name in carrier]


_HEADERS = _Headers()
