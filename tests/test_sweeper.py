"""The sweeper: records what no command met, at its rate, once; and no answer depends on it."""

import asyncio
from datetime import timedelta

import psycopg
from psycopg import AsyncConnection

from api.sweeper import Sweeper
from ledger.commands import ExtendHold, GrantCredits, PlaceHold
from ledger.events import CreditsExpired, CreditsHeld, HoldExpired
from ledger.service import Ledger
from ledger.submissions import Recorded
from projections.deadlines import Deadlines
from tests.conftest import Clock
from tests.store.asking import all_events, balance, open_account, submission

MONTH = timedelta(days=30)


async def grant(ledger: Ledger, account: str, amount: int, lifetime: timedelta = MONTH) -> None:
    command = GrantCredits(account, "subscription", amount, lifetime=lifetime)
    assert isinstance(await ledger.execute(submission(command, "grant", f"{amount}")), Recorded)


async def hold(ledger: Ledger, account: str, amount: int) -> str:
    done = await ledger.execute(submission(PlaceHold(account, amount), "hold", f"{amount}"))
    assert isinstance(done, Recorded)
    event = done.events[-1]
    assert isinstance(event, CreditsHeld)
    return event.hold_id


async def types_of(ledger: Ledger, account: str) -> list[str]:
    return [row.topic for row in await ledger.stream(account, 0, 1_000)]


async def test_it_records_lots_and_holds_when_their_time_has_come(database: str, ledger: Ledger, clock: Clock) -> None:
    sweeper = Sweeper(ledger, database, 0.01, 100_000)
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        deadlines = Deadlines(ledger, connection)
        await open_account(ledger, "a", permanent=10)
        await grant(ledger, "a", 100)
        hold_id = await hold(ledger, "a", 30)
        extend = ExtendHold("a", hold_id, timedelta(minutes=30))
        assert isinstance(await ledger.execute(submission(extend, "extend", "e")), Recorded)

        async def sweep() -> list[str]:
            before = len(await types_of(ledger, "a"))
            await deadlines.follow()
            await sweeper.sweep(deadlines)
            return (await types_of(ledger, "a"))[before:]

        assert await sweep() == []
        clock.forward(minutes=15)
        assert await sweep() == []  # the hold was extended: its old deadline comes to nothing
        clock.forward(minutes=15)
        assert await sweep() == [HoldExpired.__name__]
        clock.forward(days=29)
        assert await sweep() == []
        clock.forward(days=1)
        assert await sweep() == [CreditsExpired.__name__]
        assert await sweep() == []
        assert await deadlines.due(clock.now + MONTH * 100, 10) == []
        assert await balance(ledger, "a") == 10


async def test_it_keeps_to_its_rate_and_comes_to_an_end(database: str, ledger: Ledger, clock: Clock) -> None:
    sweeper = Sweeper(ledger, database, interval=1.0, rate=7)
    for n in range(20):
        await open_account(ledger, f"a{n}")
        await grant(ledger, f"a{n}", 5)
    clock.forward(days=31)
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        deadlines = Deadlines(ledger, connection)
        await deadlines.follow()
        assert [await sweeper.sweep(deadlines) for _ in range(4)] == [7, 7, 6, 0]


async def test_answers_do_not_depend_on_it(ledger: Ledger, clock: Clock) -> None:
    await open_account(ledger, "a", permanent=10)
    await grant(ledger, "a", 100)
    clock.forward(days=30)
    events = await all_events(ledger)
    assert await balance(ledger, "a") == 10
    assert await all_events(ledger) == events


async def test_the_deadlines_can_be_thrown_away_and_built_again(database: str, ledger: Ledger, clock: Clock) -> None:
    for n in range(30):
        await open_account(ledger, f"a{n}")
        await grant(ledger, f"a{n}", 5, lifetime=timedelta(days=1 + n))
    read = "SELECT account_id, due_at FROM projections.deadlines ORDER BY 1, 2"
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        await Deadlines(ledger, connection).follow()
        first = await (await connection.execute(read)).fetchall()
        await connection.execute("TRUNCATE projections.deadlines, projections.checkpoints")
        await Deadlines(ledger, connection).follow()
        assert await (await connection.execute(read)).fetchall() == first
        assert len(first) == 30


async def test_one_sweeps_and_another_takes_over(database: str, ledger: Ledger) -> None:
    async with (
        await AsyncConnection.connect(database, autocommit=True) as one,
        await AsyncConnection.connect(database, autocommit=True) as two,
    ):
        first, second = Deadlines(ledger, one), Deadlines(ledger, two)
        assert await first.lead()
        assert not await second.lead()
        await one.close()
        async with asyncio.timeout(10):
            while not await second.lead():  # noqa: ASYNC110  # PostgreSQL lets go when it notices
                await asyncio.sleep(0.01)


async def test_it_runs_by_itself_and_outlives_its_connection(database: str, ledger: Ledger, clock: Clock) -> None:
    sweeping = asyncio.create_task(Sweeper(ledger, database, 0.01, 100_000).run())
    try:
        for turn in range(2):
            account = f"a{turn}"
            await open_account(ledger, account)
            await grant(ledger, account, 5)
            clock.forward(days=30)
            async with asyncio.timeout(20):
                while CreditsExpired.__name__ not in await types_of(ledger, account):  # noqa: ASYNC110  # nothing tells
                    await asyncio.sleep(0.01)
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                )
    finally:
        sweeping.cancel()
