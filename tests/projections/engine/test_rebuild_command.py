"""`credit-ledger rebuild` as it is typed: a real database, and real processes where they are killed."""

import asyncio
import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.service import Ledger
from projections.engine.rebuild import rebuilding
from projections.engine.runner import PAGE
from projections.models.catalog import BY_NAME
from tests.commands import PROGRAM, Finished, command, environment_for, in_a_process
from tests.postgres import tampering
from tests.projections.engine.following import following, watching
from tests.projections.engine.rebuilt import LIVE, live_a_life, schemas
from tests.projections.moving import projected
from tests.projections.stored import assert_projected, assert_same, rows_as_stored
from tests.store.asking import deduct, open_account

Moment = Callable[[psycopg.Connection[Any]], bool]
"""Whether a rebuild has come to it."""


def run(database: str, *arguments: str) -> Finished:
    return command(database, "rebuild", *arguments)


async def done(database: str, *arguments: str) -> Finished:
    """The command, while this process goes on."""
    return await asyncio.to_thread(run, database, *arguments)


def damage(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM projection_payments.bought")
        connection.execute("UPDATE projection_payments.payments SET plan = 'basic'")


async def test_what_it_prints(ledger: Ledger, database: str) -> None:
    await live_a_life(ledger, "ada")
    end = await projected(ledger, database)
    damage(database)
    finished = await done(database, "payments", "history", "payments")
    assert (finished.status, finished.err) == (0, "")
    history, payments, *differences = finished.out.splitlines()
    assert history.startswith(f"history: {end} events in ")
    assert history.endswith(f" rows compared at position {end}, no differences, switched at position {end}")
    assert payments.endswith(
        f", 4 rows compared at position {end}, differences: 1 missing, 1 different, switched at position {end}"
    )
    assert differences == [
        "  payments (account_id ada, provider bank-ada, payment_id pi_1): plan basic should be plan pro",
        "  bought (account_id ada, payment_id pi_1, grant_id grt_5): missing; it should be kind permanent, amount 50,"
        " expires_at null",
    ]
    await assert_projected(ledger, database)


async def test_as_json(ledger: Ledger, database: str) -> None:
    await live_a_life(ledger, "ada")
    end = await projected(ledger, database)
    damage(database)
    finished = await done(database, "--json")
    assert (finished.status, finished.err) == (0, "")
    report = {one["name"]: one for one in json.loads(finished.out)}
    assert list(report) == list(BY_NAME)
    assert all(one["switched"] and one["position"] == one["events"] == end for one in report.values())
    assert all(one["version"] == one["version_before"] == BY_NAME[name].version for name, one in report.items())
    compared = report["payments"]["compared"]
    assert {key: compared[key] for key in ("position", "rows", "missing", "extra", "different", "not_compared")} == {
        "position": end, "rows": 4, "missing": 1, "extra": 0, "different": 1, "not_compared": []
    }  # fmt: skip
    assert compared["differences"][0] == {
        "table": "payments",
        "kind": "different",
        "key": {"account_id": "ada", "provider": "bank-ada", "payment_id": "pi_1"},
        "live": {"plan": "basic"},
        "rebuilt": {"plan": "pro"},
    }
    await assert_projected(ledger, database)


def test_an_unknown_name(database: str) -> None:
    finished = run(database, "history", "historie")
    assert finished.status == 2
    assert (
        "historie: choose from balances, history, rollups, usage, payments, subscriptions, uncollected, statistics"
        in " ".join(finished.err.replace("│", " ").split())
    )


async def test_somebody_else_rebuilds(database: str) -> None:
    async with rebuilding(database):
        finished = await done(database, "history")
    assert finished.status == 1
    assert finished.err == "credit-ledger: another process is rebuilding at this moment\n"


async def test_two_at_once(ledger: Ledger, database: str) -> None:
    """One does it all, or the one after the other; nobody does half."""
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    finished = await asyncio.gather(*(asyncio.to_thread(in_a_process, database, "rebuild") for _ in range(2)))
    assert {one.status for one in finished} <= {0, 1}
    assert 0 in {one.status for one in finished}
    assert schemas(database) == LIVE
    await assert_projected(ledger, database)


async def test_each_says_what_stops_it(ledger: Ledger, database: str) -> None:
    """A row of the log is damaged. The command says so of each projection, and all of them serve as before."""
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    with tampering(database) as connection:
        connection.execute("UPDATE ledger.events SET state = '{' WHERE notification_id = 9")
    finished = await done(database, "history", "balances")
    assert (finished.status, finished.out) == (1, "")
    said = finished.err.splitlines()
    assert [line.split(": ")[1] for line in said] == ["balances", "history"]
    assert all("cannot be built beyond position 9" in line for line in said)
    assert all(line.endswith("; the old one stays in use") for line in said)
    report = json.loads((await done(database, "history", "--json")).out)
    assert [(one["switched"], one["stopped_at"]) for one in report] == [(False, 9)]


async def test_killed_and_run_again(ledger: Ledger, database: str) -> None:
    """Wherever it was: what serves is right, and the next one begins at once and does it all."""
    await open_account(ledger, "ada", permanent=100_000)
    await asyncio.gather(*(deduct(ledger, "ada", 1, f"task-{n}") for n in range(PAGE + 1_000)))
    await projected(ledger, database)
    with psycopg.connect(database) as connection:
        right = rows_as_stored(connection)
    chance = random.Random(7)
    moments: list[Moment] = [
        lambda look: _exists(look, "projection_balances_next"),
        lambda look: _position_of(look, "projection_history_next") >= PAGE,
        lambda look: _exists(look, "projection_balances_old"),
        lambda look: _exists(look, "projection_history_old"),
        lambda look: _exists(look, "projection_statistics_next"),
    ]
    killed = [await asyncio.to_thread(_killed, database, moment, chance.random() / 20) for moment in moments]
    assert sum(killed) >= 3, "it was over before it could be killed"
    with psycopg.connect(database) as connection:
        assert_same(rows_as_stored(connection), right)
    finished = await done(database)
    assert (finished.status, finished.err) == (0, "")
    assert finished.out.count("no differences") == len(BY_NAME)
    assert schemas(database) == LIVE
    await assert_projected(ledger, database)


def _killed(database: str, moment: Moment, later: float) -> bool:
    """Kill a rebuild some time after a moment that it must come to; says whether it was not over by then."""
    process = subprocess.Popen(
        [*PROGRAM, "rebuild"], env=environment_for(database), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    with psycopg.connect(database, autocommit=True) as look:
        while process.poll() is None and not moment(look):
            time.sleep(0.001)
    time.sleep(later)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert said == b""
    with psycopg.connect(database) as connection:
        assert all(rows_as_stored(connection).values())
    return process.returncode == -signal.SIGKILL


def _exists(look: psycopg.Connection[Any], schema: str) -> bool:
    return look.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).rowcount == 1


def _position_of(look: psycopg.Connection[Any], schema: str) -> int:
    try:
        row = look.execute(f"SELECT position FROM {schema}.checkpoint".encode()).fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(row[0]) if row else 0


async def test_beside_a_service(ledger: Ledger, database: str) -> None:
    """The command, in its process, and the runner of a service, in its own, share the database."""
    async with following(database), watching(database) as watch:
        await live_a_life(ledger, "ada")
        await watch.has_caught_up()
        finished = await asyncio.to_thread(in_a_process, database, "rebuild", "--json")
        assert finished.status == 0, finished.err
        report = json.loads(finished.out)
        assert all(one["switched"] and one["compared"]["different"] == 0 for one in report)
        await deduct(ledger, "ada", 1, "after")
        await watch.has_caught_up()
    await assert_projected(ledger, database)


@pytest.mark.timeout(120)
def test_on_the_embedded_database_without_a_service(server_folder: Path) -> None:
    """Nothing is there yet, and nothing runs."""
    finished = command(None, "rebuild", "--json", settings={"CREDIT_LEDGER_DATA_DIR": str(server_folder)})
    assert finished.status == 0, finished.err
    report: list[Any] = json.loads(finished.out)
    assert [(one["name"], one["position"], one["compared"]["rows"]) for one in report] == [
        (name, 0, 0) for name in BY_NAME
    ]
