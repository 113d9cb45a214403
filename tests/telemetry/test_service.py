"""A service of two workers that sends traces and metrics to a collector."""

import asyncio
import itertools
import secrets
from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.people.oidc.forger import CLIENT, Forger, forging
from tests.postgres import TestServers
from tests.service import ADMIN_KEY, PLAIN, Service, running_service, wait_for
from tests.telemetry.collector import Collector, Span, collecting, labels_of

SERVER = 2
DEDUCT = "POST /v1/accounts/{account_id}/deductions"
STAGES = ("wait", "decide", "commit")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def provider() -> Iterator[Forger]:
    with forging() as found:
        yield found


@pytest.fixture(scope="module")
def traced(
    servers: TestServers, tmp_path_factory: pytest.TempPathFactory, collector: Collector, provider: Forger
) -> Iterator[Service]:
    found = servers.get("embedded")
    assert found is not None
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_SERVICE_NAME": "ledger of tests",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=tests",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "CREDIT_LEDGER_OIDC_ISSUER": provider.issuer,
        "CREDIT_LEDGER_OIDC_CLIENT_ID": CLIENT,
    }
    folder = tmp_path_factory.mktemp("traced")
    with found.database() as conninfo, running_service(conninfo, folder, workers=2, settings=settings) as service:
        yield service


class Caller:
    """Sends requests as a part of traces of its own, each on a connection of its own: workers take turns."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._numbers = itertools.count(1)

    def span(self) -> tuple[str, str]:
        """The ids of a new trace and of a span in it."""
        return secrets.token_hex(16), secrets.token_hex(8)

    async def deduct(self, account: str, trace_id: str, span_id: str, flags: str = "01") -> httpx.Response:
        """Deduct a credit."""
        headers = {
            "Authorization": f"Bearer {ADMIN_KEY}",
            "Idempotency-Key": f"traced-{next(self._numbers)}",
            "traceparent": f"00-{trace_id}-{span_id}-{flags}",
        }
        async with httpx.AsyncClient(base_url=self._service.url, verify=PLAIN, trust_env=False, timeout=60) as client:
            answer = await client.post(f"/v1/accounts/{account}/deductions", json={"amount": 1}, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer


def arrived(collector: Collector, *traces: str) -> Callable[[], bool]:
    """Whether all spans of deductions have arrived, by their traces."""
    return lambda: all({DEDUCT, *STAGES} <= collector.of_trace(name).keys() for name in traces)


async def test_a_command_is_a_trace_wherever_it_arrives(traced: Service, collector: Collector) -> None:
    """The span of the request is below the caller's, the stages are below it, also when another worker commits."""
    caller, account = Caller(traced), traced.open_account(permanent=1_000)
    answered: set[int] = set()
    committed: set[int] = set()
    while len(answered) < 2:
        trace_id, span_id = caller.span()
        answer = await caller.deduct(account, trace_id, span_id)
        await asyncio.to_thread(wait_for, arrived(collector, trace_id))
        spans = collector.of_trace(trace_id)
        request = spans[DEDUCT]
        assert (request.kind, request.parent_id, request.failed) == (SERVER, span_id, False)
        assert request.says == {
            "http.request.method": "POST",
            "http.route": "/v1/accounts/{account_id}/deductions",
            "http.response.status_code": 201,
            "url.scheme": "http",
            "url.path": "/v1/accounts/REDACTED/deductions",
            "network.protocol.version": "1.1",
            "credit_ledger.operation": "deduct",
            "credit_ledger.request_id": answer.headers["x-request-id"],
        }
        assert request.sender["service.name"] == "ledger of tests"
        assert request.sender["deployment.environment.name"] == "tests"
        times = [(spans[name].began, spans[name].ended) for name in STAGES]
        assert times == sorted(times)
        assert all(before[1] == after[0] for before, after in itertools.pairwise(times))
        for name in STAGES:
            assert spans[name].parent_id == request.span_id
            assert spans[name].says == {"credit_ledger.operation": "deduct"}
            committed.add(spans[name].sender["process.pid"])
        answered.add(request.sender["process.pid"])
    assert len(committed) == 1, "one worker owns the log"


async def test_an_append_names_the_commands_of_its_batch(traced: Service, collector: Collector) -> None:
    caller, accounts = Caller(traced), [traced.open_account(permanent=100) for _ in range(8)]

    def shared() -> list[Span]:
        return [one for one in collector.named("append") if len(one.links) > 1]

    deadline = asyncio.get_running_loop().time() + 60
    while not shared():
        assert asyncio.get_running_loop().time() < deadline, "no two commands were committed together"
        traces = [caller.span() for _ in accounts]
        sent = [caller.deduct(name, *ids) for name, ids in zip(accounts, traces, strict=True)]
        await asyncio.gather(*sent)
        await asyncio.to_thread(wait_for, arrived(collector, *(trace_id for trace_id, _ in traces)))
    append = shared()[-1]
    assert append.says["credit_ledger.commands"] >= len(append.links)
    requests = {one.span_id: one for one in collector.named(DEDUCT)}
    assert set(append.links) <= requests.keys()
    assert append.parent_id == append.links[0]
    for link in append.links:
        commit = collector.of_trace(requests[link].trace_id)["commit"]
        assert commit.links == [append.span_id]
        assert (commit.began, commit.ended) == pytest.approx((append.began, append.ended), abs=1_000_000)


