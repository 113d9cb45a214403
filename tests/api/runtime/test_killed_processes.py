"""Processes of a running service are killed: no acknowledged command is lost, and no operator is needed."""

import os
import signal
import socket
import threading
from pathlib import Path

import httpx

from tests.postgres import TestServer
from tests.service import Service, ServiceProcess, running_service, wait_for


def workers_of(service: ServiceProcess) -> list[int]:
    """The worker processes."""
    pid = service.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Client(threading.Thread):
    """Deducts 1 repeatedly, sends requests without an answer again, and counts."""

    def __init__(self, service: Service, account: str, name: str) -> None:
        super().__init__()
        self._service, self._path, self._prefix = service, f"/v1/accounts/{account}/deductions", name
        self.stop = threading.Event()
        self.done = 0
        self.seen: set[int] = set()

    def run(self) -> None:
        while True:
            if self._settled(f"{self._prefix}-{self.done}"):
                self.done += 1
                if self.stop.is_set():
                    return

    def _settled(self, key: str) -> bool:
        try:
            answer = self._service.post(self._path, {"amount": 1}, key=key)
        except httpx.TransportError:
            return False
        self.seen.add(answer.status_code)
        return answer.status_code in {200, 201}


def test_workers_killed_under_load(server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo, running_service(conninfo, tmp_path, workers=2) as service:
        account = service.open_account(permanent=1_000_000)
        clients = [Client(service, account, f"c{n}") for n in range(4)]
        for client in clients:
            client.start()
        for _ in range(4):
            _some_progress(clients)
            _kill_one(service)
        for client in clients:
            client.stop.set()
        for client in clients:
            client.join()
        wait_for(lambda: _works(service))
        done = sum(client.done for client in clients)
        assert all(client.seen <= {200, 201, 503} for client in clients)
        assert service.get(f"/v1/accounts/{account}/balance").json()["total"] == 1_000_000 - done


def _works(service: ServiceProcess) -> bool:
    """Whether a service is ready, apart from the workers that ended again and again a moment ago."""
    checks = service.get("/readyz").json()["checks"]
    return all(good for name, good in checks.items() if name != "processes")


def _some_progress(clients: list[Client]) -> None:
    before = sum(client.done for client in clients)
    wait_for(lambda: sum(client.done for client in clients) > before + 20)


def _kill_one(service: ServiceProcess) -> None:
    victim = workers_of(service)[0]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: victim not in workers_of(service) and len(workers_of(service)) == 2)


def test_workers_end_with_a_parent_that_is_killed(server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo, running_service(conninfo, tmp_path, workers=2) as service:
        service.process.kill()
        wait_for(lambda: not _listens(service.port))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
