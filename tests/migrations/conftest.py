"""The old database on each server: as it was, and as this program migrates it."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from api.components import COMPONENTS
from ledger.postgres.migrations import migrate
from ledger.postgres.roles import set_up
from tests.migrations import golden
from tests.postgres import TestServer, owner


@pytest.fixture(scope="session")
def restored() -> Callable[[TestServer], str]:
    """The template of the old database on a server."""
    return cache(lambda server: server.restored(golden.dump()))


@pytest.fixture
def old_database(each_server: TestServer, restored: Callable[[TestServer], str]) -> Iterator[str]:
    """As the old program left it."""
    with each_server.database(restored(each_server)) as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def restored_and_migrated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TestServer], str]:
    """The template of the old database as this program makes it, with the read models that it has now."""

    def make(server: TestServer) -> str:
        name = server.restored(golden.dump())
        migrate(server.conninfo(name), COMPONENTS)
        golden.answered(server.conninfo(name), tmp_path_factory.mktemp("rebuilding"), ["rebuild"])
        return name

    return cache(make)


@pytest.fixture
def migrated(each_server: TestServer, restored_and_migrated: Callable[[TestServer], str]) -> Iterator[str]:
    """As this program makes it."""
    with each_server.database(restored_and_migrated(each_server)) as conninfo:
        assert set_up(owner(conninfo), COMPONENTS) is None
        yield conninfo


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    """What the old program answered."""
    return golden.expected()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Its data directory."""
    return golden.data_directory(tmp_path)
