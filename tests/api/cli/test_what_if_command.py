"""`credit-ledger prices what-if`: a period under a file and under a version, for people and for programs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.commit.submission import Recorded
from ledger.domain.commands import Command, DeductCredits, ReverseDeduction
from ledger.domain.usage import Usage
from ledger.service import Ledger
from tests.commands import Finished, command
from tests.conftest import Clock
from tests.postgres import TestServers
from tests.store.asking import open_account, submission

DOCS = Path(__file__).parents[3] / "docs"
BOOK = DOCS / "prices.toml"
CHAT: Usage = {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 1_200, "output_tokens": 800}
UNKNOWN: Usage = {"provider": "nobody", "model": "x", "input_tokens": 1}
DAYS = ("--from", "2026-01-01", "--to", "2026-01-02")


@pytest.fixture(scope="module")
def used(servers: TestServers) -> Iterator[str]:
    """A database with the usage of two days, and one version of the price book."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo:
        asyncio.run(_use(conninfo))
        assert command(conninfo, "prices", "publish", BOOK).status == 0
        yield conninfo


async def _use(conninfo: str) -> None:
    clock = Clock()
    async with Ledger(conninfo, clock=clock).running() as ledger:

        async def done(command: Command, operation: str, key: str) -> None:
            assert isinstance(await ledger.execute(submission(command, operation, key)), Recorded)

        for account in ("ada", "bob"):
            await open_account(ledger, account, permanent=1_000)
        clock.forward(hours=1)
        await done(DeductCredits("ada", 20, usage=CHAT), "deduct", "chat")
        await done(DeductCredits("ada", 10, usage=UNKNOWN), "deduct", "x")
        await done(DeductCredits("bob", 5), "deduct", "plain")
        clock.forward(days=1)
        await done(DeductCredits("bob", 30, usage={"metric": "image", "quantity": 3}), "deduct", "image")
        await done(ReverseDeduction("bob", "ded_4", 10), "reverse", "back")
        clock.forward(days=1)
        await done(DeductCredits("bob", 999 - 5 - 20, usage={"metric": "enhance"}), "deduct", "later")


def run(database: str, *words: str | Path) -> Finished:
    return command(database, "prices", "what-if", *words)


def test_a_period_is_told_for_people(used: str) -> None:
    done = run(used, "--book", BOOK, *DAYS)
    assert done.status == 0, done.err
    assert done.out.startswith("2026-01-01 to 2026-01-02, UTC, under the file (sha256 ")
    for line in (
        "  priced by it               2 uses  cost 40, would cost 52: +12 (+30.0 %)",
        "  refused by it              1 uses  cost 10",
        "  without usage              1 uses  cost 5",
        "  10 credits came back, and are taken away from all of it",
        "  by account  cost  would cost      difference  refused  without usage",
        "  bob           20          40  +20 (+100.0 %)        0              5",
        "  ada           20          12    -8 (-40.0 %)       10              0",
        "  by plan  cost  would cost     difference  refused  without usage",
        "  (none)     40          52  +12 (+30.0 %)       10              5",
        "  openai / gpt-5-mini    20          12    -8 (-40.0 %)        0              0",
        "  nobody / x / (none): 1 use, cost 10. No rate of the price book is for this provider, model and metric.",
    ):
        assert line in done.out.splitlines(), line
    assert done.err == ""


def test_a_period_is_told_for_programs_and_by_a_version(used: str) -> None:
    found = run(used, "--book-version", "1", *DAYS, "--tz", "Asia/Tokyo", "--json").report
    assert (found["from"], found["to"], found["tz"], found["book"]["version"]) == (*DAYS[1::2], "Asia/Tokyo", 1)
    assert found["total"] == {
        "uses": 2,
        "cost": 40,
        "would_cost": 52,
        "difference": 12,
        "refused_uses": 1,
        "refused_cost": 10,
        "unsaid_uses": 1,
        "unsaid_cost": 5,
        "reversed": 10,
    }
    assert [one["account_id"] for one in found["accounts"]] == ["bob", "ada"]
    assert [(one["provider"], one["model"]) for one in found["models"]] == [
        (None, None),
        ("openai", "gpt-5-mini"),
        ("nobody", "x"),
    ]
    [refusal] = found["refusals"]
    assert (refusal["why"], refusal["uses"], refusal["cost"]) == ("no_rate", 1, 10)
    assert found["others"] == {}
    day = run(used, "--book-version", "1", "--from", "2026-01-03", "--to", "2026-01-03", "--json").report
    assert day["total"]["cost"] == 974
    assert day["total"]["would_cost"] == 200


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (DAYS, 2, "name one book"),
        ((*DAYS, "--book", BOOK, "--book-version", "1"), 2, "name one book"),
        ((*DAYS, "--book-version", "9"), 1, "The price book has no version 9."),
        ((*DAYS, "--book", "nowhere.toml"), 1, "No such file"),
        (("--from", "2026-02-30", "--to", "2026-03-01", "--book", BOOK), 2, "must be a day"),
        (("--from", "2026-03-02", "--to", "2026-03-01", "--book", BOOK), 2, "before the first one"),
        ((*DAYS, "--book", BOOK, "--tz", "Mars"), 2, "no time zone"),
    ],
)
def test_what_cannot_be_computed_is_told_in_a_line(used: str, words: tuple[str, ...], status: int, said: str) -> None:
    done = run(used, *words)
    assert done.status == status
    assert said in " ".join(done.err.split()).replace(" │ ", " ")
    assert done.out == ""


def test_a_period_without_events_costs_nothing(used: str) -> None:
    found = run(used, "--book", BOOK, "--from", "2025-01-01", "--to", "2025-12-31", "--json").report
    assert set(found["total"].values()) == {0}
    assert found["accounts"] == []
