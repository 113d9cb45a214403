"""One service with its processes: where it was started, what they know, and what is said when one keeps ending."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest

from api.runtime.database import as_url
from tests.postgres import TestServers, owner
from tests.service import ADMIN_KEY, PATIENCE, ServiceProcess, free_port, wait_for

FOREIGN = "raise SystemExit('foreign code runs in the service')\n"


class Started(NamedTuple):
    service: ServiceProcess
    owner_url: str


@pytest.fixture(scope="module")
def started(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A service that was started in a folder with packages of the names of ours."""
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("started")
    for name in ("api", "ledger", "projections", "psycopg", "asyncio"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(FOREIGN)
    with server.database() as database:
        secret = folder / "database-url"
        secret.write_text(as_url(database) + "\n")
        owner_url = as_url(owner(database)) + "&application_name=the-owner"
        port, log = free_port(), folder / "service.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_LEDGER_")} | {
            "CREDIT_LEDGER_DATABASE_URL_FILE": str(secret),
            "CREDIT_LEDGER_OWNER_URL": owner_url,
            "CREDIT_LEDGER_ADMIN_KEY": ADMIN_KEY,
            "CREDIT_LEDGER_DRAIN_SECONDS": "0",
            "CREDIT_LEDGER_PORT": str(port),
            "CREDIT_LEDGER_DATA_DIR": str(folder / "data"),
        }
        program = Path(sys.executable).with_name("credit-ledger")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, "serve"], env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT
            )
        service = ServiceProcess(process, port, log, database)
        try:
            service.wait_until_ready()
            yield Started(service, owner_url)
        finally:
            service.client.close()
            process.terminate()
            process.wait(60)


def processes(parent: int) -> list[int]:
    """A process and all below it."""
    threads = Path(f"/proc/{parent}/task").glob("*/children")
    below = [int(text) for thread in threads for text in thread.read_text().split()]
    return [parent, *(each for child in below for each in processes(child))]


def environment_of(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def projectors(started: Started) -> list[int]:
    found = processes(started.service.process.pid)
    return [each for each in found if Path(f"/proc/{each}/comm").read_text() == "projector\n"]


def counted(started: Started, part: str, number: int) -> bool:
    try:
        return bool(readiness(started)["restarts"].get(part, 0) >= number)
    except httpx.TransportError:
        return False


def readiness(started: Started) -> Any:
    return started.service.get_once("/readyz").json()


def test_foreign_code_does_not_run(started: Started) -> None:
    assert readiness(started)["restarts"] == {}
    assert "foreign code" not in started.service.log.read_text()
    account = started.service.open_account(permanent=5)
    opened = started.service.get(f"/v1/accounts/{account}/history", min_position=1)
    assert opened.status_code == 200, "the projector works"


def test_secrets_are_where_they_are_used(started: Started) -> None:
    """The owner's URL is nowhere, in no environment and in nothing that /proc shows of one."""
    found = processes(started.service.process.pid)
    assert len(found) >= 3, "the parent, a worker and the projector"
    for process in found:
        assert b"the-owner" not in environment_of(process)
        assert b"the-owner" not in Path(f"/proc/{process}/cmdline").read_bytes()
        assert b"DATABASE_URL_FILE=/" not in environment_of(process)
    [projector] = projectors(started)
    assert ADMIN_KEY.encode() not in environment_of(projector)


def test_the_folder_of_a_service_is_for_its_user(started: Started) -> None:
    wait_for(lambda: list((started.service.log.parent / "data").rglob("latest")), PATIENCE)
    data = started.service.log.parent / "data"
    for path in data.rglob("*"):
        public = path.suffix in {".checkpoint", ".notice"} or path.name in {"latest", "first-key"}
        if path.is_file() and not public and not path.name.endswith(".tmp"):
            assert not path.stat().st_mode & 0o077, path


def worker_of(started: Started) -> int:
    [worker] = set(processes(started.service.process.pid)[1:]) - set(projectors(started))
    return worker


def test_the_threads_of_a_worker_do_not_interrupt_each_other(started: Started) -> None:
    threads = [int(each.name) for each in Path(f"/proc/{worker_of(started)}/task").iterdir()]
    assert len(threads) >= 3, "of the loop, and of the server"
    assert {os.sched_getscheduler(each) for each in threads} == {os.SCHED_BATCH}


def test_postgresql_names_the_process_of_each_connection(started: Started) -> None:
    with psycopg.connect(owner(started.service.conninfo)) as connection:
        found = connection.execute(
            "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        assert {name for (name,) in found} == {"credit-ledger serve", "credit-ledger projector"}


def test_a_worker_that_is_replaced_is_counted(started: Started) -> None:
    worker = worker_of(started)
    os.kill(worker, signal.SIGKILL)
    wait_for(partial(counted, started, "worker", 1), PATIENCE)
    assert started.service.get_once("/readyz").json()["checks"]["processes"] is True, "once is no reason"


def test_a_projector_that_ends_again_and_again_is_not_ready(started: Started) -> None:
    """The first one is a fork of the service, which had imported it; the others are programs of their own."""
    for number in (1, 2, 3):
        wait_for(lambda: projectors(started), PATIENCE)
        [projector] = projectors(started)
        command = Path(f"/proc/{projector}/cmdline").read_bytes()
        assert (b"api.runtime.processes.projector" in command, b"serve" in command) == (number > 1, number == 1)
        os.kill(projector, signal.SIGKILL)
        wait_for(partial(counted, started, "projector", number), PATIENCE)
    answer = started.service.get_once("/readyz")
    assert (answer.status_code, answer.json()["checks"]["processes"]) == (503, False)
    assert 'credit_ledger_restarts{part="projector"} 3.0' in started.service.get_once("/metrics").text


def test_the_projector_does_without_the_framework() -> None:
    """It starts with every service, and the framework takes as long to import as all the rest."""
    unneeded = "{'fastapi', 'granian', 'typer'}"
    code = f"import sys, api.runtime.processes.projector; sys.exit(bool({unneeded} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
