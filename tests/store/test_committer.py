"""Group commit on a real PostgreSQL: many at once, the same key at once, refusals, atomic batches, back-pressure."""

import asyncio
import contextlib
from datetime import UTC, datetime

import psycopg
import pytest

from ledger.cancellation import end_tasks
from ledger.commit import admission
from ledger.commit.submission import ExpectedVersions, Overloaded, Recorded, Submission, Unavailable
from ledger.domain.commands import OpenAccount, ReverseDeduction, VoidGrant
from ledger.domain.errors import AccountNotFound, BatchRefused, InsufficientCredits, KeyReused, VersionMismatch
from ledger.domain.events import CreditsDeducted, CreditsExpired
from ledger.service import Ledger
from ledger.store.snapshots import PROVEN_EVERY
from tests.conftest import Clock
from tests.store.asking import all_events, balance, deduct, deduction, open_account, sound, submission


async def test_many_at_once_on_one_account_take_exactly_what_there_is(each_ledger: Ledger) -> None:
    await open_account(each_ledger, "a", subscription=300, permanent=200)
    outcomes = await asyncio.gather(*(deduct(each_ledger, "a", 7, f"{n}") for n in range(100)))
    done = [o for o in outcomes if isinstance(o, Recorded)]
    assert len(done) == 500 // 7
    assert all(isinstance(o, InsufficientCredits) for o in outcomes if o not in done)
    assert await balance(each_ledger, "a") == 500 % 7
    await sound(each_ledger)


async def test_ten_commands_on_a_hot_account_cost_one_commit(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=100)
    first = deduct(ledger, "a", 1, "0")
    others = [deduct(ledger, "a", 1, f"{n}") for n in range(1, 11)]
    outcomes = await asyncio.gather(first, *others)
    moments = {o.events[0].recorded_at for o in outcomes if isinstance(o, Recorded)}
    assert len(outcomes) == 11
    assert len(moments) == 1


async def test_the_same_key_at_once_executes_once(each_ledger: Ledger) -> None:
    await open_account(each_ledger, "a", permanent=100)
    outcomes = await asyncio.gather(*(deduct(each_ledger, "a", 5, "same") for _ in range(50)))
    assert sorted(o.replayed for o in outcomes if isinstance(o, Recorded)) == [False] + [True] * 49
    assert len({(o.version, o.position, o.events) for o in outcomes if isinstance(o, Recorded)}) == 1
    assert await balance(each_ledger, "a") == 95


async def test_another_body_under_a_key_that_is_in_flight(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=100)
    first, second = await asyncio.gather(deduct(ledger, "a", 5, "same"), deduct(ledger, "a", 6, "same"))
    assert isinstance(first, Recorded)
    assert isinstance(second, KeyReused)
    assert second.facts == {"idempotency_key": "same", "version": first.version, "fields": ["amount"]}


async def test_a_replay_between_others_does_not_disturb_them(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=100)
    before = await deduct(ledger, "a", 10, "old")
    keys = ["n1", "n2", "old", "n3", "n4"]
    outcomes = await asyncio.gather(*(deduct(ledger, "a", 10, key) for key in keys))
    assert all(isinstance(o, Recorded) for o in outcomes)
    assert [o.replayed for o in outcomes if isinstance(o, Recorded)] == [False, False, True, False, False]
    assert isinstance(before, Recorded)
    assert outcomes[2] == before._replace(replayed=True)
    assert await balance(ledger, "a") == 50
    await sound(ledger)


async def test_a_replay_is_found_even_when_the_command_would_now_be_refused(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=10)
    assert isinstance(await deduct(ledger, "a", 10, "all"), Recorded)
    again = await deduct(ledger, "a", 10, "all")
    assert isinstance(again, Recorded)
    assert again.replayed


async def test_a_refusal_does_not_use_up_its_key(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=10)
    events = await all_events(ledger)
    outcomes = await asyncio.gather(*(deduct(ledger, "a", 11, "k") for _ in range(3)))
    assert all(isinstance(o, InsufficientCredits) for o in outcomes)
    assert await all_events(ledger) == events
    await open_account(ledger, "b")
    assert isinstance(await deduct(ledger, "a", 10, "k"), Recorded)


async def test_unknown_accounts_and_stale_expectations(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=10)
    assert isinstance(await deduct(ledger, "nobody", 1, "k"), AccountNotFound)
    stale = deduction("a", 1, "k")
    stale.expected = ExpectedVersions((1,))
    refusal = await ledger.execute(stale)
    assert isinstance(refusal, VersionMismatch)
    assert refusal.facts == {"expected": 1, "actual": 2}


