"""What tests of the projections share: one database for all those that go through thousands of examples."""

from collections.abc import Iterator

import pytest

from tests.postgres import TestServers
from tests.projections.bench import Bench, bench_on


@pytest.fixture(scope="session")
def bench(servers: TestServers) -> Iterator[Bench]:
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo, bench_on(conninfo) as opened:
        yield opened
