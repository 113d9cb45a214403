"""The follower in this process: every listener gets every event once, and the follower stops when no stream is open."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.components import COMPONENTS
from api.contract.problems import Problem
from api.http.hot_path import MAX_REQUESTS
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.processes.shutdown import call_at_shutdown
from api.streaming.follower import MAX_LISTENERS, Follower
from api.streaming.listeners import PAGE, AccountListener, EventReader, Listener
from api.streaming.recent_events import EventMessage, RecentEvents
from ledger.commit.submission import Recorded
from ledger.domain.errors import AccountNotFound
from ledger.postgres.migrations import migrate
from ledger.service import Ledger
from ledger.store.feed import Feed
from ledger.store.log import EventLog
from ledger.store.reader import StoredRow
from tests.postgres import owner
from tests.store.asking import all_events, deduct, deduction, open_account, together
from tests.store.test_lost_database import Control


@pytest.fixture
async def follower(ledger: Ledger, database: str) -> AsyncIterator[Follower]:
    """A follower that keeps few recent events, so that listeners also read from the log."""
    follower = Follower(ledger.log, database, heartbeat=0.1, max_listeners=50, recent_events=20, linger=0.1)
    yield follower
    await follower.stop()


async def heard(listener: Listener, upto: int) -> list[EventMessage]:
    """The messages of a listener up to a position, without heartbeats."""
    found: list[EventMessage] = []
    async with asyncio.timeout(240):
        while not found or found[-1].position < upto:
            found += await listener.next_messages()
    return found


async def deduct_some(ledger: Ledger, account: str, keys: list[str]) -> None:
    """Make many deductions of 1 at the same time."""
    await together(*[ledger.committer.submit(deduction(account, 1, key)) for key in keys])


# The tail ---------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), max_size=12),
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(1, 8),
)
def test_the_tail_has_the_end_of_the_log_or_says_that_it_has_not(
    batches: list[list[str]], size: int, begin: int, limit: int
) -> None:
    tail = RecentEvents(begin, size)
    log: list[EventMessage] = []
    versions = dict.fromkeys("abc", 5)
    for batch in batches:
        told: list[EventMessage] = []
        for account in batch:
            versions[account] += 1
            told.append(EventMessage(begin + len(log) + len(told) + 1, account, versions[account], b""))
        log += told
        tail.append(told)
        assert tail.end == log[-1].position
        assert sum(map(len, tail._by_account.values())) == len(tail._messages)
        assert len(log) - 2 * size <= sum(one.position <= tail.floor for one in log) <= max(0, len(log) - size)
        for position in range(begin, tail.end + 2):
            later = [one for one in log if one.position > position]
            assert tail.after(position, limit) == (later[:limit] if position >= tail.floor else None)
        for account, newest in versions.items():
            for version in range(5, newest + 1):
                later = [one for one in log if one.account_id == account and one.version > version]
                if (found := tail.of(account, version, limit)) is not None:
                    assert found == later[:limit]
                else:
                    kept = [one for one in log if one.account_id == account and one.position > tail.floor]
                    assert not kept or later[0].position <= tail.floor


# Listening --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
async def test_whoever_listens_from_wherever_at_whatever_pace_hears_all_of_it_once(
    ledger: Ledger, follower: Follower, seed: int
) -> None:
    chance = random.Random(seed)
    for account in "abc":
        await open_account(ledger, account, permanent=10_000)
    await deduct_some(ledger, "a", [f"before-{n}" for n in range(PAGE + 50)])
    end = len(await all_events(ledger))
    listeners = [
        await follower.listen(
            chance.choice([None, None, *"abc"]), chance.choice([None, 0, chance.randint(0, end), end])
        )
        for _ in range(30)
    ]
    writing = asyncio.create_task(write(ledger, random.Random(seed)))
    hearing = [asyncio.create_task(hear_slowly(listener, writing, chance.random())) for listener in listeners]
    await writing
    events = await all_events(ledger)
    for listener, told in zip(listeners, await asyncio.gather(*hearing), strict=True):
        wanted = [event for event in events if event[0] > listener.begin and listener.account_id in {None, event[1]}]
        assert [one[:3] for one in told] == wanted


async def write(ledger: Ledger, chance: random.Random) -> dict[str | None, int]:
    """Write events. Returns the position of the last event of each account, and (None) of the last of all."""
    for turn in range(40):
        account = chance.choice("abc")
        await deduct_some(ledger, account, [f"{turn}-{n}" for n in range(chance.choice([1, 1, 5, 30]))])
        await asyncio.sleep(chance.choice([0, 0, 0.03]))
    last: dict[str | None, int] = {}
    for account in "abc":
        done = await deduct(ledger, account, 1, "the last one")
        assert isinstance(done, Recorded)
        last[account] = last[None] = done.position
    return last


async def hear_slowly(
    listener: Listener, writing: "asyncio.Task[dict[str | None, int]]", pause: float
) -> list[EventMessage]:
    """The messages of a listener up to the last event, and any after it."""
    found: list[EventMessage] = []
    while not (writing.done() and found and found[-1].position >= writing.result()[listener.account_id]):
        told = await listener.next_messages()
        found += told
        await asyncio.sleep(pause * 0.2 if told else 0)
    return found + await listener.next_messages()


async def test_an_event_is_put_into_words_once(ledger: Ledger, follower: Follower) -> None:
    await open_account(ledger, "a", permanent=10)
    listeners = [await follower.listen(account, None) for account in (None, "a", None)]
    await deduct(ledger, "a", 1, "k")
    [one], [two], [three] = [await heard(listener, 3) for listener in listeners]
    assert one.text is two.text is three.text


async def test_whoever_listens_to_one_account_is_not_stirred_by_others(ledger: Ledger, follower: Follower) -> None:
    await open_account(ledger, "a", permanent=10)
    await open_account(ledger, "b", permanent=10)
    everything, one = await follower.listen(None, None), await follower.listen("a", None)
    assert await one.next_messages() == []
    for n in range(3):
        await deduct(ledger, "b", 1, f"{n}")
        await heard(everything, 5 + n)
    assert not one._notified
    await deduct(ledger, "a", 1, "k")
    assert [told.position for told in await heard(one, 8)] == [8]


async def test_the_version_at_a_position(ledger: Ledger) -> None:
    feed = Feed(ledger.log)
    for account in "ab":
        await open_account(ledger, account, permanent=1_000)
    for n in range(20):
        await deduct_some(ledger, "ab"[n % 3 % 2], [f"{n}-{m}" for m in range(n % 4)])
    events = await all_events(ledger)
    for account in "ab":
        for position in range(len(events) + 2):
            before = [version for at, name, version in events if name == account and at <= position]
            assert await feed.version_at(account, position) == (before[-1] if before else 0)
    assert await feed.version_at("nobody", 5) is None


# Limits, and the end ----------------------------------------------------------------------------------------------


def test_half_of_what_a_worker_can_do_at_once_is_for_listeners() -> None:
    assert MAX_LISTENERS * 2 == MAX_REQUESTS


async def test_there_are_so_many_places_and_no_more(ledger: Ledger, follower: Follower) -> None:
    with pytest.raises(AccountNotFound):
        await follower.listen("nobody", None)
    with pytest.raises(Problem, match="after"):
        await follower.listen(None, 10**6)
    coming = await asyncio.gather(*[follower.listen(None, 0) for _ in range(60)], return_exceptions=True)
    listeners = [one for one in coming if isinstance(one, Listener)]
    refused = [one for one in coming if isinstance(one, Problem)]
    assert (len(listeners), len(refused)) == (50, 10)
    assert {(one.code, one.status, one.retry_after) for one in refused} == {("overloaded", 503, 5)}
    follower.remove(listeners[0])
    await follower.listen(None, 0)


async def test_it_rests_when_nobody_listens_and_begins_anew(ledger: Ledger, follower: Follower, database: str) -> None:
    await open_account(ledger, "a", permanent=10)
    for n in range(3):
        listener = await follower.listen(None, None)
        await deduct(ledger, "a", 1, f"{n}")
        assert [told.position for told in await heard(listener, 3 + n)] == [3 + n]
        async with asyncio.timeout(240):
            while await ears_at(database) != 1:  # noqa: ASYNC110  # what is waited for happens in another process
                await asyncio.sleep(0.05)
        follower.remove(listener)
        async with asyncio.timeout(240):
            while await ears_at(database):  # noqa: ASYNC110  # what is waited for happens in another process
                await asyncio.sleep(0.05)


async def ears_at(database: str) -> int:
    """The number of connections that wait for notifications."""
    async with await psycopg.AsyncConnection.connect(owner(database)) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_whoever_is_told_by_work_that_fails_is_sent_away_to_come_back(ledger: Ledger, follower: Follower) -> None:
    await open_account(ledger, "a", permanent=10)
    listener = await follower.listen(None, None)
    telling = asyncio.create_task(heard(listener, 3))
    listener.set_sender(telling)
    work, feed = follower._work, follower._feed
    assert work is not None
    follower._feed = None  # type: ignore[assignment]  # a bug, as it were
    await asyncio.wait([work, telling])
    assert isinstance(work.exception(), AttributeError)
    assert telling.cancelled()
    follower.remove(listener)
    follower._feed = feed
    again = await follower.listen(None, listener.begin)
    await deduct(ledger, "a", 1, "k")
    assert [told.position for told in await heard(again, 3)] == [3]


async def test_it_stops_whatever_it_is_doing(ledger: Ledger, database: str) -> None:
    await open_account(ledger, "a", permanent=1_000)
    for turn in range(50):
        follower = Follower(ledger.log, database)
        await follower.listen(None, 0)
        await asyncio.sleep(turn // 2 * 0.000_5)
        await asyncio.wait_for(follower.stop(), 60)
        assert follower._work is not None
        assert follower._work.done()


async def test_after_the_end_nobody_listens(ledger: Ledger, follower: Follower) -> None:
    there = await follower.listen(None, None)
    for _ in range(2):
        await follower._reads.acquire()
    coming = asyncio.create_task(follower.listen(None, None))
    await asyncio.sleep(0)
    await follower.stop()
    for _ in range(2):
        follower._reads.release()
    for listener in (there, await coming):
        telling = asyncio.create_task(listener.next_messages())
        listener.set_sender(telling)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(telling, 60)
    with pytest.raises(Problem, match="Connect again"):
        await follower.listen(None, None)


class Interrupted(Feed):
    """A feed that signals each read, and then waits until the test goes on."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(log)
        self.has_read, self.go_on = asyncio.Event(), asyncio.Event()

    async def stream(self, account_id: str, after: int, limit: int) -> list[StoredRow]:
        rows = await super().stream(account_id, after, limit)
        self.has_read.set()
        await self.go_on.wait()
        return rows