async def test_an_atomic_batch_is_all_or_nothing_across_accounts(each_ledger: Ledger) -> None:
    for account in "abc":
        await open_account(each_ledger, account, permanent=10)
    good = await each_ledger.execute_together([deduction(account, 6, "t1") for account in "abc"])
    assert [o.position for o in good if isinstance(o, Recorded)] == [7, 8, 9]
    bad = await each_ledger.execute_together(
        [deduction("a", 1, "t2"), deduction("b", 9, "t2"), deduction("c", 9, "t2")]
    )
    assert all(isinstance(o, BatchRefused) and o.index == 1 for o in bad)
    assert [await balance(each_ledger, account) for account in "abc"] == [4, 4, 4]


async def test_a_used_key_several_times_in_an_atomic_batch(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=10)
    before = await deduct(ledger, "a", 3, "old")
    assert isinstance(before, Recorded)
    again = await ledger.execute_together([deduction("a", 3, key) for key in ("old", "new", "old", "new")])
    assert again[0] == again[2] == before._replace(replayed=True)
    assert again[3] == (again[1]._replace(replayed=True) if isinstance(again[1], Recorded) else None)
    assert await balance(ledger, "a") == 4


async def test_a_refused_atomic_batch_that_repeats_a_key(ledger: Ledger) -> None:
    """What the repetition repeats is undone with the batch; the committer must not look for it afterwards."""
    await open_account(ledger, "a", permanent=10)
    outcomes = await ledger.execute_together(
        [deduction("a", 1, "k"), deduction("a", 1, "k"), deduction("a", 100, "too much")]
    )
    assert all(isinstance(o, BatchRefused) and o.index == 2 for o in outcomes)
    assert isinstance(await deduct(ledger, "a", 10, "k"), Recorded)
    assert await balance(ledger, "a") == 0


async def test_a_broken_committer_says_so_and_takes_nothing_in(database: str) -> None:
    """The clock fails where no error is expected: what waited behind a unit is decided by the committer's own task."""
    fails = False

    def clock() -> datetime:
        if fails:
            raise RuntimeError("no time")
        return datetime(2026, 1, 1, tzinfo=UTC)

    async with Ledger(database, clock=clock).running() as ledger:
        await open_account(ledger, "a", permanent=10)
        together = ledger.committer.submit_together([deduction("a", 1, "t")])
        ledger.committer.submit(deduction("a", 1, "w"))
        fails = True
        with pytest.raises(RuntimeError, match="no time"):
            await together
        await asyncio.wait_for(ledger.committer.broken.wait(), 60)
        fails = False
        with pytest.raises(Unavailable):
            ledger.committer.submit(deduction("a", 1, "later"))


async def test_atomic_batches_do_not_starve_single_commands(ledger: Ledger) -> None:
    """A batch that comes while a command waits for another batch is carried out after it."""
    await open_account(ledger, "a", permanent=100)
    first = asyncio.ensure_future(ledger.execute_together([deduction("a", 1, "first")]))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(deduct(ledger, "a", 1, "single"))
    await asyncio.sleep(0)
    last = asyncio.ensure_future(ledger.execute_together([deduction("a", 1, "last")]))
    (before,), between, (after,) = await asyncio.gather(first, waiting, last)
    versions = [o.version for o in (before, between, after) if isinstance(o, Recorded)]
    assert versions == [3, 4, 5]


async def test_atomic_batches_among_single_commands(ledger: Ledger) -> None:
    for account in "abcd":
        await open_account(ledger, account, permanent=200)
    singles = [deduct(ledger, account, 1, f"s{n}") for n in range(50) for account in "abcd"]
    batches = [
        ledger.execute_together([deduction(account, 1, f"b{n}") for account in pair])
        for n, pair in enumerate(["ab", "bc", "cd", "da"] * 10)
    ]
    await asyncio.gather(*singles, *batches)
    assert [await balance(ledger, account) for account in "abcd"] == [130] * 4
    await sound(ledger)


async def test_commands_about_the_past_among_others(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=100)
    spent = await deduct(ledger, "a", 40, "spent")
    assert isinstance(spent, Recorded)
    event = spent.events[0]
    assert isinstance(event, CreditsDeducted)
    undo = [submission(ReverseDeduction("a", event.deduction_id, 10), "reverse", f"r{n}") for n in range(5)]
    others = [deduct(ledger, "a", 1, f"o{n}") for n in range(20)]
    outcomes = await asyncio.gather(*(ledger.execute(e) for e in undo), *others)
    assert [isinstance(o, Recorded) for o in outcomes[:5]] == [True] * 4 + [False]
    assert await balance(ledger, "a") == 80
    void = await ledger.execute(submission(VoidGrant("a", "grt_2"), "void", "v"))
    assert isinstance(void, Recorded)
    assert await balance(ledger, "a") == 0


async def test_time_takes_its_part_first(ledger: Ledger, clock: Clock) -> None:
    await open_account(ledger, "a", permanent=10)
    from datetime import timedelta

    from ledger.domain.commands import GrantCredits

    grant = GrantCredits("a", "subscription", 100, lifetime=timedelta(days=30))
    assert isinstance(await ledger.execute(submission(grant, "grant", "g")), Recorded)
    clock.forward(days=30)
    assert await balance(ledger, "a") == 10
    done = await deduct(ledger, "a", 10, "k")
    assert isinstance(done, Recorded)
    assert [type(event) for event in done.events] == [CreditsExpired, CreditsDeducted]


