"""The sweeper: records what no command met, at its rate, once; and no answer depends on it."""

import asyncio
from datetime import timedelta

import psycopg
from psycopg import AsyncConnection

from api.runtime.sweeper import Sweeper
from ledger.commit.submission import Recorded
from ledger.domain.commands import (
    ExtendHold,
    GrantCredits,
    PlaceHold,
    RecordPayment,
    RecordSubscription,
    RefundPayment,
)
from ledger.domain.events import CreditsExpired, CreditsHeld, HoldExpired
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.domain.plans.terms import Interval, Terms
from ledger.service import Ledger
from projections.models.balances.queries import due
from tests.conftest import Clock
from tests.postgres import owner, tampering
from tests.projections.moving import projected
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
        await open_account(ledger, "a", permanent=10)
        await grant(ledger, "a", 100)
        hold_id = await hold(ledger, "a", 30)
        extend = ExtendHold("a", hold_id, timedelta(minutes=30))
        assert isinstance(await ledger.execute(submission(extend, "extend", "e")), Recorded)

        async def sweep() -> list[str]:
            before = len(await types_of(ledger, "a"))
            await projected(ledger, database)
            await sweeper.sweep(connection)
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
        await projected(ledger, database)
        assert await due(connection, clock.now + MONTH * 100, 10) == []
        assert await balance(ledger, "a") == 10


async def test_it_grants_allowances_and_asks_once_an_hour_for_one_that_came_to_nothing(
    database: str, ledger: Ledger, clock: Clock
) -> None:
    """An expiry of the same account is recorded all the same."""
    sweeper, days = Sweeper(ledger, database, 0.01, 100_000), Interval(9, "days")
    await open_account(ledger, "a")
    plan, at = Terms("pro", 1, 30, days, Interval(90, "days"), grace_seconds=0), clock()
    word = RecordSubscription("a", "sub-1", "bank", "active", plan, at)
    paid = RecordPayment(
        "a", "pay-1", "bank", "paid", 900, "EUR", subscription=SubscriptionPayment("sub-1", "initial", at)
    )
    for command in (word, paid):
        assert isinstance(await ledger.execute(submission(command, "told", repr(command))), Recorded)
    async with await AsyncConnection.connect(database, autocommit=True) as connection:

        async def sweep() -> list[str]:
            before = len(await types_of(ledger, "a"))
            await projected(ledger, database)
            await sweeper.sweep(connection)
            return (await types_of(ledger, "a"))[before:]

        assert await sweep() == []
        clock.forward(days=9)
        assert await sweep() == ["CreditsExpired", "CreditsGranted"]
        back = RefundPayment("a", "pay-1", "re-1", None, "bank")
        assert isinstance(await ledger.execute(submission(back, "refund", "re-1")), Recorded)
        await grant(ledger, "a", 5, timedelta(days=9, minutes=5))
        clock.forward(days=9)
        assert await sweep() == []  # the money went back
        clock.forward(minutes=10)
        assert await sweep() == ["CreditsExpired"]


async def test_it_keeps_to_its_rate_and_comes_to_an_end(database: str, ledger: Ledger, clock: Clock) -> None:
    sweeper = Sweeper(ledger, database, interval=1.0, rate=7)
    for n in range(20):
        await open_account(ledger, f"a{n}")
        await grant(ledger, f"a{n}", 5)
    clock.forward(days=31)
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        await projected(ledger, database)
        swept = []
        for _ in range(4):
            swept.append(await sweeper.sweep(connection))
            await projected(ledger, database)
        assert swept == [7, 7, 6, 0]


async def test_an_account_that_cannot_be_read_holds_up_no_other(database: str, ledger: Ledger, clock: Clock) -> None:
    for account in "abc":
        await open_account(ledger, account)
        await grant(ledger, account, 5)
    await projected(ledger, database)
    with tampering(database) as connection:
        connection.execute("UPDATE ledger.events SET state = state || ' ' WHERE originator_id = 'a'")
    clock.forward(days=31)
    async with (
        Ledger(database, clock=clock).running() as another,
        await AsyncConnection.connect(database, autocommit=True) as asking,
    ):
        sweeper = Sweeper(another, database, interval=1.0, rate=1)
        assert await due(asking, clock.now, 3) == ["a", "b", "c"]
        assert await sweeper.sweep(asking) == 0
        assert await sweeper.sweep(asking) == 1
        assert CreditsExpired.__name__ in await types_of(ledger, "b") + await types_of(ledger, "c")


async def test_answers_do_not_depend_on_it(ledger: Ledger, clock: Clock) -> None:
    await open_account(ledger, "a", permanent=10)
    await grant(ledger, "a", 100)
    clock.forward(days=30)
    events = await all_events(ledger)
    assert await balance(ledger, "a") == 10
    assert await all_events(ledger) == events


async def test_one_sweeps_and_another_takes_over(database: str, ledger: Ledger, clock: Clock) -> None:
    """Two are told to; only one connection holds the lead, and when it is cut the work goes on."""
    sweepers = [asyncio.create_task(Sweeper(ledger, database, 0.01, 100_000).run()) for _ in range(2)]
    try:
        async with asyncio.timeout(240):
            for turn in range(3):
                await open_account(ledger, f"b{turn}")
                await grant(ledger, f"b{turn}", 5)
                clock.forward(days=30)
                await projected(ledger, database)
                while CreditsExpired.__name__ not in await types_of(ledger, f"b{turn}"):  # noqa: ASYNC110  # nothing tells
                    await asyncio.sleep(0.01)
                assert cut_the_leader(database) == 1
    finally:
        for sweeping in sweepers:
            sweeping.cancel()


def cut_the_leader(database: str) -> int:
    """End the connections that hold a session's lock; says how many there were."""
    with psycopg.connect(owner(database), autocommit=True) as connection:
        found = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return len(found.fetchall())
