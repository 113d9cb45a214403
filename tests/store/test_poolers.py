"""A connection pooler between the ledger and its database: sessions are needed, and their absence is told."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.errors import InvalidSqlStatementName
from psycopg_pool import PoolTimeout

from api.app import create_app
from api.http.health import Health, readiness
from api.http.hot_path import HotPath
from api.http.requests.replies import as_problem
from api.runtime.database import as_url
from api.runtime.settings import load_settings
from ledger.commit import writer_connection
from ledger.commit.submission import NoSession, Recorded
from ledger.postgres import pool
from ledger.postgres.sessions import SharedSessions, require_own_sessions, server_process
from ledger.store import Writer
from tests.commands import command
from tests.pgbouncer import PROGRAM, PgBouncer, PoolMode, running_pgbouncer
from tests.service import free_port
from tests.store.asking import balance, deduct, open_account

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no PgBouncer here: see scripts/test")


def test_a_direct_connection_keeps_its_session(each_database: str) -> None:
    require_own_sessions(each_database)


def test_a_pooler_in_session_mode_keeps_sessions(database: str) -> None:
    with running_pgbouncer(database, "session") as pooler:
        require_own_sessions(pooler.conninfo)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_in_another_mode_is_found(database: str, mode: PoolMode) -> None:
    with running_pgbouncer(database, mode) as pooler, pytest.raises(SharedSessions):
        require_own_sessions(pooler.conninfo)


def test_servers_that_are_taken_in_turn_do_not_hide_it(database: str) -> None:
    with running_pgbouncer(database, "transaction", "server_round_robin = 1") as pooler:
        with psycopg.connect(pooler.conninfo) as one, psycopg.connect(pooler.conninfo) as other:
            one.execute("SELECT 1")
            other.execute("SELECT 1")  # two servers are idle from here on
        with pytest.raises(SharedSessions):
            require_own_sessions(pooler.conninfo)


@pytest.fixture
def transaction_pooler(database: str) -> Iterator[PgBouncer]:
    with running_pgbouncer(database, "transaction") as pooler:
        yield pooler


@pytest.mark.parametrize("words", [["serve"], ["migrate"], ["keys", "list"], ["verify"]])
def test_no_command_starts_on_it(transaction_pooler: PgBouncer, words: list[str]) -> None:
    done = command(transaction_pooler.conninfo, *words)
    assert done.status != 0
    assert done.out == ""
    assert re.fullmatch("credit-ledger: CREDIT_LEDGER_DATABASE_URL: a connection pooler hands out .*\n", done.err)


def test_the_owners_url_is_looked_at_too(database: str, transaction_pooler: PgBouncer) -> None:
    done = command(database, "migrate", settings={"CREDIT_LEDGER_OWNER_URL": as_url(transaction_pooler.conninfo)})
    assert done.err.startswith("credit-ledger: CREDIT_LEDGER_OWNER_URL: a connection pooler")


@asynccontextmanager
async def watched(conninfo: str) -> AsyncIterator[Health]:
    """What /readyz looks at, of a service in this process."""
    front = create_app(load_settings(), conninfo)
    assert isinstance(front, HotPath)
    health: Health = front.app.state.health
    async with health.ledger.running():
        yield health


async def test_one_that_comes_between_while_the_service_runs_is_told_and_then_forgotten(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer_connection, "GRACE", 0.5)
    monkeypatch.setattr(pool, "PATIENCE", 0.5)
    port = free_port()
    address = make_conninfo(database, host="127.0.0.1", port=port)
    async with AsyncExitStack() as stack:
        with running_pgbouncer(database, "session", port=port):
            health = await stack.enter_async_context(watched(address))
            ledger = health.ledger
            await open_account(ledger, "a", permanent=1_000)
            assert (await readiness(health))["checks"]["sessions"] is True
        with running_pgbouncer(database, "transaction", port=port):
            with pytest.raises(NoSession):
                await deduct(ledger, "a", 1, "first")
            with pytest.raises(NoSession):
                await deduct(ledger, "a", 1, "first")
            ready = await readiness(health)
            assert (ready["status"], ready["checks"]["sessions"], ready["checks"]["committer"]) == (
                "unavailable",
                False,
                False,
            )
            assert sum("nothing: a connection pooler hands out" in line for line in caplog.messages) == 1
        with running_pgbouncer(database, "session", port=port):
            async with asyncio.timeout(240):
                while not ledger.available:  # noqa: ASYNC110  # a flag for programs, not an event
                    await asyncio.sleep(0.01)
            assert isinstance(await deduct(ledger, "a", 1, "first"), Recorded)
            assert await balance(ledger, "a") == 999
            assert (await readiness(health))["checks"]["sessions"] is True
            await stack.aclose()


async def test_a_writer_that_is_served_by_another_process_is_as_good_as_lost(database: str) -> None:
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        writer = Writer(connection, connection.info.backend_pid + 1)
        with pytest.raises(SharedSessions):
            await writer.append([], {})


async def test_a_pool_drops_a_connection_whose_prepared_statements_are_gone(database: str) -> None:
    async with pool.pool_of(database, 1) as connections:
        async with connections.connection() as kept:
            await kept.execute("SELECT 1", prepare=True)
            await kept.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
        with pytest.raises(InvalidSqlStatementName):
            await _ask(connections)
        assert kept.closed
        await _ask(connections)


async def _ask(connections: pool.Pool) -> None:
    async with connections.connection() as connection:
        await connection.execute("SELECT 1", prepare=True)


async def test_a_pool_hands_out_nothing_that_a_pooler_puts_on_other_sessions(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PATIENCE", 0.5)
    with running_pgbouncer(database, "session") as pooler:
        async with pool.pool_of(pooler.conninfo, 1) as connections:
            async with connections.connection() as connection:
                process = await server_process(connection)
            pooler.change("session", "transaction")
            async with await AsyncConnection.connect(pooler.conninfo, prepare_threshold=None) as other:
                while await server_process(other) != process:
                    await other.rollback()
                    await asyncio.wait_for(_looked(connections), 60)
                with pytest.raises(PoolTimeout):  # its process is somebody else's at this moment
                    await _looked(connections)


async def _looked(connections: pool.Pool) -> None:
    async with connections.connection():
        pass


def test_what_those_who_wait_are_told() -> None:
    problem = as_problem(NoSession(), "r1")
    assert (problem.status, problem.code) == (503, "unavailable")
    assert "connection pooler" in problem.detail
