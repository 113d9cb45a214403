"""An inbox for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.billing.inbox.desk import Desk, running_desk
from tests.conftest import Clock


@pytest_asyncio.fixture
async def desk(database: str, clock: Clock, tmp_path: Path) -> AsyncIterator[Desk]:
    async with running_desk(database, clock, tmp_path) as running:
        yield running
