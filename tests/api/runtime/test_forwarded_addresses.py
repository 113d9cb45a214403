"""Where a request comes from, behind the proxies of the manual: a trusted proxy is believed, and nobody else is.

Clients, proxies and the service are on loopback, each at an address of its own: 127.0.0.1 is the proxy's.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import psycopg
import pytest

from tests.dashboard.proxies import PROXIES
from tests.postgres import TestServers, owner
from tests.service import PLAIN, Service, free_port, service_here

CLIENT, NETWORK = "127.77.0.7", "127.77.0.0/24"
FORGED = ["203.0.113.9", "203.0.113.9, 127.0.0.1", "127.0.0.1", "203.0.113.9,,", "[::1]", "unknown, x"]
"""What a client may say in X-Forwarded-For, to look like another one or like the proxy."""


@pytest.fixture(scope="module")
def trusting(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that trusts the proxy alone."""
    server = servers.get("embedded")
    assert server is not None
    settings = {"CREDIT_LEDGER_REGISTRATION": "open", "CREDIT_LEDGER_TRUSTED_PROXIES": "127.0.0.1/32"}
    folder = tmp_path_factory.mktemp("forwarded")
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def fronts(trusting: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The ports of the proxies that are here."""
    with ExitStack() as stack:
        ports = {name: free_port() for name, (found, _) in PROXIES.items() if found() is not None}
        for name, port in ports.items():
            stack.enter_context(PROXIES[name][1](port, trusting.port, tmp_path_factory.mktemp(name)))
        yield ports


def seen(service: Service, port: int, *headers: tuple[str, str]) -> str:
    """The network by which the service counts a wrong password that the client sends to a port."""
    login = {"email": "ada@example.com", "password": "a wrong password"}
    with httpx.Client(transport=httpx.HTTPTransport(local_address=CLIENT, verify=PLAIN)) as client:
        answer = client.post(f"http://127.0.0.1:{port}/api/auth/login", json=login, headers=list(headers))
    assert answer.status_code == 401, answer.text
    with psycopg.connect(owner(service.conninfo), autocommit=True) as connection:
        [network] = connection.execute("DELETE FROM people.attempts RETURNING network").fetchall()
    return str(network[0])


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_says_who_asked_and_no_client_does(trusting: Service, fronts: dict[str, int], name: str) -> None:
    if name not in fronts:
        pytest.skip(f"no {name} here: no address is seen through it (see scripts/test)")
    assert seen(trusting, fronts[name]) == NETWORK
    for forged in FORGED:
        assert seen(trusting, fronts[name], ("X-Forwarded-For", forged)) == NETWORK, forged
    several = [("X-Forwarded-For", forged) for forged in ("203.0.113.9", "203.0.113.10")]
    assert seen(trusting, fronts[name], *several) == NETWORK
    assert seen(trusting, fronts[name], ("Forwarded", "for=203.0.113.9"), ("X-Real-IP", "203.0.113.9")) == NETWORK


def test_nobody_is_believed_who_is_no_trusted_proxy(trusting: Service) -> None:
    for forged in FORGED:
        assert seen(trusting, trusting.port, ("X-Forwarded-For", forged)) == NETWORK, forged
