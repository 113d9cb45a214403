"""A till for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.billing.manual.till import Till, running_till
from tests.conftest import Clock


@pytest_asyncio.fixture
async def till(database: str, clock: Clock, tmp_path: Path) -> AsyncIterator[Till]:
    async with running_till(database, clock, tmp_path) as running:
        yield running
