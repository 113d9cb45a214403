"""The operators' address: what is there, and what the public one then no longer tells."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.runtime.listening.listen_address import CannotListen
from api.runtime.processes.server import check_ops_address
from api.runtime.settings import load_settings
from ledger.timings.command_timings import STAGES
from tests.api.stage import refused
from tests.postgres import TestServers
from tests.service import PLAIN, Service, free_port, running_service, wait_for


@pytest.fixture(scope="module")
def apart(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service of two workers with an address for operators."""
    server, port = servers.get("embedded"), free_port()
    assert server is not None
    settings = {"CREDIT_LEDGER_OPS_PORT": str(port)}
    folder = tmp_path_factory.mktemp("apart")
    with server.database() as conninfo, running_service(conninfo, folder, workers=2, settings=settings) as running:
        yield running, f"http://127.0.0.1:{port}"


def test_details_and_metrics_are_on_the_operators_port_alone(apart: tuple[Service, str]) -> None:
    service, ops = apart
    assert service.get("/readyz").json() == {"status": "ok"}
    refused(service.get("/metrics"), 404, "not_found")
    with httpx.Client(base_url=ops, trust_env=False, verify=PLAIN) as operator:
        for _ in range(5):  # whichever worker answers
            assert operator.get("/healthz").json() == {"status": "ok"}
            ready = operator.get("/readyz")
            assert (ready.status_code, ready.headers["content-type"]) == (200, "application/json")
            assert ready.json().keys() == {
                "status",
                "checks",
                "role",
                "clock",
                "projections",
                "checkpoints",
                "restarts",
                "webhooks",
            }
            found = operator.get("/metrics?x=1")
            assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert "\ncredit_ledger_position " in found.text
        assert operator.head("/metrics").content == b""
        assert operator.get("/v1/accounts").status_code == 404
        assert operator.post("/readyz").status_code == 405


def counts(ops: str) -> Counter[str]:
    """How much each histogram has observed: by its name, and by its name with the value of each label."""
    found: Counter[str] = Counter()
    text = httpx.get(f"{ops}/metrics", trust_env=False, verify=PLAIN).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if family.type == "histogram" and sample.name == f"{family.name}_count":
                name = family.name.removeprefix("credit_ledger_")
                found[" ".join([name, *(sample.labels[label] for label in sorted(sample.labels))])] += int(sample.value)
    return found


def test_histograms_have_what_both_workers_and_the_projector_saw(apart: tuple[Service, str]) -> None:
    service, ops = apart
    account = service.open_account(permanent=100)
    for number in range(20):
        with httpx.Client(headers=service.client.headers, trust_env=False, verify=PLAIN) as one:  # of either worker
            body = {"amount": 1, "task_id": f"{number}"}
            assert one.post(f"{service.url}/v1/accounts/{account}/deductions", json=body).status_code == 201
    assert service.get(f"/v1/accounts/{account}/history", min_position=1).status_code == 200
    assert service.get(f"/v1/accounts/{account}/events").status_code == 200
    stages = [f"stage_seconds deduct {stage}" for stage in STAGES]
    expected = {"request_seconds deduct": 20, **dict.fromkeys(stages, 20)}
    wait_for(lambda: {name: counts(ops)[name] for name in expected} == expected)
    wait_for(lambda: counts(ops)["projection_lag_seconds history"] > 20)
    seen = counts(ops)
    assert seen["load_seconds"] >= 1
    assert 1 <= seen["batch_commands fast"] <= seen["append_seconds"]
    assert all(seen[f"pool_wait_seconds {pool}"] for pool in ("commands", "queries", "views"))


@pytest.mark.parametrize("sent", [b"\0\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics HTTP/1.1\r\nA: " + b"a" * 9_000])
def test_what_is_not_http_ends_the_connection_alone(apart: tuple[Service, str], sent: bytes) -> None:
    service, ops = apart
    with closing(socket.create_connection(("127.0.0.1", httpx.URL(ops).port or 0), timeout=60)) as caller:
        caller.sendall(sent)
        with suppress(ConnectionResetError):
            assert b" 200 " not in caller.recv(100)
    assert httpx.get(f"{ops}/healthz", trust_env=False, verify=PLAIN).status_code == 200
    assert "ERROR" not in service.log.read_text()


def test_a_port_that_is_taken_stops_the_start(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"CREDIT_LEDGER_OPS_PORT: nothing can listen on port {port}"):
            check_ops_address(load_settings(ops_port=port, data_dir=tmp_path))
    with pytest.raises(CannotListen, match="CREDIT_LEDGER_OPS_HOST"):
        check_ops_address(load_settings(ops_port=port, ops_host="192.0.2.1", data_dir=tmp_path))
    check_ops_address(load_settings(data_dir=tmp_path))
