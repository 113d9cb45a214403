"""A cold start: whoever asks is answered while others are still read, or is told that there is too much to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from ledger.commit import account_loader
from ledger.commit.submission import Overloaded, Recorded
from ledger.service import Ledger
from ledger.store import reader
from tests.postgres import owner
from tests.store.asking import all_events, balance, deduct, deduction, open_account, sound

EVENTS = 70


async def history(conninfo: str, *accounts: str, events: int = EVENTS) -> None:
    """Accounts with a past and 1,000 credits, of which no snapshot is kept."""
    async with Ledger(conninfo).running() as ledger:
        for account in accounts:
            await open_account(ledger, account, permanent=1_000 + events)
        for n in range(events):
            await asyncio.gather(*(deduct(ledger, account, 1, f"past-{n}") for account in accounts))
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        await connection.execute("DELETE FROM ledger.snapshots")


@asynccontextmanager
async def nothing_can_be_loaded(conninfo: str) -> AsyncIterator[None]:
    """Commits go on: they do not need the table of the snapshots."""
    async with await psycopg.AsyncConnection.connect(owner(conninfo)) as connection:
        await connection.execute("LOCK TABLE ledger.snapshots IN ACCESS EXCLUSIVE MODE")
        yield
        await connection.rollback()


async def finishing_order(ledger: Ledger, *accounts: str) -> list[str]:
    """In which order deductions from some accounts are answered that arrive together."""
    order: list[str] = []

    async def one(account: str) -> None:
        assert isinstance(await deduct(ledger, account, 1, "now"), Recorded)
        order.append(account)

    await asyncio.gather(*map(one, accounts))
    return order


async def test_the_first_are_answered_before_the_last_are_read(database: str) -> None:
    accounts = [f"a{n}" for n in range(4 * account_loader.AT_ONCE)]
    await history(database, *accounts)
    async with Ledger(database).running() as ledger:
        asked = [asyncio.create_task(deduct(ledger, account, 1, "now")) for account in accounts]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert ledger.cached_accounts < len(accounts) // 2
        assert all(isinstance(outcome, Recorded) for outcome in await asyncio.gather(*asked))
        assert {await balance(ledger, account) for account in accounts} == {999}
        await sound(ledger)


async def test_an_account_with_a_long_past_lets_others_go_first(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await history(database, "old", events=10 * EVENTS)
    await history(database, "young", events=5)
    monkeypatch.setattr(reader, "PAGE", 10)
    monkeypatch.setattr(account_loader, "AT_ONCE", 1)
    async with Ledger(database).running() as ledger:
        assert await finishing_order(ledger, "old", "young") == ["young", "old"]
        assert await balance(ledger, "old") == 999


async def test_whoever_waits_for_too_long_is_told_so(database: str) -> None:
    """And nobody else: accounts that are in memory go on."""
    await history(database, "a", "b", "c", events=3)
    async with Ledger(database, patience=0.2).running() as ledger:
        await deduct(ledger, "a", 1, "known")
        before = await all_events(ledger)
        async with nothing_can_be_loaded(database):
            async with asyncio.timeout(60):
                asked = [deduct(ledger, account, 1, f"{n}") for account in "bc" for n in range(3)]
                outcomes = await asyncio.gather(*asked, return_exceptions=True)
                assert [type(outcome) for outcome in outcomes] == [Overloaded] * 6
                with pytest.raises(Overloaded):  # it is still under way
                    await deduct(ledger, "b", 1, "again")
                assert isinstance(await deduct(ledger, "a", 1, "meanwhile"), Recorded)
            assert ledger.waiting == 0
        assert len(await all_events(ledger)) == len(before) + 1
        for n in range(3):  # under the same keys: being turned away uses up none
            assert isinstance(await deduct(ledger, "b", 1, f"{n}"), Recorded)
        assert await balance(ledger, "b") == 997
        await sound(ledger)


async def test_so_is_whoever_asks_for_many_together_or_looks_ahead(database: str) -> None:
    await history(database, "a", "b", events=3)
    async with Ledger(database, patience=0.2).running() as ledger:
        await deduct(ledger, "a", 1, "known")
        together = [deduction("a", 1, "k"), deduction("b", 1, "k")]
        async with nothing_can_be_loaded(database):
            async with asyncio.timeout(60):
                with pytest.raises(Overloaded):
                    await ledger.execute_together(together)
                with pytest.raises(Overloaded):
                    await ledger.dry_run(together, atomic=True)
                assert isinstance(await deduct(ledger, "a", 1, "meanwhile"), Recorded)
        outcomes = await ledger.execute_together([deduction("a", 1, "k"), deduction("b", 1, "k")])
        assert all(isinstance(outcome, Recorded) and not outcome.replayed for outcome in outcomes)
        await sound(ledger)


async def test_without_patience_everybody_waits(database: str) -> None:
    """As an import does: it has its own ways with what is refused."""
    await history(database, "a", events=3)
    async with Ledger(database).running() as ledger:
        async with nothing_can_be_loaded(database):
            asked = asyncio.create_task(deduct(ledger, "a", 1, "k"))
            done, _ = await asyncio.wait([asked], timeout=0.5)
            assert not done
        assert isinstance(await asked, Recorded)


async def test_a_load_that_was_under_way_at_a_refusal_is_finished(database: str) -> None:
    await history(database, "a", events=3)
    async with Ledger(database, patience=0.2).running() as ledger:
        async with nothing_can_be_loaded(database):
            async with asyncio.timeout(60):
                with pytest.raises(Overloaded):
                    await deduct(ledger, "a", 1, "k")
            assert ledger.cached_accounts == 0
        async with asyncio.timeout(60):
            while not ledger.cached_accounts:  # noqa: ASYNC110  # a count, not an event
                await asyncio.sleep(0.01)
