"""Two processes of one group, in one process: each with its own connections, cache and committer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.forwarding.group import Group
from ledger.service import Ledger
from tests.conftest import Clock


@pytest.fixture
def group(tmp_path: Path) -> Group:
    folder = tmp_path / "group"
    folder.mkdir(mode=0o700)
    return Group(folder, "tests")


@pytest.fixture
def member(database: str, clock: Clock, group: Group) -> Callable[[], Ledger]:
    """Another ledger of the group, which does not run yet."""
    return lambda: Ledger(database, clock=clock, group=group)
