"""What tests of every floor share: real servers, fresh databases, a ledger with a clock of its own, a real service."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from ledger.service import Ledger
from tests.clients.typescript import made_client
from tests.postgres import TestServer, TestServers, quick_folder
from tests.service import Service, SharedService

SERVERS = ["embedded", "machine"]
TOGETHER = [
    *(("tests/api/queries/",), ("tests/api/imports/",), ("tests/demo/",), ("tests/export/",)),
    ("tests/clients/test_typescript.py", "tests/api/test_prices_page.py"),
    tuple(
        f"tests/dashboard/test_{name}"
        for name in (
            *("browser_billing", "browser_imports", "browser_limits", "browser_operator", "browser_overview"),
            *("browser_usage", "imports", "limit_forms", "operator", "same_origin", "sign_in"),
        )
    ),  # one browser and one service
    ("tests/dashboard/test_browser_", "tests/dashboard/test_at_provider.py", "tests/dashboard/test_guarded_cookies.py"),
]
"""Folders and files of which one process runs all tests: what these share takes long to make."""
LONGEST = [
    *("tests/api/test_openapi.py", "tests/api/queries/", "tests/api/imports/", "tests/survival/test_survival.py"),
    *("tests/dashboard/test_browser_usage.py", "tests/dashboard/test_browser_people.py"),
    *("tests/attack/test_attack.py", "tests/clients/test_generators.py", "tests/clients/test_typescript.py"),
    *("tests/api/test_prices_page.py", "tests/api/test_codes.py", "tests/api/streaming/test_streams.py"),
    *("tests/api/cli/test_move_command.py", "tests/website/test_site.py"),
    *("tests/projections/checks/test_check.py", "tests/simulation/test_committer.py"),
    *("tests/api/runtime/test_roles.py", "tests/projections/checks/test_check_damage.py", "tests/demo/"),
    *("tests/dashboard/test_behind_a_proxy.py", "tests/dashboard/test_control_characters.py"),
    "tests/api/test_people.py",
    *("tests/api/runtime/test_embedded_restart.py", "tests/projections/checks/test_check_command.py"),
    *("tests/api/runtime/test_going_down.py", "tests/projections/engine/test_projectors.py"),
    *("tests/domain/test_laws.py", "tests/migrations/test_commands.py", "tests/test_docs.py"),
    *("tests/api/requests/test_strangers.py", "tests/api/commands/test_long_batches.py"),
    *("tests/api/test_enumeration.py", "tests/proof/test_tree.py", "tests/api/runtime/test_revocations.py"),
]
"""The files and folders whose tests take longest: three quarters of a minute and more where others work too."""

SERVED = pytest.StashKey[set[str]]()
"""The files and folders of which a test needs the shared service."""
SHARED = pytest.StashKey[SharedService]()
RARELY = 20_000, 10, 10
"""The thresholds of the garbage collection. With those of Python it takes a fourteenth of a run's processor time."""

# How long an example takes is the machine's affair, and no property of what is tested.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while tests are collected, and never look again at what that made: it is kept until the end.
    Full collections would take a tenth of a run's processor time. Look more rarely than usual at what tests make."""
    gc.disable()
    yield
    gc.freeze()
    gc.set_threshold(*RARELY)
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several processes, begin with what needs the shared service, which then ends: it works although nobody asks
    it. Of the rest begin with what takes longest: for a long file that begins last, all others wait."""
    if hasattr(config, "workerinput"):
        served = {_together(item.nodeid) for item in items if "shared_service" in getattr(item, "fixturenames", ())}
        config.stash[SERVED] = served
        items.sort(key=lambda item: (_together(item.nodeid) not in served, _rank(item.nodeid)))


def _rank(name: str) -> int:
    return next((place for place, longest in enumerate(LONGEST) if name.startswith(longest)), len(LONGEST))


def _together(name: str) -> str:
    """What a test is given to a process with: its file, or the first name of those that share something."""
    file = name.partition("::")[0]
    return next((places[0] for places in TOGETHER if file.startswith(places)), file)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """In several processes, end the shared service before the first test that comes after all that need it."""
    served = item.config.stash.get(SERVED, None)
    if served is not None and _together(item.nodeid) not in served and SHARED in item.config.stash:
        item.config.stash[SHARED].close()


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc]  # its package has no types
    """Gives each process one file after the other, so that what the tests of a file share is made once in a run."""

    def _split_scope(self, nodeid: str) -> str:
        return _together(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WholeFiles:
    """In the order of the tests, and not the files with most tests first."""
    config.option.loadscopereorder = False
    return WholeFiles(config, log)


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
def shared_service(
    request: pytest.FixtureRequest, servers: TestServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedService]:
    """What starts `service`, and ends it."""
    found = servers.get("embedded")
    assert found is not None
    with closing(SharedService(found, lambda: tmp_path_factory.mktemp("service"))) as shared:
        request.config.stash[SHARED] = shared
        yield shared


@pytest.fixture(scope="module")
def service(shared_service: SharedService) -> Service:
    """One `credit-ledger serve` for all tests that only need accounts of their own."""
    return shared_service.running()


@pytest.fixture(scope="session")
def typescript_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the client in TypeScript, made once in a process."""
    return made_client(tmp_path_factory.mktemp("typescript"))