async def test_a_full_queue_says_so_and_empties(database: str) -> None:
    async with Ledger(database, queue_limit=10).running() as ledger:
        await open_account(ledger, "a", permanent=100)
        taken = [ledger.committer.submit(deduction("a", 1, f"{n}")) for n in range(10)]
        with pytest.raises(Overloaded):
            ledger.committer.submit(deduction("a", 1, "one more"))
        with pytest.raises(Overloaded):
            await ledger.execute_together([deduction("a", 1, f"more{n}") for n in range(3)])
        await asyncio.gather(*taken)
        assert isinstance(await deduct(ledger, "a", 1, "one more"), Recorded)


async def test_a_caller_who_leaves_does_not_cancel_what_is_queued(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=100)
    waiting = asyncio.create_task(deduct(ledger, "a", 30, "left"))
    await asyncio.sleep(0)
    waiting.cancel()
    assert isinstance(await deduct(ledger, "a", 1, "after"), Recorded)
    assert await balance(ledger, "a") == 69


async def test_stopping_finishes_what_is_in_flight_and_takes_no_more(database: str) -> None:
    ledger = Ledger(database)
    async with ledger.running():
        await open_account(ledger, "a", permanent=100)
        taken = [ledger.committer.submit(deduction("a", 1, f"{n}")) for n in range(20)]
    assert all(isinstance(outcome.result(), Recorded) for outcome in taken)
    with pytest.raises(Unavailable):
        ledger.committer.submit(deduction("a", 1, "late"))


@pytest.mark.parametrize("together", [False, True])
async def test_stopping_tells_those_whose_commit_is_stuck(
    database: str, monkeypatch: pytest.MonkeyPatch, *, together: bool
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 0.2)
    ledger = Ledger(database)
    async with await psycopg.AsyncConnection.connect(database) as other:
        async with ledger.running():
            await open_account(ledger, "a", permanent=100)
            await other.execute("SELECT ledger.lock_appends()")
            asked = [deduction("a", 1, f"{n}") for n in range(3)]
            taken = [ledger.committer.submit_together(asked)] if together else list(map(ledger.committer.submit, asked))
            await asyncio.sleep(0)
        assert all(outcome.done() and isinstance(outcome.exception(), Unavailable) for outcome in taken)
    assert ledger.committer.admission.waiting == 0


async def test_opening_twice_at_once(ledger: Ledger) -> None:
    opening: list[Submission] = [submission(OpenAccount("a", 5), "open", f"k{n}", (5,)) for n in range(10)]
    outcomes = await asyncio.gather(*(ledger.execute(e) for e in opening))
    assert [o.replayed for o in outcomes if isinstance(o, Recorded)].count(False) == 1
    assert await balance(ledger, "a") == 5


async def test_memory_is_bounded_and_forgetting_changes_nothing(database: str) -> None:
    async with Ledger(database, cached_accounts=3).running() as ledger:
        for n in range(20):
            await open_account(ledger, f"a{n}", permanent=10)
        for turn in range(3):
            await asyncio.gather(*(deduct(ledger, f"a{n}", 2, f"{turn}") for n in range(20)))
            assert len(ledger.cache) <= 3
        assert {await balance(ledger, f"a{n}") for n in range(20)} == {4}


async def test_snapshots_may_be_deleted_at_any_moment(database: str) -> None:
    async with Ledger(database).running() as ledger:
        await open_account(ledger, "a", permanent=10_000)
        await asyncio.gather(*(deduct(ledger, "a", 1, f"{n}") for n in range(3 * PROVEN_EVERY + 7)))
        before = await ledger.account_at("a")
    assert before is not None
    for sql in ("SELECT count(*) FROM ledger.snapshots", "DELETE FROM ledger.snapshots RETURNING 0"):
        async with Ledger(database).running() as ledger:
            ledger.clock = lambda: before.as_of
            after = await ledger.account_at("a")
            assert after is not None
            assert after.account == before.account
            async with ledger.log.connection() as connection:
                row = await (await connection.execute(sql.encode())).fetchone()
            assert row is not None
            assert row[0] >= 0
    async with Ledger(database).running() as ledger:
        assert isinstance(await deduct(ledger, "a", 1, "and on"), Recorded)
        assert await balance(ledger, "a") == before.account.balance.total - 1


async def test_a_cancellation_that_is_lost_is_repeated() -> None:
    """In Python 3.11 the connection pool can lose one, and a stop would wait for ever."""

    async def loses_one() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)
        await asyncio.sleep(3_600)

    task = asyncio.create_task(loses_one())
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await end_tasks([task])
    assert task.cancelled()
