"""What tests of exports share: one ledger in which everything has happened, which they only read."""

import asyncio
from collections.abc import Iterator

import pytest

from ledger.domain.commands import EraseTexts, OpenAccount
from ledger.service import Ledger
from tests.conftest import Clock
from tests.postgres import TestServer, TestServers
from tests.projections.busy import Busy

ACCOUNTS = ["ada", "=1+1", "zoë@home:x"]


@pytest.fixture(scope="session")
def lived(servers: TestServers) -> Iterator[str]:
    """A database with three busy accounts, one whose texts were erased, and one in which nothing happened."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo:
        asyncio.run(_live(conninfo))
        yield conninfo


async def _live(conninfo: str) -> None:
    clock = Clock()
    async with Ledger(conninfo, clock=clock).running() as ledger:
        busy = Busy(ledger, clock)
        for account in ACCOUNTS:
            await busy.live(account)
        await busy.live("erased")
        await busy.ask(EraseTexts("erased"))
        await busy.ask(OpenAccount("quiet"))


@pytest.fixture
def empty(server: TestServer) -> Iterator[str]:
    """A fresh database beside it."""
    with server.database() as conninfo:
        yield conninfo
