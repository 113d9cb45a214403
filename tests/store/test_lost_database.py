"""A database that goes away and comes back: 503 or a late answer, then right, and nothing twice."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from api.components import COMPONENTS
from api.runtime.embedded import lifetime as embedded
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.embedded.server import packaged_programs, run, server_in
from ledger.commit import writer_connection
from ledger.commit.submission import Recorded, StorageFull, Unavailable
from ledger.postgres import pool
from ledger.postgres.migrations import migrate
from ledger.service import Ledger
from tests.postgres import owner
from tests.store.asking import balance, deduct, open_account, sound
from tests.store.proxy import cutting_proxy


class Control:
    """A server that a test may crash and start again."""

    def __init__(self, folder: Path) -> None:
        self._server = server_in(folder, packaged_programs())

    def crash(self) -> None:
        """Stop without a last word: what follows is a recovery."""
        status, said = run(self._server, "pg_ctl", "stop", "-s", "-w", "-m", "immediate", "-D", str(self._server.data))
        assert status == 0, said

    def start(self) -> None:
        """Start, and wait until it answers."""
        embedded._start(self._server)


@pytest.fixture
def own_server(server_folder: Path) -> Iterator[tuple[str, Control]]:
    with embedded_postgres(server_folder) as conninfo:
        migrate(conninfo, COMPONENTS)
        yield conninfo, Control(server_folder)


async def test_a_short_loss_is_waited_for(own_server: tuple[str, Control], monkeypatch: pytest.MonkeyPatch) -> None:
    """Short is what is over within the grace; how long a recovery takes is the machine's affair."""
    monkeypatch.setattr(writer_connection, "GRACE", 60.0)
    conninfo, control = own_server
    async with Ledger(conninfo).running() as ledger:
        await open_account(ledger, "a", permanent=1_000)
        for turn in range(3):
            asked = [asyncio.create_task(deduct(ledger, "a", 1, f"{turn}-{n}")) for n in range(50)]
            await asyncio.to_thread(control.crash)
            await asyncio.to_thread(control.start)
            outcomes = await asyncio.gather(*asked)
            assert all(isinstance(o, Recorded) and not o.replayed for o in outcomes)
            assert await balance(ledger, "a") == 1_000 - 50 * (turn + 1)
        await sound(ledger)


async def test_a_long_loss_is_told_and_mended_without_help(
    own_server: tuple[str, Control], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_connection, "GRACE", 0.3)
    conninfo, control = own_server
    async with Ledger(conninfo).running() as ledger:
        await open_account(ledger, "a", permanent=1_000)
        await asyncio.to_thread(control.crash)
        outcomes = await asyncio.gather(*(deduct(ledger, "a", 1, f"{n}") for n in range(50)), return_exceptions=True)
        assert all(isinstance(o, Unavailable) for o in outcomes)
        with pytest.raises(Unavailable):
            await deduct(ledger, "a", 1, "while it is away")
        await asyncio.to_thread(control.start)
        async with asyncio.timeout(240):
            while not ledger.committer.admission.available:  # noqa: ASYNC110  # a flag for programs, not an event
                await asyncio.sleep(0.01)
        again = await asyncio.gather(*(deduct(ledger, "a", 1, f"{n}") for n in range(50)))
        assert all(isinstance(o, Recorded) for o in again)
        assert await balance(ledger, "a") == 950
        assert ledger.committer.admission.waiting == 0
        await sound(ledger)


async def test_a_lost_database_is_looked_for_at_the_same_pace_however_long_it_is_away(
    database: str, server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pauses that double, as the library's do, would make ten attempts of it in the time that this has."""
    monkeypatch.setattr(pool, "STARTS_OVER", 0.1)
    monkeypatch.setattr(pool, "PATIENCE", 60.0)
    async with (
        cutting_proxy(database, server_folder, seed=0) as (proxy, conninfo),
        pool.pool_of(conninfo, 2) as connections,
    ):
        await _asked(connections)
        proxy.closed = True
        await proxy.end()
        asked = asyncio.create_task(_asked(connections))
        async with asyncio.timeout(240):
            while proxy.turned_away < 50:  # noqa: ASYNC110  # a count of the proxy's, not an event
                await asyncio.sleep(0.01)
        proxy.closed = False
        assert await asked


async def _asked(connections: AsyncConnectionPool[pool.Connection]) -> bool:
    async with connections.connection() as connection:
        return await (await connection.execute("SELECT 1")).fetchone() == (1,)


async def test_a_database_that_answers_and_commits_nothing_is_left_in_peace(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk: each attempt fails at once, on a connection that is well. It is tried again, with longer rests."""
    monkeypatch.setattr(writer_connection, "GRACE", 0.5)
    async with (
        Ledger(database).running() as ledger,
        await psycopg.AsyncConnection.connect(owner(database), autocommit=True) as other,
    ):
        await open_account(ledger, "a", permanent=1_000)
        await other.execute(
            "CREATE SEQUENCE public.attempts;"
            "CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
            " $$ BEGIN PERFORM nextval('public.attempts'); RAISE disk_full; END $$;"
            "CREATE TRIGGER disk BEFORE INSERT ON ledger.events FOR EACH ROW EXECUTE FUNCTION full()"
        )
        outcomes = await asyncio.gather(*(deduct(ledger, "a", 1, f"{n}") for n in range(50)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StorageFull}
        assert await balance(ledger, "a") == 1_000
        attempts = await (await other.execute("SELECT last_value FROM public.attempts")).fetchone()
        assert attempts is not None
        assert attempts[0] < 10
        await other.execute("DROP TRIGGER disk ON ledger.events")
        async with asyncio.timeout(240):
            while not ledger.committer.admission.available:  # noqa: ASYNC110  # a flag for programs, not an event
                await asyncio.sleep(0.01)
        again = await asyncio.gather(*(deduct(ledger, "a", 1, f"{n}") for n in range(50)))
        assert all(isinstance(o, Recorded) for o in again)
        assert await balance(ledger, "a") == 950
        await sound(ledger)
    said = [record.getMessage() for record in caplog.records if record.name == "credit_ledger.writer_connection"]
    assert len(said) == 2, said


async def test_a_database_that_has_become_a_standby_is_lost(database: str) -> None:
    """It answers and takes nothing: the server may be another one when it is connected to again."""
    async with Ledger(database).running() as ledger:
        await open_account(ledger, "a", permanent=1_000)
        await ledger.committer._connection.writer._connection.execute("SET default_transaction_read_only = on")
        assert isinstance(await deduct(ledger, "a", 1, "k"), Recorded)
        await sound(ledger)


async def test_a_connection_asks_whether_the_server_is_still_there(database: str) -> None:
    """A machine that is gone says nothing. What the operator says about it goes first."""
    async with Ledger(make_conninfo(database, keepalives_idle=77)).running() as ledger:
        said = conninfo_to_dict(ledger.committer._connection.writer._connection.info.dsn)
        assert (said["keepalives_idle"], said["keepalives_count"]) == ("77", "3")
