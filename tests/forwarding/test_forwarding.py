"""Commands that a worker forwards are answered as if it had carried them out itself."""

import asyncio
from collections.abc import Callable

from ledger.commit.submission import ExpectedVersions, Recorded, Submission
from ledger.domain.commands import RecordExpiries
from ledger.domain.errors import BatchRefused, InsufficientCredits, KeyReused, VersionMismatch
from ledger.service import Ledger
from ledger.store import Metadata
from tests.store.asking import balance, deduct, deduction, open_account, sound

Member = Callable[[], Ledger]


async def test_the_first_member_owns_the_log_and_the_others_forward(member: Member) -> None:
    async with member().running() as owner, member().running() as other, member().running() as third:
        assert [ledger.owns for ledger in (owner, other, third)] == [True, False, False]
        await open_account(other, "a", permanent=100)
        outcomes = await asyncio.gather(*(deduct(one, "a", 5, f"{n}") for n, one in enumerate((owner, other, third))))
        assert all(isinstance(one, Recorded) for one in outcomes)
        assert await balance(third, "a") == 85
        assert (owner.newly_forwarded(), other.newly_forwarded(), third.newly_forwarded()) == (0, 2, 1)
        assert [ledger.waiting for ledger in (owner, other, third)] == [0, 0, 0]
        assert all(ledger.available for ledger in (owner, other, third))
        await sound(owner)


async def test_every_kind_of_outcome_comes_back(member: Member) -> None:
    async with member().running() as owner, member().running() as other:
        await open_account(other, "a", permanent=100)
        first = await deduct(other, "a", 60, "one")
        assert isinstance(first, Recorded)
        again = await deduct(other, "a", 60, "one")
        assert again == first._replace(replayed=True)
        assert again == await deduct(owner, "a", 60, "one")
        here, there = [await deduct(one, "a", 60, "two") for one in (owner, other)]
        assert isinstance(here, InsufficientCredits)
        assert isinstance(there, InsufficientCredits)
        assert (there.message, there.facts) == (here.message, here.facts)
        reused = await deduct(other, "a", 61, "one")
        assert isinstance(reused, KeyReused)
        late = deduction("a", 1, "three")
        late.expected = ExpectedVersions((7,))
        assert isinstance(await other.execute(late), VersionMismatch)
        assert await other.execute(_expiries("a")) == await owner.execute(_expiries("a"))


async def test_a_dry_run_reads_the_log_itself(member: Member) -> None:
    async with member().running() as owner, member().running() as other:
        await open_account(owner, "a", permanent=100)
        (dry,) = await other.dry_run([deduction("a", 5, "one")], atomic=False)
        done = await deduct(owner, "a", 5, "one")
        assert isinstance(dry, Recorded)
        assert isinstance(done, Recorded)
        assert (dry.version, dry.events) == (done.version, done.events)
        assert other.newly_forwarded() == 0


async def test_atomic_batches_are_forwarded_as_a_whole(member: Member) -> None:
    async with member().running(), member().running() as other:
        await open_account(other, "a", permanent=100)
        await open_account(other, "b", permanent=10)
        done = await other.execute_together([deduction("a", 10, "1"), deduction("b", 10, "1")])
        assert [type(one) for one in done] == [Recorded, Recorded]
        refused = await other.execute_together([deduction("a", 10, "2"), deduction("b", 10, "2")])
        assert [type(one) for one in refused] == [BatchRefused, BatchRefused]
        assert isinstance(refused[0], BatchRefused)
        assert isinstance(refused[0].cause, InsufficientCredits)
        assert await balance(other, "a") == 90
        assert [one.waiting for one in (other,)] == [0]


def _expiries(account: str) -> Submission:
    return Submission(RecordExpiries(account), Metadata("sweeper", "expire", None, "sweep"))
