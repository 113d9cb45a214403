"""How tests of the store ask a ledger for things."""

import asyncio
import itertools
from collections.abc import Sequence

from ledger.commit.submission import ExpectedVersions, Outcome, Recorded, Submission
from ledger.domain.commands import Command, DeductCredits, GrantCredits, OpenAccount
from ledger.service import Ledger
from ledger.store.records.codec import Metadata
from ledger.store.records.receipts import fingerprint

_numbers = itertools.count(1)


def submission(
    command: Command,
    operation: str,
    key: str | None,
    body: Sequence[object] = (),
    expected: ExpectedVersions | None = None,
) -> Submission:
    """A submission as the HTTP command endpoint makes it."""
    metadata = Metadata("key:test", operation, key, f"r{next(_numbers)}")
    return Submission(command, metadata, fingerprint(body), expected)


def deduction(account: str, amount: int, key: str) -> Submission:
    """A submission that deducts."""
    return submission(DeductCredits(account, amount, key), "deduct", key, (amount, key))


async def deduct(ledger: Ledger, account: str, amount: int, key: str) -> Outcome:
    """Deduct."""
    return await ledger.execute(deduction(account, amount, key))


async def open_account(ledger: Ledger, account: str, *, permanent: int = 0, subscription: int = 0) -> None:
    """An account with some credits."""
    done = await ledger.execute(submission(OpenAccount(account, permanent), "open", account, (permanent,)))
    assert isinstance(done, Recorded)
    if subscription:
        command = GrantCredits(account, "subscription", subscription)
        assert isinstance(await ledger.execute(submission(command, "grant", "first", (subscription,))), Recorded)


async def balance(ledger: Ledger, account: str) -> int:
    """All credits of an account."""
    found = await ledger.account_at(account)
    assert found is not None
    return found.account.balance.total


async def all_events(ledger: Ledger) -> list[tuple[int, str, int]]:
    """Position, account and version of every event."""
    rows = await ledger.events(0, 1_000_000, None)
    return [(row.position, row.account_id, row.version) for row in rows]


async def sound(ledger: Ledger) -> None:
    """Positions and versions have no hole, each account's version counts from 1, and nobody is in debt."""
    rows = await all_events(ledger)
    assert [position for position, _, _ in rows] == list(range(1, len(rows) + 1))
    versions: dict[str, int] = {}
    for _, account, version in rows:
        assert version == versions.get(account, 0) + 1
        versions[account] = version
    for account in versions:
        assert await balance(ledger, account) >= 0


async def together(*outcomes: "asyncio.Future[Outcome]") -> list[Outcome]:
    """Wait for several."""
    return list(await asyncio.gather(*outcomes))
