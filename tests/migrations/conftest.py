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


@pytest.fixture
def migrated(old_database: str) -> str:
    """As this program makes it."""
    migrate(owner(old_database), COMPONENTS)
    assert set_up(owner(old_database), COMPONENTS) is None
    return old_database


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    """What the old program answered."""
    return golden.expected()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Its data directory."""
    return golden.data_directory(tmp_path)
