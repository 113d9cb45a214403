"""Views: those who wait for a position wait for what they asked for, and for nothing else."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from ledger.service import Ledger
from projections.models.history.projection import HISTORY
from projections.models.projection import Projection
from projections.models.usage.projection import USAGE
from projections.models.views import NotBuilt, NotYetVisible, Views
from tests.postgres import owner
from tests.projections.moving import projected
from tests.store.asking import open_account


@pytest_asyncio.fixture
async def views(database: str) -> AsyncIterator[Views]:
    async with Views(database).running() as running:
        yield running


async def where(views: Views, *projections: Projection, at_least: int = 0) -> int:
    async with views.snapshot(*projections, at_least=at_least) as moment:
        return moment.position


async def test_a_wait_ends_when_the_slowest_of_what_was_asked_for_is_there(
    ledger: Ledger, database: str, views: Views
) -> None:
    waiting = asyncio.create_task(where(views, HISTORY, USAGE, at_least=1))
    await open_account(ledger, "a")
    assert await projected(ledger, database, projections=[USAGE]) == 1
    assert await where(views, USAGE, at_least=1) == 1
    assert not waiting.done()
    await projected(ledger, database, projections=[HISTORY])
    assert await waiting == 1


async def test_what_does_not_come_is_said_with_how_far_it_is(ledger: Ledger, database: str, views: Views) -> None:
    await open_account(ledger, "a", permanent=1)
    await projected(ledger, database, projections=[USAGE])
    with pytest.raises(NotYetVisible) as found:
        await where(views, HISTORY, USAGE, at_least=2)
    assert (found.value.wanted, found.value.position) == (2, 0)


async def test_who_waits_for_a_missing_projection_does_not_hold_up_others(
    ledger: Ledger, database: str, views: Views
) -> None:
    with psycopg.connect(owner(database), autocommit=True) as connection:
        connection.execute("DROP SCHEMA projection_history CASCADE")
    missing = asyncio.create_task(where(views, HISTORY, at_least=1))
    other = asyncio.create_task(where(views, USAGE, at_least=1))
    await open_account(ledger, "a")
    await projected(ledger, database, projections=[USAGE])
    assert await other == 1
    assert not missing.done(), "the other waited as long"
    with pytest.raises(NotBuilt):
        await missing


async def test_a_snapshot_is_one_moment(ledger: Ledger, database: str, views: Views) -> None:
    """What is projected meanwhile is in the next one."""
    await open_account(ledger, "a", permanent=5)
    await projected(ledger, database)
    async with views.snapshot(HISTORY, USAGE, at_least=2) as moment:
        await open_account(ledger, "b", permanent=5)
        await projected(ledger, database)
        rows = await moment.rows("SELECT account_id FROM projection_history.entries")
        assert (moment.position, [row["account_id"] for row in rows]) == (2, ["a"])
    assert await where(views, HISTORY) == 4
