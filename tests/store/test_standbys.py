"""Synchronous standbys: what was answered is on the standby, also when the wait for it was cut short."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.runtime.embedded.server import packaged_programs
from ledger.commit import writer_connection
from ledger.commit.submission import Recorded
from ledger.service import Ledger
from ledger.store.feed import Feed
from tests.postgres import machine_programs
from tests.proof.logs import checkpoint_keys_of, checkpointer
from tests.store.asking import balance, deduct, open_account, sound
from tests.survival.standby import Pair, replicated

_WAITING = "SELECT pid, query FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def pair(server_folder: Path) -> Iterator[Pair]:
    with replicated(server_folder) as found:
        yield found


@pytest.fixture(params=["embedded", "machine"])
def each_pair(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[Pair]:
    programs = packaged_programs() if request.param == "embedded" else machine_programs()
    if programs is None:
        pytest.skip("no PostgreSQL of the machine: tested on the embedded one alone")
    with replicated(server_folder, programs) as found:
        yield found


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer than callers are kept."""
    monkeypatch.setattr(writer_connection, "GRACE", 60.0)


async def waiting(pair: Pair, word: str) -> int:
    """Wait until a commit waits for the standby, of a statement that has a word in it; returns its server process."""
    async with asyncio.timeout(240):
        while True:
            for pid, query in await asyncio.to_thread(pair.primary.ask, _WAITING):
                if word in query:
                    return int(pid)
            await asyncio.sleep(0.01)


async def test_a_cancelled_wait_is_waited_for_again(each_pair: Pair) -> None:
    """PostgreSQL reports success; a standby that takes over then has nothing of it, and it is carried out there."""
    pair = each_pair
    async with Ledger(pair.conninfo).running() as ledger:
        await open_account(ledger, "a", permanent=1_000)
        await asyncio.to_thread(pair.cut_off)
        asked = asyncio.create_task(deduct(ledger, "a", 10, "task"))
        pid = await waiting(pair, "ledger.append")
        pair.primary.ask("SELECT pg_cancel_backend(%s)", pid)
        pid = await waiting(pair, "pg_logical_emit_message")
        pair.primary.ask("SELECT pg_cancel_backend(%s)", pid)
        await asyncio.sleep(0.05)  # as long as a wrong answer would need
        await waiting(pair, "pg_logical_emit_message")
        assert not asked.done()
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.to_thread(pair.fail_over)
        await asyncio.to_thread(pair.attach)
        outcome = await asked
        assert isinstance(outcome, Recorded)
        assert not outcome.replayed
        assert await balance(ledger, "a") == 990
        await sound(ledger)


async def test_what_a_restarted_primary_has_alone_is_told_to_nobody(pair: Pair, tmp_path: Path) -> None:
    """The commit is there after the restart, and its receipt. Whoever asks for it waits for the standby: the same key,
    its receipt, the feeds, a checkpoint."""
    async with Ledger(pair.conninfo).running() as ledger, Ledger(pair.conninfo).running() as other:
        await open_account(ledger, "a", permanent=1_000)
        await asyncio.to_thread(pair.cut_off)
        asked = [asyncio.create_task(deduct(ledger, "a", 10, "task"))]
        await waiting(pair, "ledger.append")
        await asyncio.to_thread(pair.primary.stop)
        await asyncio.to_thread(pair.primary.start)
        await waiting(pair, "COMMIT")
        asked.append(asyncio.create_task(deduct(other, "a", 10, "task")))
        checkpoint_keys = await asyncio.to_thread(checkpoint_keys_of, pair.conninfo, tmp_path)
        looks: list[Coroutine[Any, Any, Any]] = [
            ledger.executed("a", "deduct", "task"),
            ledger.events(0, 10, None),
            ledger.stream("a", 0, 10),
            Feed(other.log).rows(0, 10, 10),
            checkpointer(other.log, checkpoint_keys).sign(),
        ]
        looked = [asyncio.create_task(look) for look in looks]
        await waiting(pair, "pg_logical_emit_message")
        await asyncio.sleep(0.2)  # as long as a wrong answer would need
        assert not any(task.done() for task in [*asked, *looked])
        await asyncio.to_thread(pair.standby.start)
        await asyncio.to_thread(pair.until_in_step)
        first, second = await asyncio.gather(*asked)
        assert isinstance(first, Recorded)
        assert isinstance(second, Recorded)
        assert (first.replayed, second.replayed) == (False, True)
        assert all(await asyncio.gather(*looked))
        assert await balance(ledger, "a") == 990
        await sound(ledger)


async def test_a_history_that_a_failover_has_taken_back_is_forgotten(pair: Pair) -> None:
    """Without synchronous replication what was acknowledged can be lost, but nothing is decided on it."""
    async with Ledger(pair.conninfo).running() as ledger, Ledger(pair.conninfo).running() as other:
        await open_account(ledger, "a", permanent=1_000)
        await open_account(ledger, "b", permanent=1_000)
        pair.cut_off()
        pair.primary.ask("ALTER SYSTEM RESET synchronous_standby_names")
        pair.primary.ask("SELECT pg_reload_conf()")
        for account in "ab":
            assert isinstance(await deduct(ledger, account, 900, "lost"), Recorded)
        pair.primary.kill()
        pair.fail_over()
        pair.primary.ask("ALTER SYSTEM RESET synchronous_standby_names")
        pair.primary.ask("SELECT pg_reload_conf()")
        assert isinstance(await deduct(other, "a", 1, "instead"), Recorded)
        assert await balance(ledger, "a") == 999
        assert await balance(ledger, "b") == 1_000
        for account, left in (("a", 499), ("b", 500)):
            assert isinstance(await deduct(ledger, account, 500, "after"), Recorded)
            assert await balance(ledger, account) == left
        await sound(ledger)
