"""Many commands of one account at once, and the same again: what is repeated is not decided again."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from ledger.commit.submission import ExpectedVersions, Outcome, Recorded, Submission
from ledger.domain.commands import DeductCredits, GrantCredits, VoidGrant
from ledger.domain.errors import InsufficientCredits, KeyReused, VersionMismatch
from ledger.service import Ledger
from ledger.store.records.codec import decode
from tests.conftest import Clock
from tests.store.asking import balance, deduction, open_account, sound, submission


class CountedClock(Clock):
    """Every decision asks it once for the time."""

    decisions = 0

    def __call__(self) -> datetime:
        self.decisions += 1
        return super().__call__()


async def submitted(ledger: Ledger, submissions: Sequence[Submission]) -> list[Outcome]:
    return await asyncio.gather(*map(ledger.submit, submissions))


def replays(outcomes: Sequence[Outcome]) -> list[bool]:
    return [outcome.replayed for outcome in outcomes if isinstance(outcome, Recorded)]


async def test_what_is_repeated_is_decided_once_at_most(database: str) -> None:
    clock = CountedClock()
    async with Ledger(database, clock=clock).running() as ledger:
        await open_account(ledger, "a", permanent=10_000)
        assert replays(await submitted(ledger, [deduction("a", 1, f"{n}") for n in range(5_000)])) == [False] * 5_000
        clock.decisions = 0
        outcomes = await submitted(ledger, [deduction("a", 1, f"{n}") for n in range(5_000)])
        assert replays(outcomes) == [True] * 5_000
        assert clock.decisions <= 5_000
        assert await balance(ledger, "a") == 5_000


async def test_new_ones_between_repeated_ones_are_decided(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=10_000)
    await submitted(ledger, [deduction("a", 1, f"{n}") for n in range(0, 3_000, 2)])
    again = [deduction("a", 1 + (n == 100), f"{n}") for n in range(3_000)]
    outcomes = await submitted(ledger, again)
    assert isinstance(outcomes[100], KeyReused)
    assert replays(outcomes[:100]) == [n % 2 == 0 for n in range(100)]
    assert replays(outcomes[101:]) == [n % 2 == 0 for n in range(101, 3_000)]
    assert await balance(ledger, "a") == 7_000
    await sound(ledger)


async def test_a_large_batch_that_comes_again_is_not_decided_at_all(database: str) -> None:
    clock = CountedClock()
    async with Ledger(database, clock=clock).running() as ledger:
        await open_account(ledger, "a", permanent=10_000)
        batch = [deduction("a", 1, f"{n}") for n in range(1_500)]
        assert await ledger.replays_of_repeated(batch) == {}
        first = await submitted(ledger, batch)
        clock.decisions = 0
        again = [deduction("a", 1, f"{n}") for n in range(1_500)]
        found = await ledger.replays_of_repeated(again)
        assert [found[one] for one in again] == [_replayed(outcome) for outcome in first]
        assert clock.decisions == 0


def _replayed(outcome: Outcome) -> Outcome:
    assert isinstance(outcome, Recorded)
    return outcome._replace(replayed=True)


async def test_commands_about_the_past_of_one_account_share_a_commit(ledger: Ledger) -> None:
    await open_account(ledger, "a")
    await submitted(ledger, [submission(GrantCredits("a", "permanent", 1), "grant", f"g{n}") for n in range(600)])
    outcomes = await submitted(
        ledger, [submission(VoidGrant("a", f"grt_{n + 2}"), "void", f"v{n}") for n in range(600)]
    )
    assert replays(outcomes) == [False] * 600
    rows = await ledger.stream("a", 601, 600)
    assert [decode(row.topic, row.state)[0].grant_id for row in rows] == [f"grt_{n + 2}" for n in range(600)]  # type: ignore[union-attr]
    assert len(await _transactions(ledger)) <= 10


async def _transactions(ledger: Ledger) -> set[str]:
    """Those that wrote the voids."""
    async with ledger.log.connection() as connection:
        rows = await connection.execute("SELECT DISTINCT xmin::text FROM ledger.events WHERE topic = 'GrantVoided'")
        return {row[0] for row in await rows.fetchall()}


async def test_thousands_of_expiries_are_recorded_before_the_command_that_meets_them(
    ledger: Ledger, clock: Clock
) -> None:
    await open_account(ledger, "a", permanent=5)
    end = clock() + timedelta(days=1)
    grants = [GrantCredits("a", "subscription", 1, expires_at=end + timedelta(seconds=n % 7)) for n in range(1_000)]
    await submitted(ledger, [submission(grant, "grant", f"g{n}") for n, grant in enumerate(grants)])
    clock.forward(days=2)
    found = await ledger.account_at("a")
    assert found is not None
    assert (found.account.balance.total, found.account.version) == (5, 2_002)
    outcomes = await submitted(ledger, [deduction("a", amount, f"{amount}") for amount in (6, 2, 3)])
    assert isinstance(outcomes[0], InsufficientCredits)
    assert [outcome.version for outcome in outcomes[1:] if isinstance(outcome, Recorded)] == [2_003, 2_004]
    assert [len(outcome.events) for outcome in outcomes[1:] if isinstance(outcome, Recorded)] == [1, 1]
    after = await ledger.account_at("a")
    assert after is not None
    assert (after.account.balance.total, len(after.account.lots)) == (0, 0)
    await sound(ledger)


async def test_the_expected_version_is_that_before_thousands_of_expiries(ledger: Ledger, clock: Clock) -> None:
    await open_account(ledger, "a", permanent=5)
    grants = [GrantCredits("a", "subscription", 1, lifetime=timedelta(days=1)) for _ in range(500)]
    await submitted(ledger, [submission(grant, "grant", f"g{n}") for n, grant in enumerate(grants)])
    clock.forward(days=2)
    late, good = (
        submission(DeductCredits("a", 1, key), "deduct", key, expected=ExpectedVersions((version,)))
        for key, version in (("late", 501), ("good", 502))
    )
    outcomes = await submitted(ledger, [late, good])
    assert isinstance(outcomes[0], VersionMismatch)
    assert isinstance(outcomes[1], Recorded)
    assert outcomes[1].version == 1_003
