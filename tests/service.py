"""A real `credit-ledger serve` in a process of its own, the same service in a thread, and what a caller sends to them.

The thread takes a tenth of a second where the process takes two, and is for what does not depend on the server, on
signals or on several workers. It runs the projector too.
"""

import asyncio
import itertools
import logging
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import uvicorn
import uvloop
from psycopg.conninfo import conninfo_to_dict

from api.app import create_app
from api.runtime.database import as_url
from api.runtime.processes.logs import LOG_FORMAT
from api.runtime.processes.projector import project
from api.runtime.processes.server import IDLE
from api.runtime.settings import Settings, load_settings
from tests.postgres import TestServer

ADMIN_KEY = "a-key-for-tests"
WEBHOOK_SECRET = "whsec_for_tests"
"""What signs the webhooks of Stripe."""
PATIENCE = 240
"""Seconds that a loaded machine gets for what takes a moment."""
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that use no encryption: without it, httpx reads all certificates of the machine for each, in 30 ms."""
_numbers = itertools.count(1)


class Service:
    """A running service."""

    def __init__(self, alive: Callable[[], bool], port: int, log: Path, conninfo: str) -> None:
        self._alive = alive
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.verify = PLAIN
        self.log = log
        self.conninfo = conninfo
        self.client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {ADMIN_KEY}"},
            timeout=60,
            trust_env=False,
            verify=PLAIN,
        )

    def reached_at(self, url: str, verify: ssl.SSLContext) -> "Service":
        """The same one for those who reach it by another address, over https."""
        other = copy(self)
        other._reach(url, verify)
        return other

    def speak_https(self, verify: ssl.SSLContext) -> None:
        """It has a certificate of its own."""
        self.client.close()
        self._reach(self.url.replace("http:", "https:"), verify)

    def _reach(self, url: str, verify: ssl.SSLContext) -> None:
        self.url, self.verify = url, verify
        self.client = httpx.Client(
            base_url=url, headers=self.client.headers, timeout=60, trust_env=False, verify=verify
        )

    def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> httpx.Response:
        """A command."""
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.client.post(path, json={} if body is None else body, headers=headers)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """A query; one for a position that is not visible yet is asked again, as the answer says."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.get_once(path, **parameters)
            if not _not_yet_visible(answer) or time.monotonic() > deadline:
                return answer

    def get_once(self, path: str, **parameters: Any) -> httpx.Response:
        """A query, with whatever comes of it."""
        return self.client.get(path, params=parameters)

    def open_account(self, *, subscription: int = 0, permanent: int = 0) -> str:
        """A new account with some credits; returns its id."""
        account = f"account-{next(_numbers)}"
        assert self.post("/v1/accounts", {"account_id": account, "signup_credits": permanent}).status_code == 201
        if subscription:
            body = {"kind": "subscription", "amount": subscription, "transaction_id": "first"}
            assert self.post(f"/v1/accounts/{account}/grants", body).status_code == 201
        return account

    def wait_until_ready(self, patience: float = PATIENCE) -> None:
        """Wait for /readyz."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not self._alive():
                break
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the service is not ready:\n{self.log.read_text()}")


def _not_yet_visible(answer: httpx.Response) -> bool:
    return answer.status_code == 409 and bool(answer.json()["code"] == "not_yet_visible")


class ServiceProcess(Service):
    """One that is a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path, conninfo: str) -> None:
        super().__init__(lambda: process.poll() is None, port, log, conninfo)
        self.process = process


def free_port() -> int:
    """A port that nobody listens on. It is not one of those from which the kernel takes the ports of connections: such
    a connection could take it before the caller listens."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    while True:
        port = secrets.choice(range(10_000, max(first, 20_000)))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running_service(
    conninfo: str,
    folder: Path,
    *,
    workers: int = 1,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    trusted: ssl.SSLContext | None = None,
) -> Iterator[ServiceProcess]:
    """A service on a database until the block ends; it must stop by itself when it is told to.

    It speaks https if there is something to trust.
    """
    port = port or free_port()
    environment = _environment(conninfo, folder, port, {"CREDIT_LEDGER_WORKERS": str(workers), **(settings or {})})
    log = folder / f"service-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve"], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    service = ServiceProcess(process, port, log, conninfo)
    if trusted is not None:
        service.speak_https(trusted)
    try:
        service.wait_until_ready()
        yield service
    finally:
        service.client.close()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


class SharedService:
    """A service process for many tests: it starts when one asks for it, and again after it was closed."""

    def __init__(self, server: TestServer, folder: Callable[[], Path]) -> None:
        self._server = server
        self._folder = folder
        """Makes a folder for each start."""
        self._open = ExitStack()
        self._running: ServiceProcess | None = None

    def running(self) -> ServiceProcess:
        """The service, on a database of its own."""
        if self._running is None:
            conninfo = self._open.enter_context(self._server.database())
            starting = running_service(conninfo, self._folder())
            self._running = self._open.enter_context(starting)
        return self._running

    def close(self) -> None:
        """End it, if it runs."""
        self._running = None
        self._open.close()


def _environment(conninfo: str, folder: Path, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_LEDGER_")}
    return kept | {
        "CREDIT_LEDGER_DATABASE_URL": as_url(conninfo),
        "CREDIT_LEDGER_PORT": str(port),
        "CREDIT_LEDGER_ADMIN_KEY": ADMIN_KEY,
        "CREDIT_LEDGER_DRAIN_SECONDS": "0",  # nobody is sent away but where a test says so
        "CREDIT_LEDGER_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "CREDIT_LEDGER_DATA_DIR": str(folder / "data"),
        **settings,
    }


@contextmanager
def service_here(conninfo: str, folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[Service]:
    """The service in a thread of this process until the block ends."""
    with patch.dict(os.environ, _environment(conninfo, folder, 1, settings or {}), clear=True):
        told = load_settings()
    log = folder / "service.log"
    with socket.create_server(("127.0.0.1", 0)) as listening, _logging_to(log):
        server = uvicorn.Server(_serving(told, conninfo))
        serving = _serve_and_project(server, listening, told)
        thread = threading.Thread(target=uvloop.run, args=[serving], daemon=True)  # an interrupted run ends
        thread.start()
        service = Service(thread.is_alive, listening.getsockname()[1], log, conninfo)
        try:
            service.wait_until_ready()
            yield service
        finally:
            service.client.close()
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive(), "the service does not stop"


def _serving(settings: Settings, conninfo: str) -> uvicorn.Config:
    app = create_app(settings, conninfo)
    return uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE,  # longer than a client keeps one, which otherwise could send into one that ends
    )


async def _serve_and_project(server: uvicorn.Server, listening: socket.socket, settings: Settings) -> None:
    projector = asyncio.create_task(project(settings))
    await server.serve([listening])
    projector.cancel()
    await asyncio.wait([projector], timeout=10)


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def wait_for(condition: Callable[[], object], patience: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def host_of(conninfo: str) -> str:
    """The folder or address of a server."""
    return str(conninfo_to_dict(conninfo)["host"])
