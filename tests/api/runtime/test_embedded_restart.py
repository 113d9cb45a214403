"""The embedded database ends while it is held: it is started again, and commands settle as after any crash."""

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from api.components import COMPONENTS
from api.runtime.database import migrated
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.embedded.restart import kept_running
from api.runtime.embedded.server import Server, packaged_programs, postmaster, run, server_in
from api.runtime.settings import load_settings
from ledger.commit.submission import Recorded
from ledger.postgres.migrations import migrate
from ledger.service import Ledger
from tests.postgres import quick_folder
from tests.service import running_service, wait_for
from tests.store.asking import balance, deduct, open_account, sound


@pytest.fixture
def place() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


def server_of(data_dir: Path) -> Server:
    return server_in(data_dir, packaged_programs())


def kill(data_dir: Path) -> int:
    """Its postmaster, as the kernel does that is out of memory."""
    pid = postmaster(server_of(data_dir))
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def answers(conninfo: str) -> bool:
    try:
        with psycopg.connect(conninfo) as connection:
            return connection.execute("SELECT true").fetchone() == (True,)
    except psycopg.OperationalError:
        return False


def test_a_killed_server_is_started_again_by_who_holds_it(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    with migrated(load_settings(data_dir=place)) as found:
        killed = kill(place)
        wait_for(lambda: answers(found.service))
        assert postmaster(server_of(place)) not in (None, killed)
    assert postmaster(server_of(place)) is None
    said = [message for message in caplog.messages if "embedded database" in message]
    assert said[0] == "the embedded database has ended: starting it again"
    assert said[1].startswith("the embedded database runs again after")


def test_one_of_several_holders_is_enough(place: Path) -> None:
    with embedded_postgres(place) as conninfo, kept_running(place), kept_running(place):
        kill(place)
        wait_for(lambda: answers(conninfo))
    assert postmaster(server_of(place)) is None


def test_one_that_somebody_stops_or_restarts_runs_again(place: Path) -> None:
    with embedded_postgres(place) as conninfo, kept_running(place):
        server = server_of(place)
        assert run(server, "pg_ctl", "stop", "-s", "-w", "-m", "fast", "-D", str(server.data))[0] == 0
        wait_for(lambda: answers(conninfo))


def test_one_that_cannot_start_is_tried_again_and_said_once(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    with embedded_postgres(place) as conninfo, kept_running(place):
        settings = server_of(place).data / "postgresql.conf"
        right = settings.read_text()
        settings.write_text(right + "shared_buffers = 'plenty'\n")
        kill(place)
        wait_for(lambda: _failures(caplog) == 1)
        settings.write_text(right)
        wait_for(lambda: answers(conninfo))
        assert _failures(caplog) == 1


def _failures(caplog: pytest.LogCaptureFixture) -> int:
    return sum("the embedded database does not start again" in message for message in caplog.messages)


def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    with embedded_postgres(place), kept_running(place):
        server = server_of(place)
        kill(place)
        shutil.rmtree(server.data)
        wait_for(lambda: _failures(caplog) == 1)
        assert not (server.data / "PG_VERSION").exists()


async def test_commands_in_flight_are_settled(place: Path) -> None:
    with embedded_postgres(place) as conninfo, kept_running(place):
        migrate(conninfo, COMPONENTS)
        async with Ledger(conninfo).running() as ledger:
            await open_account(ledger, "a", permanent=1_000)
            asked = [asyncio.create_task(deduct(ledger, "a", 1, f"{number}")) for number in range(100)]
            await asyncio.sleep(0)
            kill(place)
            await asyncio.wait(asked)
            async with asyncio.timeout(240):
                while not ledger.available:  # noqa: ASYNC110  # a flag for programs, not an event
                    await asyncio.sleep(0.01)
            outcomes = [await deduct(ledger, "a", 1, f"{number}") for number in range(100)]
            assert all(isinstance(outcome, Recorded) for outcome in outcomes)
            assert await balance(ledger, "a") == 900
            await sound(ledger)


def test_a_service_goes_on_without_help(place: Path) -> None:
    """In processes: the parent starts the server again, and the workers and the projector find it."""
    with running_service("", place, settings={"CREDIT_LEDGER_DATABASE_URL": ""}) as service:
        account = service.open_account(permanent=10)
        kill(place / "data")
        path, body = f"/v1/accounts/{account}/deductions", {"amount": 1, "task_id": "one"}
        wait_for(lambda: service.post(path, body).status_code in {200, 201})
        service.wait_until_ready()
        assert service.get(f"/v1/accounts/{account}/balance").json()["total"] == 9
        assert service.process.poll() is None
