"""A ledger to be judged, once for all tests of the verifier."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import TestServers
from tests.proof.evidence import gather
from tests.proof.verifying import Scene


@pytest.fixture(scope="module")
def scene(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Evidence, and the database that it is of."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as database:
        yield asyncio.run(gather(database, tmp_path_factory.mktemp("evidence"), accounts=2)), database


@pytest.fixture
def bundle(scene: Scene, tmp_path: Path) -> Path:
    """A copy of the bundle, to do harm to."""
    return Path(shutil.copytree(scene[0].bundle, tmp_path / "copy"))
