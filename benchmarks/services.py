"""The rivals over HTTP: the ledger as its users start it, and the yardstick under two servers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from api.runtime.database import as_url
from benchmarks.line import Line
from benchmarks.processes import child
from benchmarks.progress import Spoiled
from benchmarks.stand import Stand

START_TIMEOUT = 600.0
"""Seconds. A service is ready when its projections are: after an import of a million rows that takes minutes."""
READY_PATHS = {"ledger": "/readyz", "uvicorn": "/openapi.json", "granian": "/openapi.json"}


class Rival(NamedTuple):
    """A service that can be measured."""

    server: Literal["ledger", "uvicorn", "granian"]
    workers: int

    def __str__(self) -> str:
        name = "the ledger" if self.ours else f"the yardstick under {self.server}"
        return f"{name}, {self.workers} worker{'s' if self.workers > 1 else ''}"

    @property
    def ours(self) -> bool:
        """Whether it is the ledger."""
        return self.server == "ledger"


class Running(NamedTuple):
    """A rival that answers."""

    rival: Rival
    pid: int
    port: int


@contextmanager
def running(stand: Stand, rival: Rival, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A service on its side's database until the block ends. `settings` are CREDIT_LEDGER_* beside the usual ones."""
    port = _free_port()
    log = stand.folder / f"{rival.server}-{port}.log"
    command = [sys.executable, "-m", *(_ledger() if rival.ours else _yardstick(stand, rival, port))]
    variables = {**_settings(stand, rival, port), **(settings or {})} if rival.ours else {}
    with child(command, log, variables) as process:
        _wait_until_ready(process, rival, port, log)
        yield Running(rival, process.pid, port)


def _ledger() -> list[str]:
    return ["api.cli", "serve"]


def _settings(stand: Stand, rival: Rival, port: int) -> dict[str, str]:
    """Where and how many; everything else is the default."""
    return {
        "CREDIT_LEDGER_DATABASE_URL": as_url(stand.ours.conninfo),
        "CREDIT_LEDGER_DATA_DIR": str(stand.folder / "data"),
        "CREDIT_LEDGER_PORT": str(port),
        "CREDIT_LEDGER_WORKERS": str(rival.workers),
    }


def _yardstick(stand: Stand, rival: Rival, port: int) -> list[str]:
    options = {"dsn": stand.yardstick.conninfo, "port": port, "workers": rival.workers, "server": rival.server}
    return ["benchmarks.yardstick.service", *(f"--{name}={value}" for name, value in options.items())]


def _wait_until_ready(process: subprocess.Popen[bytes], rival: Rival, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with Line(port, "") as line:
                if line.get(READY_PATHS[rival.server]).status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise Spoiled(f"{rival} does not start:{os.linesep}{log.read_text()[-4_000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
