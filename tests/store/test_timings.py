"""How long commands, loads and waits for connections take is counted: each once, and never more than it took."""

import asyncio
from time import monotonic_ns

import pytest
from psycopg_pool import PoolTimeout

from ledger.service import Ledger
from ledger.store.log import EventLog
from ledger.timings.command_timings import STAGES
from ledger.timings.histogram import SECOND, Histogram
from tests.projections.engine.following import until
from tests.store.asking import deduct, deduction, open_account

MANY = 50


def taken(ledger: Ledger, operation: str) -> tuple[set[int], int]:
    """How many commands of an operation passed each stage since the last call, and the sum of all times."""
    found = [ledger.timings.operations[operation].of(stage).take() for stage in STAGES]
    return {sum(one.counts) for one in found}, sum(one.total for one in found)


def size(histogram: Histogram) -> tuple[int, int]:
    """How many values were observed since the last call, and their sum."""
    counts, total = histogram.take()
    return sum(counts), total


def test_a_value_counts_below_the_first_bound_that_it_does_not_exceed() -> None:
    histogram = Histogram((1, 10, 100))
    for value, times in ((0, 1), (1, 1), (2, 1), (10, 3), (100, 1), (101, 2)):
        histogram.observe(value, times)
    assert histogram.take() == ([2, 4, 1, 2], 0 + 1 + 2 + 30 + 100 + 202)
    assert histogram.take() == ([0, 0, 0, 0], 0)


async def test_a_command_passes_each_stage_once(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=1_000)
    opened, waited = taken(ledger, "open")
    assert opened == {1}
    loads, loading = size(ledger.timings.loads)
    assert loads == 1
    assert 0 < loading < waited, "the command waited for its account"
    began = monotonic_ns()
    await deduct(ledger, "a", 1, "alone")
    elapsed = monotonic_ns() - began
    passed, total = taken(ledger, "deduct")
    assert passed == {1}
    assert 0 < total <= elapsed
    assert size(ledger.timings.loads) == (0, 0), "it was in memory"


async def test_commands_of_both_lanes_count_with_their_batches(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=1_000)
    timings = ledger.timings
    for histogram in (*timings.batches.values(), timings.appends):
        histogram.take()
    await asyncio.gather(*(deduct(ledger, "a", 1, f"{number}") for number in range(MANY)))
    batches, commands = size(timings.batches["fast"])
    assert commands == MANY
    assert 0 < batches < MANY, "many were committed together"
    assert size(timings.batches["locked"]) == (0, 0)
    assert size(timings.appends)[0] == batches
    await deduct(ledger, "a", 1_000, "too much")
    assert taken(ledger, "deduct")[0] == {MANY + 1}, "a refused one too"
    timings.appends.take()
    await ledger.execute_together([deduction("a", 1, f"together {number}") for number in range(3)])
    assert size(timings.batches["locked"]) == (1, 3)
    assert taken(ledger, "deduct")[0] == {3}
    assert size(timings.appends)[0] == 1


async def test_a_wait_for_a_connection_is_counted_also_of_those_who_give_up(database: str) -> None:
    log = EventLog(database, readers=1)
    await log.open()
    try:
        assert set(log.pools) == {"commands"}
        pool = log.pools["commands"]

        async def ask() -> None:
            async with log.connection():
                pass

        async with log.connection():
            assert size(pool.waits)[0] == 1
            with pytest.raises(PoolTimeout):
                async with pool.connection(0.1):
                    pass
            gave_up, time = size(pool.waits)
            assert gave_up == 1
            assert time >= SECOND // 10
            assert pool.waiting == 0
            asking = asyncio.create_task(ask())
            await until(lambda: _waits(log))
        await asking
        assert size(pool.waits)[0] == 1
        assert pool.waiting == 0
    finally:
        await log.close()


async def _waits(log: EventLog) -> bool:
    return log.pools["commands"].waiting == 1


async def test_queries_with_a_time_limit_have_a_pool_of_their_own(database: str) -> None:
    pools = EventLog(database, query_timeout=1.0).pools
    assert list(pools) == ["commands", "queries"]
    assert pools["commands"] is not pools["queries"]
