"""What tests of the projections share: one database for all those that go through thousands of examples, and ledgers in
which much has happened, made once, of which each test gets a copy."""

import asyncio
from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.domain.commands import DeductCredits, GrantCredits, MergeAccount
from ledger.moves import Moved, move
from ledger.service import Ledger
from tests.conftest import Clock
from tests.postgres import TestServer, TestServers
from tests.projections.bench import Bench, bench_on
from tests.projections.busy import Busy
from tests.projections.moving import projected
from tests.store.asking import open_account, submission


@pytest.fixture(scope="session")
def bench(servers: TestServers) -> Iterator[Bench]:
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo, bench_on(conninfo) as opened:
        yield opened


@pytest.fixture(scope="session")
def lived(servers: TestServers) -> Iterator[str]:
    """The name of a database in which two accounts have lived a busy life, of which nothing is projected."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo:
        asyncio.run(_live(conninfo))
        yield _name(conninfo)


@pytest.fixture(scope="session")
def lived_and_projected(servers: TestServers, lived: str) -> Iterator[str]:
    """The name of a copy, with ten quiet accounts more, in which all of it is projected."""
    server = servers.get("embedded")
    assert server is not None
    with server.database(lived) as conninfo:
        asyncio.run(_project(conninfo))
        yield _name(conninfo)


@pytest.fixture
def unprojected(server: TestServer, lived: str) -> Iterator[str]:
    """A database with the events of two busy accounts, ada after bob, and nothing projected."""
    with server.database(lived) as conninfo:
        yield conninfo


@pytest.fixture
def busy(server: TestServer, lived_and_projected: str) -> Iterator[str]:
    """A database with two busy accounts and ten quiet ones, all of them projected."""
    with server.database(lived_and_projected) as conninfo:
        yield conninfo


async def _live(conninfo: str) -> None:
    clock = Clock()
    async with Ledger(conninfo, clock=clock).running() as ledger:
        await open_account(ledger, "cyd", permanent=5)
        for account in ("bob", "ada"):
            busy = Busy(ledger, clock)
            await busy.live(account)
            await busy.fall_short(account)
            await busy.ask(GrantCredits(account, "permanent", 500))
            await busy.ask(DeductCredits(account, 1))
        merged = submission(MergeAccount("cyd", "bob"), "merge", "m", ("bob", None))
        assert isinstance(await move(ledger, merged), Moved)


async def _project(conninfo: str) -> None:
    async with Ledger(conninfo, clock=_later()).running() as ledger:
        for number in range(10):
            await open_account(ledger, f"quiet-{number}", permanent=5)
        await projected(ledger, conninfo)


def _later() -> Clock:
    """When all of that is over."""
    clock = Clock()
    clock.forward(days=10)
    return clock


def _name(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["dbname"])
