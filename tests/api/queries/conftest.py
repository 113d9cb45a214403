"""What tests of queries share: a service on a year of events."""

from collections.abc import Iterator

import pytest

from tests.api.conftest import under_contract
from tests.api.queries.year import Year, write_year
from tests.postgres import TestServers
from tests.service import service_here


@pytest.fixture(scope="package")
def year(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """A service on a year of events; only to be read. It ends with its folder: it works although nobody asks it."""
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo:
        write_year(conninfo)
        with service_here(conninfo, tmp_path_factory.mktemp("year")) as running:
            under_contract(running)
            yield Year(running)
