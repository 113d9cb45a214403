"""The watch: it goes through all accounts again and again, keeps what is wrong, and forgets what is mended."""

import asyncio
import logging

import psycopg
import pytest

from ledger.service import Ledger
from projections.checks.refold import connect
from projections.checks.watch import Place, Watch, drift, pause_after
from tests.api.runtime.test_sweeper import cut_the_leader
from tests.conftest import Clock
from tests.projections.busy import Busy
from tests.projections.moving import projected
from tests.projections.stored import number_of
from tests.store.asking import open_account

CHANGE = f"UPDATE projection_usage.usage_rows SET credits = credits {{}} WHERE account = {number_of('bob', 'usage')}"
BREAK = "UPDATE projection_balances.grants SET remaining = remaining + 1, amount = amount + 1 WHERE account_id = %s"
MEND = "UPDATE projection_balances.grants SET remaining = remaining - 1, amount = amount - 1 WHERE account_id = %s"


async def test_it_walks_through_all_accounts_round_after_round(database: str, ledger: Ledger) -> None:
    for number in range(7):
        await open_account(ledger, f"a{number}", permanent=5)
    await projected(ledger, database)
    watch = Watch(database, piece=3)
    async with await connect(database) as connection:
        places = []
        for _ in range(5):
            await watch.check_next(connection)
            places.append((await drift(connection)).place)
        assert places == [
            Place("a2", 3, 0),
            Place("a5", 6, 0),
            Place("a6", 7, 0),
            Place("", 7, 1),
            Place("a2", 10, 1),
        ]
        assert (await drift(connection)).wrong == []


async def test_what_is_wrong_is_kept_and_told_once_until_it_is_mended(
    database: str, ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for account in ("ada", "bob", "eve"):
        await Busy(ledger, clock).live(account)
    end = await projected(ledger, database)
    watch = Watch(database, piece=1)
    async with await connect(database) as connection:
        await connection.execute(BREAK, ["bob"])
        await connection.execute(CHANGE.format("+ 1"))
        await watch.check_next(connection)
        assert (await drift(connection)).wrong == []
        with caplog.at_level(logging.ERROR, "credit_ledger.check"):
            for _ in range(5):
                await watch.check_next(connection)
        assert sorted((await drift(connection)).wrong) == [("", "usage"), ("bob", "balances"), ("bob", "usage")]
        of_bob = [record.getMessage() for record in caplog.records if "account bob" in record.getMessage()]
        assert len(of_bob) == 2
        assert all(f"at position {end}" in message for message in of_bob)
        assert "projection balances" in of_bob[0]
        assert "remaining is" in of_bob[0]

        await connection.execute(MEND, ["bob"])
        await watch.check_next(connection)  # it is checked again before the next round reaches it
        assert sorted((await drift(connection)).wrong) == [("", "usage"), ("bob", "usage")]
        await connection.execute(CHANGE.format("- 1"))
        for _ in range(4):
            await watch.check_next(connection)
        assert (await drift(connection)).wrong == []


async def test_what_cannot_be_compared_is_told_and_no_drift_is_forgotten(
    database: str, ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await Busy(ledger, clock).live("ada")
    await projected(ledger, database)
    watch = Watch(database)
    async with await connect(database) as connection:
        await connection.execute(BREAK, ["ada"])
        await watch.check_next(connection)
        await connection.execute("UPDATE projection_balances.checkpoint SET stopped_at = 3, problem = 'no reason'")
        caplog.clear()
        with caplog.at_level(logging.WARNING, "credit_ledger.check"):
            for _ in range(6):
                await watch.check_next(connection)
        assert ("ada", "balances") in (await drift(connection)).wrong
    assert [record.getMessage() for record in caplog.records] == [
        "balances cannot be checked: it stopped at position 3: no reason"
    ]


async def test_one_watches_and_another_takes_over(
    database: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are told to; whoever leads is cut off, and the walk goes on, from where it was."""
    for pause in ("_RETRY", "_STANDBY", "PAUSE_FACTOR"):
        monkeypatch.setattr(f"projections.checks.watch.{pause}", 0.01)
    for number in range(5):
        await open_account(ledger, f"a{number}", permanent=5)
    await projected(ledger, database)
    watching = [asyncio.create_task(Watch(database, piece=1, shortest_pause=0.01).run()) for _ in range(2)]
    try:
        async with asyncio.timeout(240):
            await checked_more_than(database, 0)
            for _ in range(2):
                before = await checked_more_than(database, 0)
                assert cut_the_leader(database) == 1
                await checked_more_than(database, before + 5)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def checked_more_than(database: str, count: int) -> int:
    """Wait until more accounts than that were looked at; says how many."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        while (place := (await drift(connection)).place).checked <= count:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.02)
        return place.checked


def test_it_rests_much_longer_than_it_works() -> None:
    assert pause_after(0.001) == 1
    assert pause_after(0.5) == 10
    assert pause_after(60) == 1_200
