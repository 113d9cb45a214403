"""A connection that breaks around COMMIT: what was asked is done once, and is never answered with a false no."""

import asyncio
import tempfile
from pathlib import Path

from ledger.entries import Recorded
from ledger.errors import InsufficientCredits
from ledger.service import Ledger
from tests.store.asking import balance, deduct, deduction, entry, open_account, sound
from tests.store.proxy import cutting_proxy

ROUNDS = 40
AT_ONCE = 25


async def test_no_duplicate_and_no_false_refusal(each_database: str) -> None:
    """The account has exactly what all rounds take: anything done twice would make a later one fail."""
    with tempfile.TemporaryDirectory() as folder:
        async with cutting_proxy(each_database, Path(folder), seed=7) as (proxy, conninfo):
            async with Ledger(conninfo).running() as ledger:
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
    with tempfile.TemporaryDirectory() as folder:
        async with cutting_proxy(each_database, Path(folder), seed=8) as (proxy, conninfo):
            async with Ledger(conninfo).running() as ledger:
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


def reversal(account: str, turn: int) -> "entry":  # type: ignore[valid-type]
    """Undo the deduction of a turn: after opening and signup grant each turn adds three events."""
    from ledger.commands import ReverseDeduction

    return entry(ReverseDeduction(account, f"ded_{3 + 3 * turn}"), "reverse", f"{turn}")
