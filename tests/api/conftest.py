"""Every answer of the service that a test of this folder sees is held against the OpenAPI document."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from tests.api.contract import Contract
from tests.api.stage import Ask, eventually, staged
from tests.api.year import Year, write_year
from tests.commands import command
from tests.postgres import TestServers
from tests.service import Service, running_service, service_here
from tests.trace import make_trace, real_trace


def under_contract(service: Service) -> Contract:
    """Check all that a service answers to its own client from now on."""
    contract = Contract(service.get("/openapi.json").json())
    service.client.event_hooks = {"response": [contract.check]}
    return contract


@pytest.fixture(scope="session")
def contract(service: Service) -> Iterator[Contract]:
    """The document that the service is held against; in the end nothing may be left waiting in its queue."""
    yield under_contract(service)
    eventually(lambda: "\ncredit_ledger_commands_waiting 0.0\n" in service.get("/metrics").text)


@pytest.fixture(scope="session")
def crowded(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for tests that record tens of thousands of events, which others would have to go through."""
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo, running_service(conninfo, tmp_path_factory.mktemp("crowded")) as running:
        under_contract(running)
        yield running


@pytest.fixture(autouse=True)
def _under_contract(request: pytest.FixtureRequest) -> None:
    if "service" in request.fixturenames:
        request.getfixturevalue("contract")


@pytest.fixture(scope="session")
def year(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """A service on a year of events; only to be read."""
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo:
        write_year(conninfo)
        with service_here(conninfo, tmp_path_factory.mktemp("year")) as running:
            under_contract(running)
            yield Year(running)


@pytest.fixture
def account(service: Service) -> str:
    """A staged account."""
    return staged(service)


@pytest.fixture
def unharmed(service: Service, account: str) -> Iterator[None]:
    """The test must record nothing, and leave a service that is well."""
    before = last_position(service)
    yield
    assert last_position(service) == before, "something was recorded"
    assert service.get("/readyz").status_code == 200
    assert Ask("deduct", account, {"amount": 1}).post(service, "still-well").status_code == 201


def last_position(service: Service) -> int:
    """The last position of a command: the sweeper may record at any time, and has no receipts."""
    with psycopg.connect(service.conninfo) as connection:
        row = connection.execute("SELECT max(notification_id) FROM ledger.events WHERE receipt IS NOT NULL").fetchone()
    return row[0] if row and row[0] else 0


class Imported(NamedTuple):
    """A database into which the trace was imported by the documented command, and what that printed."""

    conninfo: str
    printed: str


def documented(number: int) -> tuple[list[str], str]:
    """A command of docs/importing.md, without the program and the file, and what it prints there."""
    page = (Path(__file__).parents[2] / "docs" / "importing.md").read_text()
    shown, printed = re.findall(r"^```sh\n(.*?)^```\n\n```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[number]
    return shlex.split(shown.replace("\\\n", " "))[3:], printed


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real trace, else one like it."""
    return real_trace() or make_trace(tmp_path_factory.mktemp("trace") / "trace.csv")


@pytest.fixture(scope="session")
def imported(servers: TestServers, trace: Path) -> Iterator[Imported]:
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo:
        done = command(conninfo, "import", trace, *documented(1)[0])
        assert done.status == 0, done.err
        yield Imported(conninfo, done.out)
