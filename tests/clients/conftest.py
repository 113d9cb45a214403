"""A service that the clients speak to."""

from collections.abc import Iterator

import pytest

from tests.postgres import TestServers
from tests.service import Service, service_here


@pytest.fixture(scope="module")
def serving(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own, in a thread."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("clients")) as running:
        yield running
