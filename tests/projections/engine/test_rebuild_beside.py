"""Rebuilding while the service works: commands are carried out, the runner runs, pages are read, and nobody notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import AsyncConnection, IsolationLevel

from ledger.commit.notifications import CommitListener
from ledger.service import Ledger
from ledger.store.feed import Feed
from projections.engine.rebuild import BlockedByReaders, rebuild, rebuilding
from projections.engine.runner import Runner
from projections.models.catalog import BY_NAME, PROJECTIONS
from tests.long_form import times
from tests.projections.engine.rebuilt import LIVE, Watching, live_a_life, rebuild_all, schemas
from tests.projections.moving import projected
from tests.projections.stored import assert_projected
from tests.store.asking import deduct, open_account

HISTORY = BY_NAME["history"]
BREATH = 0.002
"""Seconds between two commands and between two looks: a rebuild, which shares the process with them, gets on."""
_STANDS = "SELECT position FROM projection_history.checkpoint"
_COUNT = "SELECT count(*), max(sequence) FROM projection_history.entries WHERE account_id = 'hot'"


class Seen(NamedTuple):
    """What a reader saw in one moment."""

    position: int
    entries: int
    last: int


async def see(connection: AsyncConnection[Any]) -> Seen:
    """A page as the service reads it: the checkpoint first, then rows, all in one snapshot."""
    async with connection.transaction():
        (position,) = await one(connection, _STANDS)
        return Seen(position, *await one(connection, _COUNT))


async def one(connection: AsyncConnection[Any], statement: str) -> tuple[Any, ...]:
    row = await (await connection.execute(statement.encode(), prepare=True)).fetchone()
    assert row is not None
    return tuple(row)


@asynccontextmanager
async def snapshots(database: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection on which every transaction is one moment."""
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        yield connection


@asynccontextmanager
async def beside(*work: Any) -> AsyncIterator[list["asyncio.Task[Any]"]]:
    """Work that goes on until the block ends, and must not fail before."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield tasks
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def write(ledger: Ledger) -> None:
    for number in range(1_000_000):
        await deduct(ledger, "hot", 1, f"task-{number}")
        await asyncio.sleep(BREATH)


async def read(database: str, seen: list[Seen]) -> None:
    async with snapshots(database) as connection:
        while True:
            seen.append(await see(connection))
            await asyncio.sleep(BREATH)


async def read_plainly(database: str, counts: list[int]) -> None:
    """Without a snapshot of several statements, as psql does."""
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        while True:
            counts.append((await one(connection, _COUNT))[0])
            await asyncio.sleep(BREATH)


async def test_rebuilt_while_writing_and_reading(ledger: Ledger, database: str) -> None:
    """Readers see every event that was there before, at every moment, and time never runs backwards for them."""
    await open_account(ledger, "hot", permanent=1_000_000)
    for number in range(5):
        await live_a_life(ledger, f"account-{number}")
    await projected(ledger, database)
    seen: list[Seen] = []
    plainly: list[int] = []
    runner = Runner(database, Feed(ledger.log), CommitListener(database))
    async with beside(runner.run(), write(ledger), read(database, seen), read_plainly(database, plainly)):
        for _ in range(times(1, 2)):
            rebuilt = await rebuild_all(ledger, database)
            assert [one.comparison.differences for one in rebuilt if one.comparison] == [0] * len(PROJECTIONS)
            assert schemas(database) == LIVE
    assert len(seen) > 50
    assert all(one.entries == (one.last - 8) // 4 + 1 for one in seen), "a page lacks entries that it should have"
    assert seen == sorted(seen)
    assert plainly == sorted(plainly)
    assert seen[-1].position > seen[0].position
    await projected(ledger, database)
    await assert_projected(ledger, database)


async def test_a_switch_waits_for_who_reads_in_a_snapshot_and_others_go_on(ledger: Ledger, database: str) -> None:
    """New tables are empty in an old snapshot: who has begun to read there must get to the end of the page."""
    await open_account(ledger, "hot", permanent=1_000)
    await deduct(ledger, "hot", 1, "only")
    await projected(ledger, database)
    async with snapshots(database) as slow, snapshots(database) as quick:
        await slow.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await one(slow, _STANDS)
        async with beside(rebuild_all(ledger, database, [HISTORY])) as (rebuilding_,):
            await _tried_to_switch(quick)
            assert await see(quick) == Seen(3, 2, 12)
            assert await one(slow, _COUNT) == (2, 12)
            assert not rebuilding_.done()
            await slow.execute("COMMIT")
            await rebuilding_
    await assert_projected(ledger, database)


_TRYING = """
    SELECT count(*)
    FROM pg_locks AS wanted
    JOIN pg_locks AS held ON held.pid = wanted.pid AND held.granted AND held.locktype = 'advisory'
    WHERE wanted.mode = 'AccessExclusiveLock' AND NOT wanted.granted
      AND (held.classid::bigint << 32 | held.objid::bigint) = hashtextextended('projections.live', 0)
"""
"""Who wants to switch, and lets nobody move the live build meanwhile."""


async def _tried_to_switch(connection: AsyncConnection[Any]) -> None:
    async with asyncio.timeout(240):
        while not (await one(connection, _TRYING))[0]:
            pass


async def test_a_switch_is_no_step_back(ledger: Ledger, database: str) -> None:
    """What the live build has come to while a switch was waited for is in the new one when it begins to serve."""
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    async with snapshots(database) as slow, snapshots(database) as quick:
        await slow.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await one(slow, _STANDS)
        async with beside(rebuild_all(ledger, database, [HISTORY])) as (rebuilding_,):
            await _tried_to_switch(quick)
            await live_a_life(ledger, "bob")
            await projected(ledger, database)
            await slow.execute("COMMIT")
            await rebuilding_
    await assert_projected(ledger, database)


class Meddling(Watching):
    """Somebody moves the live build in the middle of the comparison."""

    def __init__(self, database: str) -> None:
        super().__init__()
        self._database = database

    def begin(self, what: str, total: int, unit: str) -> None:
        super().begin(what, total, unit)
        if what == "history: comparing":
            with psycopg.connect(self._database) as connection:
                connection.execute("DELETE FROM projection_history.entry_rows")


async def test_what_is_compared_is_one_moment(ledger: Ledger, database: str) -> None:
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    async with rebuilding(database) as connection:
        rebuilt = await rebuild(connection, Feed(ledger.log), HISTORY, Meddling(database))
    assert rebuilt.comparison is not None
    assert rebuilt.comparison.differences == 0
    await assert_projected(ledger, database)


async def test_who_reads_for_ever_is_named(ledger: Ledger, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the runner was never held up for longer than an attempt takes."""
    monkeypatch.setattr("projections.engine.rebuild.PATIENCE", 1.0)
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    async with snapshots(database) as slow, slow.transaction():
        await one(slow, _STANDS)
        async with beside(Runner(database, Feed(ledger.log), CommitListener(database)).run()):
            with pytest.raises(BlockedByReaders, match="history is being read all the time; nothing is changed"):
                await rebuild_all(ledger, database, [HISTORY])
            await live_a_life(ledger, "bob")
            await _visible(ledger, database)
    await assert_projected(ledger, database)


async def _visible(ledger: Ledger, database: str) -> None:
    end = await Feed(ledger.log).last_position()
    async with snapshots(database) as connection, asyncio.timeout(240):
        while (await one(connection, _STANDS))[0] < end:  # noqa: ASYNC110  # a row, not an event
            await asyncio.sleep(0.01)
