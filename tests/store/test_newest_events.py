"""The newest events of accounts, asked for by many at once: one look for all of them, and never an older event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from psycopg_pool import PoolClosed

from ledger.newest_events import NewestEvents
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
    newest = NewestEvents(log)
    names = [f"a{number}" for number in range(25)] * 4
    found = dict(zip(names, await asyncio.gather(*map(newest.of, names)), strict=True))
    assert log.taken == 1
    assert {name for name, event in found.items() if event is None} == {f"a{number}" for number in range(20, 25)}
    assert {event.version for event in found.values() if event is not None} == {2}
    await log.close()
    with pytest.raises(PoolClosed):
        await newest.of("a1")


async def test_nobody_gets_an_event_that_was_not_the_newest_any_more(database: str) -> None:
    async with Ledger(database).running() as ledger:
        await open_account(ledger, "a", permanent=1_000)

        async def keep_asking() -> None:
            while True:
                await ledger.newest_events.of("a")

        others = [asyncio.create_task(keep_asking()) for _ in range(5)]
        for number in range(100):
            await deduct(ledger, "a", 1, f"{number}")
            assert await _newest_version(ledger) == number + 3
        for task in others:
            task.cancel()
        await asyncio.wait(others)
        assert await _newest_version(ledger) == 102, "those who left did not take the look with them"


async def _newest_version(ledger: Ledger) -> int:
    newest = await ledger.newest_events.of("a")
    assert newest is not None
    return newest.version


async def test_an_id_that_no_account_can_have_fails_nobody_else(database: str) -> None:
    async with Ledger(database).running() as ledger:
        await open_account(ledger, "a", permanent=5)
        found = await asyncio.gather(*map(ledger.newest_events.of, ("a", "b\0", "a")))
        assert [one and one.version for one in found] == [2, None, 2]
