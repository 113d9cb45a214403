"""A service that is told to stop: what it says, who gets its connections, and that no client of a proxy notices."""

import http.client
import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from api.contract.answers.health import STARTED_BY
from tests.dashboard.proxies import nginx_program, program, recipes, running_nginx
from tests.service import ADMIN_KEY, PLAIN, ServiceProcess, free_port, running_service, wait_for

HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
CLIENTS = 6


class Connection:
    """One connection of a client that keeps it until it is closed."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        """A request and its answer, which has been read."""
        self._connection.request(method, path, json.dumps(body) if body else None, HEADERS)
        answer = self._connection.getresponse()
        answer.read()
        return answer

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


@contextmanager
def two_services(
    database: str, folder: Path, port: int, seconds: float
) -> Iterator[tuple[ServiceProcess, ServiceProcess]]:
    """An older and a newer service of one ledger on one port; each stops when it is told to."""
    settings = {"CREDIT_LEDGER_DRAIN_SECONDS": str(seconds)}
    (older := folder / "older").mkdir()
    (newer := folder / "newer").mkdir()
    settings["CREDIT_LEDGER_DATA_DIR"] = str(folder / "data")
    with (
        running_service(database, older, port=port, settings=settings) as first,
        running_service(database, newer, port=port, settings=settings) as second,
    ):
        wait_for(lambda: "Credit ledger: " in second.log.read_text())
        yield first, second


def test_it_sends_everybody_away_and_answers_until_then(database: str, tmp_path: Path) -> None:
    port = free_port()
    with two_services(database, tmp_path, port, 600) as (older, newer), ExitStack() as stack:
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
    assert (answer.status == 503) == (answer.headers["connection"] == "close")
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


@contextmanager
def nginx(port: int, upstream: int, folder: Path) -> Iterator[None]:
    """A real nginx with the recipe of the manual."""
    path = nginx_program()
    assert path is not None
    recipe = recipes("nginx")[1].replace("127.0.0.1:8000", f"127.0.0.1:{upstream}").replace(":8080", f":{port}")
    with running_nginx(path, folder, {f"http://127.0.0.1:{port}": recipe}, PLAIN):
        yield


@contextmanager
def caddy(port: int, upstream: int, folder: Path) -> Iterator[None]:
    """A real Caddy with the recipe of the manual."""
    path = _caddy()
    assert path is not None
    [recipe] = recipes("caddyfile")
    written = recipe.replace("127.0.0.1:8000", f"127.0.0.1:{upstream}").replace(":8080", f":{port}")
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n}\n" + written)
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "caddy.log").open("wb") as output:
        process = subprocess.Popen(
            [path, "run", "--config", str(file), "--adapter", "caddyfile"],
            env={**os.environ, **homes},
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(lambda: _listens(port))
        yield
    finally:
        process.terminate()
        process.wait(60)


def _listens(port: int) -> bool:
    with closing(Connection(port)) as connection, suppress(OSError):
        return connection.ask("GET", "/healthz").status == 200
    return False


def _caddy() -> str | None:
    return program("caddy", "CREDIT_LEDGER_TEST_CADDY", "caddy/usr/bin/caddy")


Run = Callable[[int, int, Path], AbstractContextManager[None]]
PROXIES: dict[str, tuple[Callable[[], str | None], Run]] = {
    "nginx": (nginx_program, nginx),
    "caddy": (_caddy, caddy),
}


def test_a_restart_behind_a_proxy_loses_no_request(database: str, tmp_path: Path) -> None:
    """Behind every proxy that is here at once: the restart takes as long as the service drains."""
    here = {name: run for name, (found, run) in PROXIES.items() if found() is not None}
    if not here:
        pytest.skip("no nginx and no Caddy here: no restart is seen through a proxy (see scripts/test)")
    port, fronts = free_port(), {name: free_port() for name in here}
    with ExitStack() as stack:
        older, _ = stack.enter_context(two_services(database, tmp_path, port, 3))
        assert older.post("/v1/accounts", {"account_id": "ada", "signup_credits": 10**9}).status_code == 201
        for name, run in here.items():
            (folder := tmp_path / name).mkdir()
            stack.enter_context(run(fronts[name], port, folder))
        with ExitStack() as loads:
            running = {name: loads.enter_context(Load(front)) for name, front in fronts.items()}
            wait_for(lambda: all(load.answers["201"] > 100 for load in running.values()))
            older.process.send_signal(signal.SIGTERM)
            assert older.process.wait(60) == 0
            seen = {name: load.answers["201"] for name, load in running.items()}
            wait_for(lambda: all(load.answers["201"] > seen[name] + 100 for name, load in running.items()))
        assert {name: set(load.answers) for name, load in running.items()} == {name: {"201"} for name in here}
