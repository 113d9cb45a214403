"""A projection whose version is raised in code is built anew by the service itself, while the old build serves."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.commit.notifications import CommitListener
from ledger.postgres.roles import SERVICE
from ledger.service import Ledger
from ledger.store.feed import Feed
from projections.engine.builds import define, made_by_others
from projections.engine.rebuild import rebuilding
from projections.engine.runner import Runner
from projections.engine.upgrade import Upgrades
from projections.models.catalog import BY_NAME
from projections.models.projection import Projection
from tests.postgres import owner
from tests.projections.engine.rebuilt import LIVE, live_a_life, schemas
from tests.projections.moving import projected
from tests.projections.stored import assert_projected
from tests.service import service_here

HISTORY = BY_NAME["history"]
OLD, NEW, LATER = HISTORY.version, HISTORY.version + 1, HISTORY.version + 2
SECOND = replace(HISTORY, version=NEW)


@pytest.fixture(autouse=True)
def _defined(database: str) -> None:
    """The owner has migrated with the program that has the second version."""
    define(owner(database), [SECOND])


def upgrades(ledger: Ledger, database: str, projection: Projection = SECOND) -> Upgrades:
    return Upgrades(database, ledger.log, lambda: True, projections=[projection, BY_NAME["balances"]])


def version(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT version FROM projection_history.checkpoint").fetchone()
    assert row is not None
    return int(row[0])


def set_version(database: str, version: int) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE projection_history.checkpoint SET version = %s", [version])


async def test_a_new_version_is_built_and_moved_on(
    ledger: Ledger, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await live_a_life(ledger, "ada")
    end = await projected(ledger, database)
    await upgrades(ledger, database).run_once()
    assert version(database) == NEW
    assert schemas(database) == LIVE
    said = [record.getMessage() for record in caplog.records if record.name == "credit_ledger.projections"]
    assert said[0] == f"projection history: building version {NEW}"
    assert said[1].startswith(f"projection history: {end} events in ")
    assert said[1].endswith(f"no differences, version {NEW} in place of {OLD}, switched at position {end}")
    await live_a_life(ledger, "bob")
    await projected(ledger, database, projections=[SECOND, *(p for name, p in BY_NAME.items() if name != "history")])
    await assert_projected(ledger, database)


async def test_the_old_version_serves_until_the_switch(ledger: Ledger, database: str) -> None:
    """A reader holds the switch up; meanwhile the new runner leaves the old build as it is."""
    await live_a_life(ledger, "ada")
    end = await projected(ledger, database)
    runner = Runner(database, Feed(ledger.log), CommitListener(database), projections=[SECOND])
    async with await psycopg.AsyncConnection.connect(database) as reader:
        await reader.execute("SELECT position FROM projection_history.checkpoint")
        async with running(runner.run()), running(upgrades(ledger, database).run_once()) as upgrading:
            await live_a_life(ledger, "bob")
            await until(lambda: _reached(database, "projection_history_next", end))
            assert version(database) == OLD
            assert not upgrading.done()
            await reader.commit()
            await upgrading
            assert version(database) == NEW
            await until(lambda: _reached(database, "projection_history", 2 * end))


def _reached(database: str, schema: str, position: int) -> bool:
    try:
        with psycopg.connect(database) as connection:
            row = connection.execute(f"SELECT position FROM {schema}.checkpoint".encode()).fetchone()
    except psycopg.errors.UndefinedTable:
        return False
    return row is not None and row[0] >= position


@asynccontextmanager
async def running(work: Any) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds. It is asked in a thread: what it reads may be locked by a task of this very loop."""
    async with asyncio.timeout(240):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # a state of the database, not an event
            await asyncio.sleep(0.01)


async def test_a_newer_version_than_this_programs_is_left_alone(
    ledger: Ledger, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    set_version(database, LATER)
    looking = upgrades(ledger, database)
    for _ in range(3):
        await looking.run_once()
    assert version(database) == LATER
    (record,) = [record for record in caplog.records if record.name == "credit_ledger.projections"]
    assert record.getMessage() == (f"projection history is left as it is: version {LATER} was built by a newer program")


async def test_what_the_service_made_itself_is_built_anew(ledger: Ledger, database: str) -> None:
    """As earlier versions did: whoever was the service then may have left a trigger or a function in it."""
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    with psycopg.connect(owner(database)) as connection:
        connection.execute(f"ALTER SCHEMA projection_history OWNER TO {SERVICE}".encode())
        connection.execute(f"ALTER TABLE projection_history.entry_rows OWNER TO {SERVICE}".encode())
    await upgrades(ledger, database, HISTORY).run_once()
    with psycopg.connect(database) as connection:
        owned = "SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = current_user"
        assert connection.execute(owned).fetchall() == []
    await assert_projected(ledger, database)
    assert (await _made_by_others(database)) == set()


async def _made_by_others(database: str) -> set[str]:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        return await made_by_others(connection)


async def test_only_who_runs_the_projections_upgrades_them(ledger: Ledger, database: str) -> None:
    """An older program that still runs them would leave a new version where it is."""
    runner = Runner(database, Feed(ledger.log), CommitListener(database), projections=[SECOND])
    waiting = Runner(database, Feed(ledger.log), CommitListener(database), projections=[SECOND])
    async with running(runner.run()):
        await until(lambda: runner.leads)
        async with running(waiting.run()):
            looking = Upgrades(database, ledger.log, lambda: waiting.leads, projections=[SECOND])
            await looking.run_once()
            assert version(database) == OLD
    assert not runner.leads
    looking = Upgrades(database, ledger.log, lambda: True, projections=[SECOND])
    await looking.run_once()
    assert version(database) == NEW


async def test_somebody_else_who_rebuilds_is_waited_for(
    ledger: Ledger, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.engine.upgrade.CHECK_EVERY", 0.01)
    looks = 0

    def leads() -> bool:
        nonlocal looks
        looks += 1
        return True

    async with rebuilding(database):
        task = asyncio.create_task(Upgrades(database, ledger.log, leads, projections=[SECOND]).run())
        await until(lambda: looks > 2)
        assert version(database) == OLD
    await until(lambda: version(database) == NEW)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_one_that_cannot_be_built_is_named_once_and_the_old_one_serves(
    ledger: Ledger, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    def gather(_: Any) -> Any:
        raise LookupError("nothing comes to mind")

    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    looking = upgrades(ledger, database, replace(SECOND, gather=gather))
    for _ in range(2):
        await looking.run_once()
    assert version(database) == OLD
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [
        "projection history is left as it is: cannot be built beyond position 1: account ada: "
        "LookupError: nothing comes to mind"
    ]
    await assert_projected(ledger, database)


async def test_a_running_service_does_so(ledger: Ledger, database: str, tmp_path: Path) -> None:
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    set_version(database, 0)
    with service_here(database, tmp_path):
        await until(lambda: version(database) == HISTORY.version)
    await projected(ledger, database)  # the service has written down what had expired, until it was told to stop
    await assert_projected(ledger, database)
