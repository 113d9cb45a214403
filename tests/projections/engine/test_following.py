"""The runner on a living log: woken at once, never past what is visible, one at a time."""

import asyncio
import time
from collections.abc import AsyncIterator
from statistics import median

import pytest
import pytest_asyncio
from psycopg import AsyncConnection

from ledger.commit.submission import Recorded
from ledger.domain.commands import DeductCredits, OpenAccount
from ledger.domain.events import Event
from ledger.service import Ledger
from ledger.store.log import Writer
from projections.engine.runner import LONGEST_ROUND, LONGEST_SLEEP, REST, rest_after
from projections.models.catalog import PROJECTIONS
from tests.domain.journal import ACCOUNT_ID, Journal
from tests.projections.engine.following import Watch, following, until, watching
from tests.projections.folding import Told
from tests.projections.stored import assert_projected, log_rows
from tests.projections.writing import writing
from tests.store.asking import deduct, open_account
from tests.store.chaining import append

WOKEN = LONGEST_SLEEP / 2
"""Seconds in which a hint must have its effect, on a machine that is busy; without one it takes LONGEST_SLEEP."""
LOST_HINT = LONGEST_SLEEP + 15
ENOUGH = 500
"""Events after which a test has seen enough."""


@pytest_asyncio.fixture
async def watch(database: str) -> AsyncIterator[Watch]:
    async with watching(database) as opened:
        yield opened


async def lag(ledger: Ledger, watch: Watch, key: str) -> float:
    """Seconds from the answer to a command until all projections have it."""
    done = await deduct(ledger, "a", 1, key)
    assert isinstance(done, Recorded)
    answered = time.monotonic()
    await watch.has_come(done.position)
    return time.monotonic() - answered


async def lag_of_an_idle_runner(ledger: Ledger, watch: Watch, key: str) -> float:
    await the_runner_has_looked(watch)
    return await lag(ledger, watch, key)


# Waking -------------------------------------------------------------------------------------------------------------


def test_projections_can_share_a_search_path() -> None:
    """One transaction writes to the tables of all, which it names without a schema."""
    named = [{*projection.stored_tables, *(table.name for table in projection.tables)} for projection in PROJECTIONS]
    names = ["checkpoint", *(name for names in named for name in names)]
    assert len(names) == len(set(names))


def test_a_runner_rests_as_long_as_the_load_allows() -> None:
    """A round, which is a step and the rest after it, is long when many events came, and never longer than promised."""
    assert rest_after(1, 0.004) == REST
    assert rest_after(20, 0.01) == pytest.approx(0.03)
    assert rest_after(300, 0.02) == rest_after(100_000, 0.02) == LONGEST_ROUND - 0.02
    assert rest_after(300, 5.0) == REST
    assert 2 * LONGEST_ROUND < 0.25  # an event that just missed a look is in the next step


