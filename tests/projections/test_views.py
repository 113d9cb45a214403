"""Views: those who wait for a position wait for what they asked for, and for nothing else."""

import asyncio
from collections.abc import AsyncIterator
from typing import get_args

import psycopg
import pytest
import pytest_asyncio

from ledger.postgres.connecting import connect_async
from ledger.service import Ledger
from projections.models.history.entry_answer import Entry, entries_of, entry
from projections.models.history.projection import HISTORY, PARTS
from projections.models.history.queries import Order, Wanted, asker_of, page_question, pages_question
from projections.models.projection import Projection
from projections.models.usage.projection import USAGE
from projections.models.views import SHARED, NotBuilt, NotYetVisible, Question, Views
from tests.postgres import owner
from tests.projections.moving import projected
from tests.store.asking import deduct, open_account


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


async def test_an_answer_is_of_one_moment(ledger: Ledger, database: str, views: Views) -> None:
    """The newest entry is that of the position, whatever is projected meanwhile; with one question or with several."""
    newest = page_question(Wanted("a"), "newest first", 1)
    await open_account(ledger, "a", permanent=1_000)
    await projected(ledger, database, projections=[HISTORY])

    async def keep_projecting() -> None:
        for number in range(60):
            await deduct(ledger, "a", 1, f"{number}")
            await projected(ledger, database, projections=[HISTORY])

    writing = asyncio.create_task(keep_projecting())
    seen = set()
    while not writing.done():
        for questions in ([newest], [newest, newest]):
            answered = await views.ask((HISTORY,), *questions)
            assert len(answered.rows) == len(questions)
            assert {rows[0]["sequence"] // PARTS for rows in answered.rows} == {answered.position}
            seen.add(answered.position)
    await writing
    assert len(seen) > 10


async def test_an_answer_without_rows_has_its_position(ledger: Ledger, database: str, views: Views) -> None:
    await open_account(ledger, "a", permanent=1)
    await projected(ledger, database)
    nothing = page_question(Wanted("nobody"), "newest first", 1)
    one = await views.ask((HISTORY,), nothing, at_least=2)
    several = await views.ask((HISTORY, USAGE), nothing, nothing, at_least=2)
    assert (one.position, one.rows, several.rows) == (2, [[]], [[], []])
    assert one == await views.ask((HISTORY,), nothing)
    assert several.as_of == one.as_of
    for questions in ([nothing], [nothing, nothing]):
        with pytest.raises(NotYetVisible):
            await views.ask((HISTORY,), *questions, at_least=3)


async def test_who_asks_for_a_position_that_was_seen_waits_when_it_is_gone(
    ledger: Ledger, database: str, views: Views
) -> None:
    """After a failover or a rebuild a projection may be behind what somebody has seen."""
    await open_account(ledger, "a", permanent=1)
    await projected(ledger, database)
    nothing = page_question(Wanted("nobody"), "newest first", 1)
    assert (await views.ask((HISTORY,), nothing, at_least=2)).position == 2
    async with await connect_async(owner(database)) as connection:
        await connection.execute("UPDATE projection_history.checkpoint SET position = 1")
        waiting = asyncio.create_task(views.ask((HISTORY,), nothing, at_least=2))
        assert (await views.ask((HISTORY,), nothing, at_least=1)).position == 1
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        await connection.execute("UPDATE projection_history.checkpoint SET position = 2")
    assert (await waiting).position == 2


@pytest.mark.parametrize("order", get_args(Order))
async def test_those_who_ask_together_get_the_rows_that_each_would_get_alone(
    ledger: Ledger, database: str, views: Views, order: Order
) -> None:
    """Also those who ask the same, those who get nothing, and those who ask while others wait for their answers."""
    for number, name in enumerate("abc", 1):
        await open_account(ledger, name, permanent=1_000 * number)
        for task in range(number):
            await deduct(ledger, name, number, f"{task}")
    await projected(ledger, database)
    wanted = [Wanted(name) for name in (*"abc", "nobody", *"aabbcc") for _ in range(SHARED)]

    async def together(one: Wanted, limit: int) -> list[Entry]:
        shared = await views.ask_together((HISTORY,), pages_question(order), *asker_of(one, limit), at_least=2)
        return entries_of(shared.rows)

    async def alone(one: Wanted, limit: int) -> list[Entry]:
        answered = await views.ask((HISTORY,), page_question(one, order, limit), at_least=2)
        return [entry(row) for row in answered.rows[0]]

    for limit in (1, 50):
        found = await asyncio.gather(*(together(one, limit) for one in wanted))
        assert found == [await alone(one, limit) for one in wanted]
        assert {len(entries) for entries in found} == ({0, 2} if limit == 1 else {0, 2, 3, 4})


async def test_those_who_ask_together_hear_of_what_goes_wrong(ledger: Ledger, database: str, views: Views) -> None:
    asked = pages_question("newest first")
    with pytest.raises(NotYetVisible):
        await views.ask_together((HISTORY,), asked, *asker_of(Wanted("a"), 1), at_least=3)
    with psycopg.connect(owner(database), autocommit=True) as connection:
        connection.execute("DROP SCHEMA projection_history CASCADE")
    askers = [views.ask_together((HISTORY,), asked, *asker_of(Wanted(name), 1)) for name in "ab"]
    assert [type(one) for one in await asyncio.gather(*askers, return_exceptions=True)] == [NotBuilt, NotBuilt]


async def test_a_question_to_a_missing_projection(ledger: Ledger, database: str, views: Views) -> None:
    nothing = page_question(Wanted("nobody"), "newest first", 1)
    with psycopg.connect(owner(database), autocommit=True) as connection:
        connection.execute("DROP SCHEMA projection_history CASCADE")
    for questions in ([nothing], [nothing, nothing]):
        with pytest.raises(NotBuilt):
            await views.ask((HISTORY,), *questions)
    async with views.snapshot(USAGE) as moment:
        assert moment.position == 0, "the connection still serves"


async def test_questions_cannot_write(ledger: Ledger, database: str, views: Views) -> None:
    writing = Question("SELECT pg_catalog.lo_create(0) AS made", {})
    async with views.snapshot(HISTORY) as moment:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await moment.answer(writing)
    for questions in ([writing], [writing, writing]):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await views.ask((HISTORY,), *questions)