async def test_what_happens_while_a_listener_looks_is_not_missed(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=10)
    feed = Interrupted(ledger.log)
    listener = AccountListener(EventReader(RecentEvents(2, 10), feed, asyncio.Semaphore(1)), "a", 2, 2)
    hearing = asyncio.create_task(listener.next_messages())
    await feed.has_read.wait()
    await deduct(ledger, "a", 1, "k")
    listener.notify()
    feed.go_on.set()
    assert [told.position for told in await asyncio.wait_for(hearing, 60)] == [3]


async def test_signs_of_life_go_on_while_there_is_no_database(server_folder: Path) -> None:
    with embedded_postgres(server_folder) as conninfo:
        migrate(conninfo, COMPONENTS)
        control = Control(server_folder)
        async with Ledger(conninfo).running() as ledger:
            follower = Follower(ledger.log, conninfo, heartbeat=0.1, recent_events=20)
            await open_account(ledger, "a", permanent=1_000)
            listeners = [await follower.listen(None, None), await follower.listen("a", None)]
            for turn in range(2):
                await asyncio.to_thread(control.crash)
                for listener in listeners * 5:
                    assert await asyncio.wait_for(listener.next_messages(), 60) == []
                await asyncio.to_thread(control.start)
                await deduct_some(ledger, "a", [f"{turn}-{n}" for n in range(50)])
                expected = list(range(50 * turn + 3, 50 * turn + 53))
                for listener in listeners:
                    assert [told.position for told in await heard(listener, expected[-1])] == expected
            await follower.stop()


async def test_being_told_to_stop_is_passed_on() -> None:
    order: list[str] = []

    def before(_: int, __: FrameType | None) -> None:
        order.append("as before")

    was = signal.signal(signal.SIGTERM, before)
    told = asyncio.Event()
    try:
        with call_at_shutdown(told.set):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(told.wait(), 60)
            assert order == ["as before"]
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, was)
