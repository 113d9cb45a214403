"""A real `credit-ledger serve` that is started again whenever it ends, as a supervisor of services does."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson

from api.runtime.database import as_url
from tests.service import ADMIN_KEY, free_port
from tests.survival.wire import HttpWire, NoAnswer

MARK = "CREDIT_LEDGER_TEST_RUN"
"""The variable by which all processes of one run are known, orphans too."""
LOOKS = 0.02
READY = 60.0
STOPS = 30.0
LONGEST_REST = 0.5
"""Seconds that a supervisor may take before it starts a service again."""


class Serving:
    """The processes of one service: the parent, its workers, the projector."""

    def __init__(
        self, conninfo: str, folder: Path, workers: int, settings: Mapping[str, str], chance: random.Random
    ) -> None:
        self.port = free_port()
        self.log = folder / f"service-{self.port}.log"
        self.checkpoints = folder / "data" / "checkpoints"
        self.starts = 0
        self._chance = chance
        self._workers = workers
        self._run = uuid.uuid4().hex
        self._command = [sys.executable, "-m", "api.cli", "serve"]
        self._environment = {name: v for name, v in os.environ.items() if not name.startswith("CREDIT_LEDGER_")} | {
            "CREDIT_LEDGER_DATABASE_URL": as_url(conninfo),
            "CREDIT_LEDGER_PORT": str(self.port),
            "CREDIT_LEDGER_ADMIN_KEY": ADMIN_KEY,
            "CREDIT_LEDGER_WORKERS": str(workers),
            "CREDIT_LEDGER_DATA_DIR": str(folder / "data"),
            "CREDIT_LEDGER_CHECKPOINT_SECONDS": "1",
            "CREDIT_LEDGER_DRAIN_SECONDS": "0",
            MARK: self._run,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> HttpWire:
        """A way to it."""
        return HttpWire(self.port)

    @property
    def parent(self) -> int:
        """The process that was started last."""
        assert self._process is not None, "it is started first"
        return self._process.pid

    def workers(self) -> list[int]:
        """The workers, and for a moment of its start what is about to be the projector."""
        return [pid for pid in _children(self.parent) if not _is_projector(pid)]

    def projector(self) -> int | None:
        """The projector, if there is one just now."""
        return next((pid for pid in _children(self.parent) if _is_projector(pid)), None)

    def family(self) -> list[int]:
        """Every process of this service that there is, those without a parent too."""
        mark = f"{MARK}={self._run}".encode()
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
        return [pid for pid in pids if mark in _environment_of(pid)]

    async def keep(self) -> None:
        """Start it, and start it again whenever it ends, until cancelled."""
        while True:
            process = self.start()
            while process.poll() is None:  # noqa: ASYNC110  # a process, not an event
                await asyncio.sleep(LOOKS)
            await asyncio.sleep(self._chance.uniform(0, LONGEST_REST))

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it, whatever became of it before."""
        self.starts += 1
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        return self._process

    async def until_ready(self) -> None:
        """Wait until it says that it is well. Raises AssertionError with its log when it never does."""
        wire = HttpWire(self.port, patience=2)
        try:
            async with asyncio.timeout(READY):
                while not await _is_ready(wire):  # noqa: ASYNC110
                    await asyncio.sleep(LOOKS)
        except TimeoutError:
            raise AssertionError(f"the service is not ready:\n{self.log.read_text()[-5_000:]}") from None
        finally:
            wire.close()

    async def orphans(self) -> list[int]:
        """What is left of earlier starts after the time in which it had to end."""
        until = time.monotonic() + STOPS
        while True:
            left = [pid for pid in self.family() if not self._belongs(pid)]
            if not left or time.monotonic() > until:
                return left
            await asyncio.sleep(LOOKS)

    def _belongs(self, pid: int) -> bool:
        while pid > 1:
            if pid == self.parent:
                return True
            pid = _parent_of(pid)
        return False

    async def stop(self) -> None:
        """End it as an operator would, and whatever is left as one would not."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, STOPS)
        for pid in self.family():
            kill(pid)
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)


def kill(pid: int) -> None:
    """`kill -9`; a process that has ended by itself meanwhile is none to worry about."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


async def _is_ready(wire: HttpWire) -> bool:
    """Whether it is ready, apart from processes that were killed again and again a moment ago."""
    try:
        reply = await wire.get("/readyz")
    except NoAnswer:
        return False
    checks = orjson.loads(reply.body).get("checks", {})
    return bool(checks) and all(good for name, good in checks.items() if name != "processes")


def _children(pid: int) -> list[int]:
    """Of all threads: the projector is started by one of its own."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (task / "children").read_text().split())
    return found


def _is_projector(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text() == "projector\n"
    return False


def _environment_of(pid: int) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""


def _parent_of(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    return 0


@asynccontextmanager
async def serving(
    conninfo: str,
    folder: Path,
    chance: random.Random,
    *,
    workers: int = 2,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Serving]:
    """A service on a migrated database until the block ends; ready when the block begins."""
    service = Serving(conninfo, folder, workers, settings or {}, chance)
    keeping = asyncio.create_task(service.keep())
    try:
        await service.until_ready()
        yield service
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await service.stop()


def named(pid: int) -> str:
    """What a process was started as."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    return "gone by now"
