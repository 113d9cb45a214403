"""What tests of every floor share: real servers, fresh databases, a ledger with a clock of its own, a real service."""

import gc
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from ledger.service import Ledger
from tests.postgres import TestServer, TestServers, quick_folder
from tests.service import Service, running_service

SERVERS = ["embedded", "machine"]
LONGEST = [
    "survival/test_survival.py",
    "attack/test_attack.py",
    "tests/test_docs.py",
    "engine/test_projectors.py",
    "engine/test_rebuild_command.py",
    "engine/test_kills.py",
    "demo/test_demo_command.py",
]
"""The files with the longest tests, the longest first."""

# How long an example takes is the machine's affair, and no property of what is tested.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while tests are collected, and never look again at what that made: it is kept until the end.
    Full collections would take a tenth of a run's processor time."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several processes, begin with the files whose tests take longest, each file in another one: for a long test
    that begins last, all others wait. pytest-xdist gives each process as many tests as the others, in this order."""
    processes: int = getattr(config, "workerinput", {}).get("workercount", 1)
    if processes == 1:
        return
    first: list[list[pytest.Item]] = [[] for _ in range(processes)]
    for number, file in enumerate(LONGEST):
        first[number % processes] += [item for item in items if item.path.match(file)]
    others = [item for item in items if not any(item.path.match(file) for file in LONGEST)]
    left, count = deque(others), len(items)
    items.clear()
    for number, begun in enumerate(first):
        share = count * (number + 1) // processes - len(items)
        items += begun
        items += [left.popleft() for _ in range(min(share - len(begun), len(left)))]
    items += left


class Clock:
    """Time as a test sees it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **length: float) -> None:
        """Let time pass."""
        self.now += timedelta(**length)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """A folder for a server that a test kills: what it leaves in memory is what it leaves on a disk."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def servers() -> Iterator[TestServers]:
    with quick_folder() as folder, ExitStack() as stack:
        yield TestServers(folder, stack)


@pytest.fixture
def server(servers: TestServers) -> TestServer:
    """The embedded server."""
    found = servers.get("embedded")
    assert found is not None
    return found


@pytest.fixture(params=SERVERS)
def each_server(request: pytest.FixtureRequest, servers: TestServers) -> TestServer:
    """The embedded server, then the machine's."""
    found = servers.get(request.param)
    if found is None:
        pytest.skip("no PostgreSQL of the machine: tested on the embedded one alone")
    return found


@pytest.fixture
def database(server: TestServer) -> Iterator[str]:
    """A fresh, migrated database on the embedded server."""
    with server.database() as conninfo:
        yield conninfo


@pytest.fixture
def each_database(each_server: TestServer) -> Iterator[str]:
    """A fresh, migrated database on each server."""
    with each_server.database() as conninfo:
        yield conninfo


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def ledger(database: str, clock: Clock) -> AsyncIterator[Ledger]:
    async with Ledger(database, clock=clock).running() as running:
        yield running


@pytest_asyncio.fixture
async def each_ledger(each_database: str, clock: Clock) -> AsyncIterator[Ledger]:
    async with Ledger(each_database, clock=clock).running() as running:
        yield running


@pytest.fixture(scope="session")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One `credit-ledger serve` for all tests that only need accounts of their own."""
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo, running_service(conninfo, tmp_path_factory.mktemp("service")) as running:
        yield running
