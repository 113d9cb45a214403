"""Every answer of the service that a test of this folder sees is held against the OpenAPI document."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.api.contract import Contract, the_contract
from tests.api.stage import Ask, eventually, staged
from tests.postgres import TestServers
from tests.service import Service, service_here


def under_contract(service: Service) -> Contract:
    """Check all that a service answers to its own client from now on."""
    contract = the_contract()
    service.client.event_hooks = {"response": [contract.check]}
    return contract


@pytest.fixture(scope="module")
def contract(service: Service) -> Iterator[Contract]:
    """The document that the service is held against; in the end nothing may be left waiting in its queue."""
    yield under_contract(service)
    eventually(lambda: "\ncredit_ledger_commands_waiting 0.0\n" in service.get("/metrics").text)


@pytest.fixture(scope="package")
def crowded(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for tests that record tens of thousands of events, which others would have to go through."""
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("crowded")) as running:
        under_contract(running)
        yield running


@pytest.fixture(autouse=True)
def _under_contract(request: pytest.FixtureRequest) -> None:
    if "service" in request.fixturenames:
        request.getfixturevalue("contract")


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
