"""An event that does not chain, from whoever may only call the append function: it is named, and stops nobody else."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ledger.store.batch import Row, parameters
from ledger.store.reader import SQL
from tests.postgres import TestServers
from tests.service import PATIENCE, Service, service_here

_STATE = b'{"data":{},"metadata":{},"recorded_at":"2026-01-01T00:00:00Z","schema":1}'
_END = "SELECT hash FROM ledger.events WHERE originator_id = 'ada' ORDER BY originator_version DESC LIMIT 1"


@pytest.fixture(scope="module")
def damaged(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two accounts, and an event of ada with a hash that nobody computed."""
    settings = {"CREDIT_LEDGER_CHECKPOINT_SECONDS": "1"}
    server = servers.get("embedded")
    assert server is not None
    with (
        server.database() as conninfo,
        service_here(conninfo, tmp_path_factory.mktemp("service"), settings=settings) as running,
    ):
        for account in "ada", "bob":
            assert running.post("/v1/accounts", {"account_id": account}).status_code == 201
        with psycopg.connect(conninfo) as connection:
            row = connection.execute(_END).fetchone()
            assert row is not None
            false = Row("ada", 3, "CreditsGranted", _STATE, None, None, None, None, row[0], bytes(32))
            connection.execute(SQL["append"], parameters([false], {}), binary=True)
        yield running


def test_it_is_named_and_no_more_is_signed_or_projected(damaged: Service) -> None:
    named = "the event at position 5 of account ada cannot be read: NotChained: "
    deadline = time.monotonic() + PATIENCE
    while not _problems(ready := damaged.get("/readyz").json()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert damaged.get("/readyz").status_code == 503
    assert all(problem.startswith(named) for problem in _problems(ready))
    assert ready["checkpoints"]["size"] in {None, 4}


def _problems(ready: Any) -> list[str]:
    """The problems of all projections and of the checkpoints; none until each has one."""
    found = [one["problem"] for one in (*ready["projections"].values(), ready["checkpoints"])]
    return found if all(found) else []


def test_everybody_else_goes_on(damaged: Service) -> None:
    assert damaged.post("/v1/accounts/bob/deductions", {"amount": 1, "task_id": "t"}).status_code == 201
    assert damaged.get("/v1/accounts/bob/balance").json()["total"] == 99
    commands = [
        {"op": "deduct", "account_id": account, "amount": 1, "idempotency_key": "x"} for account in ("ada", "bob")
    ]
    answers = damaged.post("/v1/batch", {"atomic": False, "commands": commands}).json()["results"]
    assert [answer["status"] for answer in answers] == [500, 201]


def test_nobody_decides_upon_it(damaged: Service) -> None:
    for path, body in ("/v1/accounts/ada/deductions", {"amount": 1, "task_id": "t"}), ("/v1/accounts/ada/freeze", {}):
        assert damaged.post(path, body, key="k").json()["code"] == "internal_error"
    assert damaged.get("/v1/accounts/ada/balance").status_code == 500
