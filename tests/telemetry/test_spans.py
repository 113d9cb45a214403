"""Spans of requests and of background work, in this process."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.runtime.processes.logs import JsonLines
from api.runtime.telemetry.log_ids import TraceIds
from api.runtime.telemetry.requests import MOST_COMMANDS, TracedRequests, traced_request
from api.runtime.telemetry.route_names import RouteNames
from api.runtime.telemetry.spans import Spans, as_traceparent, named_span
from ledger.commit.submission import Submission
from ledger.domain.commands import DeductCredits
from ledger.store import Metadata

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Recorded:
    """An application whose requests are traced, and the spans that they made."""

    def __init__(self, *, accounts: bool = False) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.spans = Spans(provider.get_tracer("tests"), accounts=accounts)
        routes = [Route(path, lambda _: None) for path in ("/v1/accounts/{account_id}", "/v1/batch", "/links/{token}")]
        self.app = TracedRequests(self._answer, self.spans, RouteNames(routes, accounts=accounts))
        self.submissions = [_submission(number) for number in range(MOST_COMMANDS + 5)]
        self.lines: list[Mapping[str, Any]] = []

    async def ask(self, method: str, path: str, **headers: str) -> None:
        """Send a request."""
        given = [(name.encode(), value.encode()) for name, value in headers.items()]
        plain = path.replace("%2F", "/")  # as servers give it
        scope = {"type": "http", "method": method, "path": plain, "raw_path": path.encode(), "headers": given}

        async def send(_: object) -> None:
            pass

        await self.app(scope, send, send)  # type: ignore[arg-type]

    @property
    def made(self) -> tuple[ReadableSpan, ...]:
        """The spans that were made."""
        return self._kept.get_finished_spans()

    async def _answer(self, scope: Scope, _: Receive, send: Send) -> None:
        request = traced_request()
        if scope["path"] == "/v1/batch" and request is not None:
            for one in self.submissions:
                request.trace(one)
        record = logging.LogRecord("x", logging.INFO, "f", 1, "said", (), None)
        assert TraceIds().filter(record)
        self.lines.append(json.loads(JsonLines().format(record)))
        if scope["path"] == "/links/broken":
            raise ValueError("ada@example.com is unknown")
        status = 503 if scope["path"] == "/links/busy" else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"x-request-id", b"abc-1")]})


def _submission(number: int) -> Submission:
    return Submission(DeductCredits(f"account-{number}", 1), Metadata("tests", "deduct", str(number), "abc-1"))


async def test_a_request_is_below_the_span_of_its_caller() -> None:
    recorded = Recorded()
    await recorded.ask("GET", "/v1/accounts/ada", traceparent=PARENT)
    await recorded.ask("GET", "/v1/accounts/ada")
    await recorded.ask("GET", "/v1/accounts/ada", traceparent="00-nothing")
    below, *alone = recorded.made
    assert below.parent is not None
    assert as_traceparent(below.parent) == PARENT
    assert [one.parent for one in alone] == [None, None]
    line = recorded.lines[0]
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert int(line["span_id"], 16) == below.get_span_context().span_id  # type: ignore[union-attr]
    assert as_traceparent(named_span(PARENT)) == PARENT


async def test_ids_of_accounts_are_told_where_the_setting_says_so() -> None:
    quiet, open_ = Recorded(), Recorded(accounts=True)
    for one in (quiet, open_):
        await one.ask("GET", "/v1/accounts/ada%2Fb")
        await one.ask("GET", "/links/secret")
    assert [one.attributes["url.path"] for one in quiet.made if one.attributes] == [
        "/v1/accounts/REDACTED",
        "/links/REDACTED",
    ]
    assert "ada" not in str([one.attributes for one in quiet.made])
    told = open_.made[0].attributes
    assert told is not None
    assert (told["url.path"], told["credit_ledger.account_id"]) == ("/v1/accounts/ada%2Fb", "ada/b")
    assert open_.made[1].name == "GET /links/{token}"
    assert "secret" not in str([one.attributes for one in open_.made])


async def test_failures_are_marked_without_their_texts() -> None:
    recorded = Recorded()
    await recorded.ask("GET", "/links/busy")
    with pytest.raises(ValueError, match="unknown"):
        await recorded.ask("BREW", "/links/broken")
    busy, broken = recorded.made
    assert busy.attributes is not None
    assert broken.attributes is not None
    assert (busy.status.status_code, busy.attributes["error.type"]) == (StatusCode.ERROR, "503")
    assert (broken.status.status_code, broken.attributes["error.type"]) == (StatusCode.ERROR, "ValueError")
    assert broken.name == "HTTP /links/{token}"
    assert broken.attributes["http.request.method"] == "_OTHER"
    assert not broken.events
    assert broken.status.description is None


async def test_a_batch_has_stages_for_its_first_commands() -> None:
    recorded = Recorded(accounts=True)
    await recorded.ask("POST", "/v1/batch")
    [span] = recorded.made
    context = span.get_span_context()
    assert context is not None
    traced = [one.trace for one in recorded.submissions]
    assert traced == [as_traceparent(context)] * MOST_COMMANDS + [None] * 5
    assert span.attributes is not None
    assert span.attributes["credit_ledger.operation"] == "deduct"
    assert span.attributes["credit_ledger.account_id"] == "account-0"


async def test_a_turn_that_had_nothing_to_do_is_no_span() -> None:
    recorded = Recorded()

    async def work(done: int) -> int:
        if done < 0:
            raise ValueError("ada@example.com is unknown")
        return done

    assert await recorded.spans.turn("sweep", work(0)) == 0
    assert await recorded.spans.turn("sweep", work(3)) == 3
    with pytest.raises(ValueError, match="unknown"):
        await recorded.spans.turn("sweep", work(-1))
    done, failed = recorded.made
    assert done.attributes == {"credit_ledger.count": 3}
    assert (done.status.status_code, failed.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert "ada" not in failed.to_json()