async def test_a_commit_wakes_a_runner_that_has_nothing_to_do(
    database: str, ledger: Ledger, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the hint it would sleep for a minute."""
    monkeypatch.setattr("projections.engine.runner.LONGEST_SLEEP", 60.0)
    await open_account(ledger, "a", permanent=1_000)
    async with following(database):
        await watch.has_caught_up()
        lags = [await lag(ledger, watch, f"{turn}") for turn in range(20)]
        assert median(lags) < 30, lags
    await assert_projected(ledger, database)


async def test_what_nobody_told_of_is_seen_all_the_same(database: str, ledger: Ledger, watch: Watch) -> None:
    """A hint may be lost: here it is never sent."""
    await open_account(ledger, "a", permanent=1_000)
    async with following(database), await AsyncConnection.connect(database, autocommit=True) as connection:
        await watch.has_caught_up()
        lags = []
        for version in range(3, 8):
            event = deduction(version=version)
            await the_runner_has_looked(watch)
            appended = await append(Writer(connection), log_rows([Told(version, "a", version, event)]))
            told = time.monotonic()
            await watch.has_come(appended.first_position)
            lags.append(time.monotonic() - told)
        assert WOKEN < median(lags) < max(lags) < LOST_HINT, lags


async def test_a_hint_to_a_lost_connection_is_made_up_for(database: str, ledger: Ledger, watch: Watch) -> None:
    await open_account(ledger, "a", permanent=1_000)
    async with following(database):
        await watch.has_caught_up()
        for turn in range(3):
            await until(lambda: watch.ask(b"SELECT 1 FROM pg_stat_activity WHERE application_name = 'runner-news'"))
            await the_runner_has_looked(watch)
            await watch.cut("runner-news")
            assert await lag(ledger, watch, f"lost-{turn}") < LOST_HINT
        await until(lambda: watch.ask(b"SELECT 1 FROM pg_stat_activity WHERE application_name = 'runner-news'"))
        lags = [await lag_of_an_idle_runner(ledger, watch, f"{turn}") for turn in range(11)]
        assert median(lags) < WOKEN, lags
    await assert_projected(ledger, database)


def deduction(version: int) -> Event:
    """The event of one credit deducted from 1,000, as the version that it will be."""
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, 1_000))
    while len(journal.events) < version:
        journal.carry_out(DeductCredits(ACCOUNT_ID, 1))
    return journal.events[-1]


# Commit order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
async def test_a_writer_that_ends_late_is_waited_for(database: str, ledger: Ledger, watch: Watch, ending: str) -> None:
    """It has its positions already, and others wait to write: the runner looks, and goes no further."""
    await open_account(ledger, "a", permanent=1_000)
    await open_account(ledger, "b", permanent=1_000)
    async with following(database), await AsyncConnection.connect(database) as late:
        await watch.has_come(4)
        await late.execute("SELECT 1")  # its transaction is the oldest of all
        appended = await append(Writer(late), log_rows([Told(5, "a", 3, deduction(version=3))]))
        assert appended.first_position == 5
        waiting = asyncio.create_task(deduct(ledger, "b", 1, "k"))
        await until(lambda: watch.ask(b"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        await watch.tell()
        await the_runner_has_looked(watch)
        await the_runner_has_looked(watch)
        assert (await watch.seen()).highest == 4
        assert not waiting.done()
        await late.execute(ending.encode())
        done = await waiting
        assert isinstance(done, Recorded)
        assert done.position == (6 if ending == "COMMIT" else 5)
        await watch.has_come(done.position)
    await assert_projected(ledger, database)


async def the_runner_has_looked(watch: Watch) -> None:
    """Wait until it has asked for the end of the log once more."""
    ((now,),) = await watch.ask(b"SELECT clock_timestamp()")
    looked = (
        b"SELECT 1 FROM pg_stat_activity WHERE application_name = 'runner-feed' AND query_start > %s"
        b" AND state = 'idle' AND query LIKE '%%max(notification_id)%%'"
    )
    await until(lambda: watch.ask(looked, now))


async def test_many_writers_are_followed_live(database: str, ledger: Ledger, watch: Watch) -> None:
    """At no moment is a projection past what is visible, and the log has no hole; in the end each event counts once."""
    async with Ledger(database).running() as two, Ledger(database).running() as three, following(database):
        async with writing(ledger, two, three, seed=1), writing(two, three, seed=2):
            while (seen := await watch.seen()).lowest < ENOUGH:
                assert seen.events == seen.end
                assert seen.highest <= seen.end
        await watch.has_caught_up()
        await assert_projected(ledger, database)


# Two runners --------------------------------------------------------------------------------------------------------


async def test_of_two_runners_one_works_and_the_other_waits(database: str, ledger: Ledger, watch: Watch) -> None:
    async with following(database, "one") as one, following(database, "two") as two:
        async with writing(ledger):
            await until(watch.leader)
            leader, other = ("one", "two") if await watch.leader() == "one" else ("two", "one")
            await watch.has_come(ENOUGH)
            assert await watch.leader() == leader
            assert not await watch.ask(BUSY, other), "the other one does not touch a projection"
            {"one": one, "two": two}[leader].cancel()
            await until(lambda: leads(watch, other))
        await watch.has_caught_up()
    await assert_projected(ledger, database)


async def test_whose_connection_is_cut_may_lose_its_place(database: str, ledger: Ledger, watch: Watch) -> None:
    """Cut after cut, until both have worked in turn: whoever leads, no event is lost or counted twice."""
    async with following(database, "one"), following(database, "two"):
        async with writing(ledger):
            leaders: list[str] = []
            while len(set(leaders)) < 2 or len(leaders) < 5:
                await until(watch.leader)
                leaders.append(str(await watch.leader()))
                await watch.has_caught_up()
                await watch.cut(leaders[-1])
        await watch.has_caught_up()
    await assert_projected(ledger, database)


BUSY = b"SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND query NOT LIKE '%%pg_try_advisory_lock%%'"


async def leads(watch: Watch, name: str) -> bool:
    return await watch.leader() == name