async def test_the_caller_decides_whether_a_request_is_recorded(traced: Service, collector: Collector) -> None:
    caller, account = Caller(traced), traced.open_account(permanent=10)
    not_wanted, wanted = caller.span(), caller.span()
    await caller.deduct(account, *not_wanted, flags="00")
    await caller.deduct(account, *wanted)
    await asyncio.to_thread(wait_for, arrived(collector, wanted[0]))
    assert collector.of_trace(not_wanted[0]) == {}


def test_what_nobody_asked_for_is_in_traces_of_its_own(traced: Service, collector: Collector) -> None:
    account = traced.open_account(permanent=10)
    hold = {"amount": 5, "expires_in_seconds": 1}
    assert traced.post(f"/v1/accounts/{account}/holds", hold, key="short").status_code == 201
    wait_for(lambda: collector.named("sweep"))
    [sweep] = collector.named("sweep")
    assert (sweep.parent_id, sweep.says) == ("", {"credit_ledger.count": 1})
    steps = collector.named("project")
    assert all(one.parent_id == "" and one.says["credit_ledger.count"] > 0 for one in steps)
    workers = {one.sender["process.pid"] for one in collector.named(DEDUCT)}
    assert len({one.sender["process.pid"] for one in steps} - workers) == 1, "the projector is a process of its own"


def test_a_sign_in_at_the_provider_has_its_requests_below_it(traced: Service, collector: Collector) -> None:
    """Somebody waits for them."""
    answer = traced.client.get("/dashboard/oidc/start", follow_redirects=False)
    assert answer.status_code == 303
    wait_for(lambda: len(collector.named("GET oidc")) == 2 and collector.named("GET /dashboard/oidc/start"))
    [page] = collector.named("GET /dashboard/oidc/start")
    asked = collector.named("GET oidc", page.trace_id)
    assert [one.parent_id for one in asked] == [page.span_id] * 2


def test_no_span_has_what_is_secret(traced: Service, collector: Collector) -> None:
    account = traced.open_account(permanent=10)
    secret = "clk_nobody-may-read-this"
    texts = {"description": "for-her-eyes-only", "amount": 1}
    asked = [
        traced.client.get(f"/dashboard/portal/{secret}"),
        traced.client.get(f"/dashboard/sign-in?token={secret}"),
        traced.client.get(f"/{secret}"),
        traced.client.get(f"/v1/accounts/{account}/balance", headers={"User-Agent": secret}),
        traced.post(f"/v1/accounts/{account}/deductions", texts, key="texts"),
        traced.client.get("/v1/accounts", headers={"Authorization": f"Bearer {secret}"}),
        traced.client.get("/healthz"),
    ]
    assert {answer.status_code for answer in asked} <= {200, 201, 303, 401, 403, 404, 410}
    known = [answer.headers["x-request-id"] for answer in asked[:-1]]

    def told() -> dict[str, Span]:
        return {one.says["credit_ledger.request_id"]: one for one in list(collector.spans) if one.kind == SERVER}

    wait_for(lambda: set(known) <= told().keys())
    names = [told()[name].name for name in known]
    assert names == [
        "GET /dashboard/portal/{token}",
        "GET /dashboard/sign-in",
        "GET",
        "GET /v1/accounts/{account_id}/balance",
        DEDUCT,
        "GET /v1/accounts",
    ]
    assert told()[known[2]].says["url.path"] == "/REDACTED"
    assert asked[-1].headers["x-request-id"] not in told(), "health checks are not traced"
    everything = b"".join(collector.bodies)
    for word in (secret, account, ADMIN_KEY, texts["description"]):
        assert str(word).encode() not in everything


def test_metrics_are_those_of_prometheus(traced: Service, collector: Collector) -> None:
    """The same names, labels and numbers, for all workers together, from one of them."""
    traced.open_account(permanent=10)

    def commands_here() -> dict[tuple[tuple[str, str], ...], float]:
        families = {one.name: one for one in text_string_to_metric_families(traced.client.get("/metrics").text)}
        samples = families["credit_ledger_commands"].samples
        return {tuple(sorted(one.labels.items())): one.value for one in samples if one.name.endswith("_total")}

    def commands_there() -> dict[tuple[tuple[str, str], ...], float]:
        _, found = collector.metrics[-1]
        points = found["credit_ledger_commands"].sum.data_points if "credit_ledger_commands" in found else ()
        return {labels_of(one): one.as_double for one in points}

    wait_for(lambda: collector.metrics and commands_there() == commands_here())
    assert sum(commands_there().values()) > 1
    sender, found = collector.metrics[-1]
    text = traced.client.get("/metrics").text
    named = {one.name for one in text_string_to_metric_families(text) if not one.name.endswith("_created")}
    assert found.keys() == named
    commands = found["credit_ledger_commands"].sum
    assert commands.is_monotonic
    assert commands.aggregation_temporality == 2, "cumulative"
    assert found["credit_ledger_position"].HasField("gauge")
    assert found["credit_ledger_commands"].description
    senders = {(who["service.instance.id"], who["process.pid"]) for who, _ in collector.metrics}
    assert len(senders) == 1, "one worker speaks for all"
    assert sender["service.instance.id"] == collector.spans[0].sender["service.instance.id"]
