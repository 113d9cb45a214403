"""A small company, planned and carried out once for all tests that look at it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import uvloop

from api.cli.progress import Lines
from api.demo.activities import plan_company
from api.demo.filling import Filled, fill
from api.demo.plan import PlannedCommand
from tests.postgres import TestServers

NOW = datetime(2026, 5, 13, 14, 20, tzinfo=UTC)
BEGINS = NOW - timedelta(weeks=2)


def small_plan() -> list[PlannedCommand]:
    return list(plan_company(Random(1), NOW, weeks=2, accounts=12))


@pytest.fixture(scope="session")
def plan() -> list[PlannedCommand]:
    return small_plan()


@pytest.fixture(scope="session")
def company(servers: TestServers, plan: list[PlannedCommand]) -> Iterator[tuple[str, Filled]]:
    """The database of the small company, and what its filling came to."""
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo:
        yield conninfo, uvloop.run(fill(conninfo, plan, BEGINS, NOW, Lines()))
