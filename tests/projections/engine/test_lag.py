"""The lag of the projections is counted for every event, in each projection."""

from datetime import UTC, datetime, timedelta

from ledger.commit.notifications import CommitListener
from ledger.service import Ledger
from ledger.store.feed import Feed
from ledger.timings.histogram import SECOND
from projections.engine.runner import Runner, connect
from projections.models.catalog import PROJECTIONS
from tests.store.asking import deduct, open_account

MINUTE = 60 * SECOND


async def test_every_event_counts_as_late_as_the_first_of_its_batch(database: str) -> None:
    began = datetime.now(UTC)
    ago = began - timedelta(minutes=1)
    async with Ledger(database, clock=lambda: ago).running() as ledger:
        await open_account(ledger, "a", permanent=10)
        await deduct(ledger, "a", 1, "first")
        runner = Runner(database, Feed(ledger.log), CommitListener(database))
        async with await connect(database) as connection:
            while await runner.step(connection):
                pass
        events = await Feed(ledger.log).last_position()
    took = (datetime.now(UTC) - began) // timedelta(microseconds=1) * 1_000
    assert set(runner.lags) == {projection.name for projection in PROJECTIONS}
    for name, lag in runner.lags.items():
        counts, total = lag.take()
        assert sum(counts) == events > 1, name
        assert MINUTE * events <= total <= (MINUTE + took + 1_000) * events


async def test_an_event_of_a_clock_that_is_ahead_is_not_early(database: str) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=1)
    async with Ledger(database, clock=lambda: ahead).running() as ledger:
        await open_account(ledger, "a", permanent=10)
        runner = Runner(database, Feed(ledger.log), CommitListener(database))
        async with await connect(database) as connection:
            while await runner.step(connection):
                pass
    counts, total = runner.lags["balances"].take()
    assert (sum(counts) > 0, total) == (True, 0)
