"""A service that is told to stop: what it says, who gets its connections, and that no client of a proxy notices."""

import http.client
import json
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from api.contract.answers.health import STARTED_BY
from tests.dashboard.proxies import PROXIES
from tests.long_form import LONG, times
from tests.service import ADMIN_KEY, ServiceProcess, free_port, running_service, wait_for

HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
CLIENTS = 6
WORKERS = (1, 2) if LONG else (1,)
"""How many workers each service has."""


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Connection:
    """One connection of a client that keeps it until it is closed."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """A request and its answer."""
        self._connection.request(method, path, json.dumps(body) if body else None, HEADERS)
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def close(self) -> None:
        """End it."""
        self._connection.close()

    def started_by(self) -> str:
        """The start of the service that answers on it."""
        return str(self.ask("GET", "/healthz").headers[STARTED_BY])


def started_by(port: int) -> str:
    """The start of the service that gets a new connection."""
    with closing(Connection(port)) as connection:
        return connection.started_by()


def told_to_stop(service: ServiceProcess) -> None:
    """Send the signal, and wait until the service has begun to send everybody away."""
    service.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "stopping in " in service.log.read_text())


class Services:
    """Services of one ledger on one port, each with as many workers; each stops when it is told to."""

    def __init__(self, database: str, folder: Path, seconds: float, workers: int, stack: ExitStack) -> None:
        self.port = free_port()
        self._database = database
        self._folder = folder
        self._workers = workers
        self._stack = stack
        self._count = 0
        data = str(folder / "data")
        self._settings = {"CREDIT_LEDGER_DRAIN_SECONDS": str(seconds), "CREDIT_LEDGER_DATA_DIR": data}

    def another(self) -> ServiceProcess:
        """Start one more, and wait until it listens."""
        self._count += 1
        (folder := self._folder / f"service-{self._count}").mkdir()
        starting = running_service(
            self._database, folder, port=self.port, workers=self._workers, settings=self._settings
        )
        started = self._stack.enter_context(starting)
        wait_for(lambda: "Credit ledger: " in started.log.read_text())
        return started


@pytest.mark.parametrize("workers", WORKERS)
def test_it_sends_everybody_away_and_answers_until_then(database: str, tmp_path: Path, workers: int) -> None:
    with ExitStack() as stack:
        services = Services(database, tmp_path, 600, workers, stack)
        older, newer, port = services.another(), services.another(), services.port
        assert older.post("/v1/accounts", {"account_id": "ada"}).status_code == 201
        kept: dict[str, list[Connection]] = {}
        while len(kept) < 2 or min(map(len, kept.values())) < 2:
            connection = stack.enter_context(closing(Connection(port)))
            kept.setdefault(connection.started_by(), []).append(connection)
        told_to_stop(older)
        mine = [start for start, connections in kept.items() if _sends_away(connections[0])]
        assert len(mine) == 1, "one of the two services, and only that one"
        answer = kept[mine[0]][1].ask("POST", "/v1/accounts/ada/deductions", {"amount": 1, "task_id": "t"})
        assert (answer.status, answer.headers["connection"]) == (201, "close")
        [other] = set(kept) - set(mine)
        assert {started_by(port) for _ in range(40)} == {other}
        older.process.send_signal(signal.SIGTERM)  # once more: at once
        assert older.process.wait(60) == 0
        assert started_by(port) == other
        newer.process.send_signal(signal.SIGINT)  # as Ctrl-C: at once
        assert newer.process.wait(60) == 0


def _sends_away(connection: Connection) -> bool:
    answer = connection.ask("GET", "/readyz")
    said = json.loads(answer.body)
    assert set(said["checks"].values()) == {True}, "nothing is wrong with it"
    expected = (503, "draining", "close") if answer.status == 503 else (200, "ok", None)
    assert (answer.status, said["status"], answer.headers["connection"]) == expected
    return answer.status == 503


class Load:
    """Clients that post commands through a proxy, each on a connection that it keeps, and count what comes of them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self.answers: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._post, args=[number]) for number in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _post(self, number: int) -> None:
        connection, count = Connection(self._port), 0
        while not self._over.wait(0.01 * number):
            count += 1
            body = {"amount": 1, "task_id": f"{self._port}-{number}-{count}"}
            try:
                answer = connection.ask("POST", "/v1/accounts/ada/deductions", body)
                self.answers[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[repr(error)] += 1
                connection.close()  # it connects again
        connection.close()


@pytest.mark.parametrize("workers", WORKERS)
def test_a_restart_behind_a_proxy_loses_no_request(database: str, tmp_path: Path, workers: int) -> None:
    """Behind every proxy that is here at once: the restart takes as long as the service drains. In the long form, one
    restart follows the other, because the kernel remembers what the service before told it."""
    here = {name: run for name, (found, run) in PROXIES.items() if found() is not None}
    if not here:
        pytest.skip("no nginx and no Caddy here: no restart is seen through a proxy (see scripts/test)")
    fronts = {name: free_port() for name in here}
    with ExitStack() as stack:
        services = Services(database, tmp_path, 3, workers, stack)
        older = services.another()
        assert older.post("/v1/accounts", {"account_id": "ada", "signup_credits": 10**9}).status_code == 201
        for name, run in here.items():
            (folder := tmp_path / name).mkdir()
            stack.enter_context(run(fronts[name], services.port, folder))
        with ExitStack() as loads:
            running = {name: loads.enter_context(Load(front)) for name, front in fronts.items()}
            for _ in range(times(1, 3)):
                newer = services.another()
                _all_go_on(running)
                older.process.send_signal(signal.SIGTERM)
                assert older.process.wait(60) == 0
                _all_go_on(running)
                older = newer
        assert {name: set(load.answers) for name, load in running.items()} == {name: {"201"} for name in here}


def _all_go_on(running: Mapping[str, Load]) -> None:
    """Wait until each load has got a hundred more answers."""
    seen = {name: load.answers["201"] for name, load in running.items()}
    wait_for(lambda: all(load.answers["201"] > seen[name] + 100 for name, load in running.items()))
