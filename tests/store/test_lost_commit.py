"""A connection that breaks around COMMIT: what was asked is done once, and is never answered with a false no."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from ledger.commit.submission import Recorded, Submission
from ledger.domain.commands import ReverseDeduction
from ledger.domain.errors import InsufficientCredits
from ledger.postgres.roles import SERVICE
from ledger.service import Ledger
from ledger.store.log import EventLog
from tests.store.asking import balance, deduct, deduction, open_account, sound, submission
from tests.store.proxy import CuttingProxy, cutting_proxy

ROUNDS = 40
AT_ONCE = 25


@asynccontextmanager
async def through_proxy(conninfo: str, seed: int) -> AsyncIterator[tuple[CuttingProxy, Ledger]]:
    """A ledger whose connections go through a proxy that cuts."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            cutting_proxy(conninfo, Path(folder), seed) as (proxy, through),
            Ledger(through).running() as ledger,
        ):
            yield proxy, ledger


async def test_no_duplicate_and_no_false_refusal(each_database: str) -> None:
    """The account has exactly what all rounds take: anything done twice would make a later one fail."""
    async with through_proxy(each_database, seed=7) as (proxy, ledger):
        await open_account(ledger, "a", permanent=ROUNDS * AT_ONCE)
        for turn in range(ROUNDS):
            proxy.armed = True
            outcomes = await asyncio.gather(*(deduct(ledger, "a", 1, f"{turn}-{n}") for n in range(AT_ONCE)))
            assert all(isinstance(o, Recorded) and not o.replayed for o in outcomes), outcomes
        assert proxy.cuts >= ROUNDS - 1
        assert await balance(ledger, "a") == 0
        assert isinstance(await deduct(ledger, "a", 1, "more"), InsufficientCredits)
        await sound(ledger)


async def test_atomic_batches_and_reversals_too(each_database: str) -> None:
    """The slow lane has its own COMMIT to lose."""
    async with through_proxy(each_database, seed=8) as (proxy, ledger):
        for account in "ab":
            await open_account(ledger, account, permanent=ROUNDS)
        for turn in range(ROUNDS):
            proxy.armed = True
            batch = [deduction(account, 1, f"{turn}") for account in "ab"]
            assert all(isinstance(o, Recorded) for o in await ledger.execute_together(batch))
            proxy.armed = True
            assert isinstance(await ledger.execute(reversal("a", turn)), Recorded)
            assert isinstance(await deduct(ledger, "a", 1, f"again-{turn}"), Recorded)
        assert proxy.cuts >= ROUNDS
        assert [await balance(ledger, account) for account in "ab"] == [0, 0]
        await sound(ledger)


def reversal(account: str, turn: int) -> Submission:
    """Undo the deduction of a turn: after the opening and its grant each turn adds three events."""
    return submission(ReverseDeduction(account, f"ded_{3 + 3 * turn}"), "reverse", f"{turn}")


async def test_the_server_process_of_a_lost_writer_is_ended(each_database: str) -> None:
    """Whatever it is at. The writer is in the role of the service, which may not do that; the login behind it may."""
    log = EventLog(each_database)
    lost, before = await log.connect_writer(None)
    busy = asyncio.create_task(lost._connection.execute("SELECT pg_sleep(600)"))
    async with asyncio.timeout(240):
        writer, now = await log.connect_writer(before)
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            await busy
    assert now.pid != before.pid
    row = await (await writer._connection.execute("SELECT current_user::text")).fetchone()
    assert row == (SERVICE,)
    await writer.close()
