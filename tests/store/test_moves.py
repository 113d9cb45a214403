"""Moves between accounts in the log: through lost connections and several processes, once or not at all."""

import asyncio
import itertools

from ledger.commit.submission import Recorded, Submission
from ledger.domain.commands import MergeAccount, ReverseTransfer, SendCredits
from ledger.domain.errors import AccountClosed, InsufficientCredits, Refusal, TransferAlreadyReversed, TransferSpent
from ledger.domain.events import CreditsReceived, CreditsSent
from ledger.moves import Moved, move
from ledger.service import Ledger
from tests.store.asking import balance, deduct, open_account, sound, submission
from tests.store.test_lost_commit import through_proxy

ROUNDS = 6
TURNS = 4


def transfer(sender: str, receiver: str, amount: int | None, key: str) -> Submission:
    command = SendCredits(sender, receiver, amount, "for the team")
    return submission(command, "transfer", key, (receiver, amount, "for the team"))


def reversal(account: str, transfer_id: str, key: str) -> Submission:
    return submission(ReverseTransfer(account, transfer_id), "transfer_reversal", key, (transfer_id,))


async def moved(ledger: Ledger, asked: Submission) -> Moved:
    found = await move(ledger, asked)
    assert isinstance(found, Moved), found
    return found


async def test_a_lost_commit_moves_credits_once(each_database: str) -> None:
    """The account has exactly what all rounds send: anything done twice would make a later one fail."""
    async with through_proxy(each_database, seed=17) as (proxy, ledger):
        await open_account(ledger, "a", permanent=ROUNDS)
        await open_account(ledger, "b")
        for turn in range(ROUNDS):
            proxy.armed = True
            found = await moved(ledger, transfer("a", "b", 1, f"{turn}"))
            assert not found.first.replayed
            assert not found.second.replayed
        assert proxy.cuts >= ROUNDS - 1
        assert (await balance(ledger, "a"), await balance(ledger, "b")) == (0, ROUNDS)
        assert isinstance(await move(ledger, transfer("a", "b", 1, "more")), InsufficientCredits)
        await sound(ledger)


async def test_a_repeated_key_gives_both_halves_again(database: str) -> None:
    """Also from another process, and when the accounts have moved on; and two at the same time are one."""
    async with Ledger(database).running() as one, Ledger(database).running() as two:
        await open_account(one, "a", permanent=50, subscription=5)
        await open_account(one, "b", permanent=1)
        both = await asyncio.gather(*(moved(ledger, transfer("a", "b", 20, "k")) for ledger in (one, two)))
        assert sorted(found.first.replayed for found in both) == [False, True]
        await moved(one, transfer("b", "a", None, "back"))
        again = await moved(two, transfer("a", "b", 20, "k"))
        assert again.first.replayed
        assert again.second.replayed
        for found in both:
            assert found.first._replace(replayed=True) == again.first
            assert found.second._replace(replayed=True) == again.second
        assert [type(event) for event in again.second.events] == [CreditsReceived, CreditsReceived]
        assert (await balance(one, "a"), await balance(two, "b")) == (56, 0)
        await sound(one)


async def test_crossing_transfers_of_several_processes_all_come_through(database: str) -> None:
    """Each locks the same accounts in the opposite order; the sum stays what it was."""
    async with Ledger(database).running() as one, Ledger(database).running() as two:
        for account in "ab":
            await open_account(one, account, permanent=TURNS)
        numbers = itertools.count()

        async def work(ledger: Ledger, sender: str, receiver: str) -> None:
            for _ in range(TURNS):
                key = f"{next(numbers)}"
                done, _ = await asyncio.gather(
                    move(ledger, transfer(sender, receiver, 1, key)), deduct(ledger, sender, 0 + 1, f"d{key}")
                )
                assert isinstance(done, Moved | InsufficientCredits)

        await asyncio.gather(work(one, "a", "b"), work(two, "b", "a"), work(one, "b", "a"))
        rows = await one.events(0, 10_000, ["CreditsDeducted"])
        assert await balance(one, "a") + await balance(two, "b") == 2 * TURNS - len(rows)
        await sound(two)


async def test_a_transfer_sees_what_the_same_commit_has_granted(database: str) -> None:
    """Its lots come from grants that are not in the log yet when both are decided."""
    async with Ledger(database).running() as ledger:
        await open_account(ledger, "a", permanent=3)
        await open_account(ledger, "b")
        first, second = await asyncio.gather(
            moved(ledger, transfer("a", "b", 2, "1")), moved(ledger, transfer("b", "a", 2, "2"))
        )
        assert isinstance(second.first, Recorded)
        [back] = [event for event in second.second.events if isinstance(event, CreditsReceived)]
        assert (back.origin_account_id, back.origin_grant_id, back.source) == ("a", "grt_2", "signup")
        sent = next(event for event in first.first.events if isinstance(event, CreditsSent))
        assert isinstance(await move(ledger, reversal("a", sent.transfer_id, "r")), TransferSpent)
        assert await balance(ledger, "a") == 3


async def test_a_reversal_is_done_once_whoever_asks(database: str) -> None:
    async with Ledger(database).running() as one, Ledger(database).running() as two:
        await open_account(one, "a", permanent=9)
        await open_account(one, "b")
        await moved(one, transfer("a", "b", 4, "t"))
        both = await asyncio.gather(
            *(move(ledger, reversal("a", "trf_3", key)) for ledger, key in ((one, "r1"), (two, "r2")))
        )
        assert sorted(type(found).__name__ for found in both) == ["Moved", "TransferAlreadyReversed"]
        assert any(isinstance(found, TransferAlreadyReversed) for found in both)
        assert (await balance(one, "a"), await balance(two, "b")) == (9, 0)


async def test_of_two_merges_at_once_one_is_refused(database: str) -> None:
    """Each into the other: the second finds its receiver closed, and leaves its own account as it was."""
    async with Ledger(database).running() as one, Ledger(database).running() as two:
        for account in "ab":
            await open_account(one, account, permanent=5)
        asked = [submission(MergeAccount(*pair), "merge", "m", (pair[1], None)) for pair in ("ab", "ba")]
        found = await asyncio.gather(move(one, asked[0]), move(two, asked[1]))
        [refused] = [outcome for outcome in found if isinstance(outcome, Refusal)]
        assert isinstance(refused, AccountClosed)
        totals = sorted([await balance(one, "a"), await balance(one, "b")])
        assert totals == [0, 10]
        await sound(two)
