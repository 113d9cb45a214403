"""Real projector processes, killed, cut off, paused and left without a database, while events are written."""

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from api.components import COMPONENTS
from api.runtime.database import as_url
from api.runtime.embedded.lifetime import embedded_postgres
from ledger.postgres.migrations import migrate
from ledger.service import Ledger
from projections.engine.builds import prepare
from tests.long_form import times
from tests.projections.engine.following import Watch, until, watching
from tests.projections.stored import assert_projected
from tests.projections.writing import writing
from tests.store.test_lost_database import Control

KILLS = times(5, 24)
BY_ITSELF = {0, -signal.SIGALRM}
"""How a projector ends that was told to: at the latest by the alarm that it sets itself, see its `_until_told`."""
AT_ONCE = 3
"""Projectors that run at a time: two are ready to go on where one was killed."""


class Projectors:
    """Processes, by the names that their connections have."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        self._conninfo = conninfo
        self._log = folder / "projectors.log"
        self._numbers = itertools.count(1)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def names(self) -> list[str]:
        return list(self._running)

    def start(self) -> str:
        """One more; its name."""
        name = f"projector-{next(self._numbers)}"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CREDIT_LEDGER_")}
        environment["CREDIT_LEDGER_DATABASE_URL"] = as_url(make_conninfo(self._conninfo, application_name=name))
        with self._log.open("ab") as output:
            command = [sys.executable, "-m", "api.runtime.processes.projector", str(os.getpid())]
            self._running[name] = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        return name

    def kill(self, name: str) -> None:
        """Without a last word."""
        process = self._running.pop(name)
        assert process.poll() is None, f"{name} ended by itself:\n{self.said()}"
        process.kill()
        process.wait()

    def pause(self, name: str) -> None:
        self._running[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self._running[name].send_signal(signal.SIGCONT)

    def said(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        """Tell all of them to stop; each must have lived until now, and must stop by itself."""
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        try:
            assert {process.wait(60) for process in self._running.values()} <= BY_ITSELF, self.said()
        finally:
            for process in self._running.values():
                process.kill()
                process.wait()


@contextmanager
def projectors(conninfo: str, folder: Path) -> Iterator[Projectors]:
    opened = Projectors(conninfo, folder)
    try:
        yield opened
    finally:
        opened.end()


@pytest.fixture
def own_server(server_folder: Path) -> Iterator[tuple[str, Control]]:
    with embedded_postgres(server_folder) as conninfo:
        migrate(conninfo, COMPONENTS)
        prepare(conninfo)
        yield conninfo, Control(server_folder)


async def test_rows_survive_all_of_it(own_server: tuple[str, Control], tmp_path: Path) -> None:
    """Kill after kill, connections cut in between, and one crash of the database: each event counts once."""
    conninfo, control = own_server
    chance = random.Random(7)
    async with Ledger(conninfo).running() as ledger, watching(conninfo) as watch:
        with projectors(conninfo, tmp_path) as running:
            for _ in range(AT_ONCE):
                running.start()
            async with writing(ledger, seed=7):
                for turn in range(KILLS):
                    if turn % 4 == 3:
                        await watch.cut(await at_work(watch, running))
                    if turn == KILLS // 2:
                        await asyncio.to_thread(control.crash)
                        await asyncio.to_thread(control.start)
                    leader = await at_work(watch, running)
                    await asyncio.sleep(chance.random() * 0.06)  # anywhere in its work
                    running.kill(leader)
                    running.start()
            await watch.has_caught_up()
            for name in running.names:
                await comes_to_connect(watch, name)
            assert "stopped at position" not in running.said()
        await assert_projected(ledger, conninfo)


async def test_a_projector_that_was_paused_finds_that_another_works(database: str, tmp_path: Path) -> None:
    """Its connection is cut while it cannot see it; when it goes on, it thinks that it leads, and writes nothing."""
    async with Ledger(database).running() as ledger, watching(database) as watch:
        with projectors(database, tmp_path) as running:
            first, second = running.start(), running.start()
            async with writing(ledger):
                if await at_work(watch, running) == second:
                    first, second = second, first
                for paused, other in itertools.islice(itertools.cycle([(first, second), (second, first)]), 4):
                    await comes_to_lead(watch, paused)
                    await moves(watch)
                    running.pause(paused)
                    await watch.cut(paused)
                    await comes_to_lead(watch, other)
                    await moves(watch)
                    running.resume(paused)
                    await comes_to_wait(watch, paused)
                    await moves(watch)
                    assert await watch.leader() == other
            await watch.has_caught_up()
        await assert_projected(ledger, database)


async def at_work(watch: Watch, running: Projectors) -> str:
    """Wait until a projector that lives leads, and moves the projections; its name."""

    async def leader() -> object:
        names.append(await watch.leader())
        return names[-1] in running.names

    names: list[str | None] = []
    await until(leader)
    await moves(watch)
    return str(names[-1])


async def moves(watch: Watch) -> None:
    """Wait until projections get further."""
    await watch.has_come((await watch.seen()).lowest + 1)


async def comes_to_lead(watch: Watch, name: str) -> None:
    async def leads() -> bool:
        return await watch.leader() == name

    await until(leads)


async def comes_to_connect(watch: Watch, name: str) -> None:
    await until(lambda: watch.ask(b"SELECT 1 FROM pg_stat_activity WHERE application_name = %s", name))


async def comes_to_wait(watch: Watch, name: str) -> None:
    """Wait until a projector is connected, and has asked whether it may lead."""
    asked = b"SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND query LIKE '%%pg_try_advisory_lock%%'"
    await until(lambda: watch.ask(asked, name))
