"""Accounts as they are now, asked for by many at once: one look for all of them, never an older state, loaded once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from psycopg_pool import PoolClosed

from ledger.commit.snapshot_writer import SnapshotWriter
from ledger.commit.state_cache import StateCache
from ledger.current_accounts import Current, CurrentAccounts
from ledger.service import Ledger
from ledger.store.log import EventLog
from ledger.store.reader import Reader
from tests.store.asking import deduct, open_account


class CountingLog(EventLog):
    """A log that counts how often somebody takes a connection for queries."""

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo)
        self.taken = 0

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        self.taken += 1
        async with super().reader() as reader:
            yield reader


async def test_those_who_ask_together_share_a_look(database: str) -> None:
    async with Ledger(database).running() as ledger:
        for number in range(20):
            await open_account(ledger, f"a{number}", permanent=10)
    log = CountingLog(database)
    await log.open()
    cache = StateCache(100)
    current = CurrentAccounts(log, cache, SnapshotWriter(log))
    names = [f"a{number}" for number in range(25)] * 4
    found = dict(zip(names, await asyncio.gather(*map(current.newest_event, names)), strict=True))
    assert log.taken == 1
    assert {name for name, event in found.items() if event is None} == {f"a{number}" for number in range(20, 25)}
    assert {event.version for event in found.values() if event is not None} == {2}
    for taken in (4, 5):  # a look and two loads, then another look
        accounts = dict(zip(names, await asyncio.gather(*map(current.of, names)), strict=True))
        assert log.taken == taken
        assert {name: one and one.newest for name, one in accounts.items()} == found
        assert {one.account.balance.permanent for one in accounts.values() if one is not None} == {10}
    assert len(cache) == 20
    await log.close()
    with pytest.raises(PoolClosed):
        await current.of("a1")


async def test_nobody_gets_what_was_not_so_any_more(database: str) -> None:
    async with Ledger(database).running() as ledger:
        await open_account(ledger, "a", permanent=1_000)

        async def keep_asking() -> None:
            while True:
                await ledger.current.of("a")

        others = [asyncio.create_task(keep_asking()) for _ in range(5)]
        for number in range(100):
            await deduct(ledger, "a", 1, f"{number}")
            assert await _newest_version(ledger) == number + 3
        for task in others:
            task.cancel()
        await asyncio.wait(others)
        assert await _newest_version(ledger) == 102, "those who left did not take the look with them"


async def _newest_version(ledger: Ledger) -> int:
    found = await ledger.current.of("a")
    assert found is not None
    assert found.account.version == found.newest.version
    return found.newest.version


async def test_what_other_processes_write_is_followed(database: str) -> None:
    """With a cache that forgets at once, and with one that remembers an older state."""
    async with Ledger(database).running() as writing:
        await open_account(writing, "a", permanent=1_000)
        await open_account(writing, "b", permanent=1)
        for cached in (1, 100):
            async with Ledger(database, cached_accounts=cached).running() as reading:
                for number in range(30):
                    await deduct(writing, "a", 1, f"{cached}-{number}")
                    account, newest = await _current(reading, "a")
                    assert await _current(reading, "b")
                    assert (account.version, account.balance) == (
                        newest.version,
                        (await _current(writing, "a"))[0].balance,
                    )
                    assert newest.position == (await _current(writing, "a"))[1].position


async def _current(ledger: Ledger, name: str) -> Current:
    found = await ledger.current.of(name)
    assert found is not None
    return found


async def test_an_id_that_no_account_can_have_fails_nobody_else(database: str) -> None:
    async with Ledger(database).running() as ledger:
        await open_account(ledger, "a", permanent=5)
        asked = ("a", "b\0", "\ud800", "", "a")
        found = await asyncio.gather(*map(ledger.current.newest_event, asked))
        assert [one and one.version for one in found] == [2, None, None, None, 2]
        accounts = await asyncio.gather(*map(ledger.current.of, asked))
        assert [one and one.account.version for one in accounts] == [2, None, None, None, 2]
