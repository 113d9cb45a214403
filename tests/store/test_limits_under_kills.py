"""Four processes spend on one team, and some are killed and started again: no limit is passed, and nothing is lost.

The log is judged by itself: counters are added up from the amounts of the events, by code that shares nothing with the
ledger. The seed is printed with a failure; CREDIT_LEDGER_TEST_SEED runs it again.
"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ledger.commit.submission import Recorded
from ledger.domain.commands import DeductCredits, SetLimits
from ledger.domain.errors import LimitReached
from ledger.service import Ledger
from tests.long_form import times
from tests.store.asking import open_account, sound, submission
from tests.store.spending import CREDITS, EACH, FILES, LIMITS, MEMBERS, POOL, TEAM
from tests.survival.log import Row, read_log
from tests.survival.plan import fresh_seed
from tests.survival.refolding import Book

ROOT = Path(__file__).parents[2]
KILLS = f"{times(1, 4)},{times(1, 4)},0,0"
"""How often each of the spenders is killed."""
AMOUNTS = {"each": EACH, "pool": POOL, "files": FILES}
Used = Counter[tuple[str, str | None]]
"""What is used of each limit, by value."""


@pytest.mark.parametrize("turn", range(times(1, 10)))
async def test_four_killed_processes_pass_no_limit(database: str, tmp_path: Path, turn: int) -> None:
    seed = fresh_seed() + turn
    print(f"CREDIT_LEDGER_TEST_SEED={seed}")
    async with Ledger(database).running() as ledger:
        await open_account(ledger, TEAM, permanent=CREDITS)
        done = await ledger.execute(submission(SetLimits(TEAM, "plan", LIMITS), "limits", "plan", ("plan",)))
        assert isinstance(done, Recorded)
    command = [sys.executable, "-m", "tests.store.spending", database, str(tmp_path), str(seed), KILLS]
    spending = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    assert await spending.wait() == 0
    assert lines(tmp_path, "lives").count("killed") == sum(map(int, KILLS.split(",")))
    judge_answers([json.loads(line) for line in lines(tmp_path, "answers")], await read_log(database))
    async with Ledger(database).running() as ledger:
        await fill_up(ledger)
        await sound(ledger)
    used_after(await read_log(database))


def lines(folder: Path, kind: str) -> list[str]:
    """What all spenders have written into their files of a kind."""
    return [line for path in sorted(folder.glob(f"*.{kind}")) for line in path.read_text().splitlines()]


def judge_answers(answers: list[dict[str, Any]], rows: list[Row]) -> None:
    """What was acknowledged is in the log once; what was refused had no room at some moment while it was asked."""
    receipts = [row.receipt for row in rows if row.receipt is not None]
    assert len(receipts) == len(set(receipts))
    versions = {row.receipt: row.version for row in rows}
    used = used_after(rows)
    firsts = Counter[str]()
    for answer in answers:
        receipt = f"{answer['operation']}:{answer['key']}"
        if "version" in answer:
            assert versions.get(receipt) == answer["version"], answer
            firsts[receipt] += not answer["replayed"]
        else:
            assert versions.get(receipt, answer["until"] + 1) > answer["since"], answer
            assert any(had_no_room(answer, used[version]) for version in range(answer["since"], answer["until"] + 1))
    assert firsts
    assert max(firsts.values()) == 1
    refused = sum("version" not in answer for answer in answers)
    assert refused > 10, f"{refused} of {len(answers)} were refused: the limits are too wide"
    assert any(answer.get("replayed") for answer in answers), "nobody came back"


def had_no_room(answer: dict[str, Any], used: Used) -> bool:
    """Whether the counters are as a refusal says, and leave too little."""
    binding, required = answer["binding"], answer["required"]
    limit_id, value = binding["limit_id"], binding["each"].get("member")
    said, amount = binding["used"], AMOUNTS[limit_id]
    return bool(said == used[limit_id, value] and binding["amount"] == amount < said + required)


def used_after(rows: list[Row]) -> list[Used]:
    """The counters after each version of the team, from the amounts of its events; the first is of version 0.

    None passes its limit, and the counts of each event are the sums.
    """
    book, used, after = Book(TEAM), Used(), [Used()]
    members: dict[str, str] = {}
    held: dict[str, int] = {}
    for row in rows:
        assert row.account == TEAM
        book.fold(row)
        data = row.data
        match row.topic:
            case "CreditsDeducted":
                members[data["deduction_id"]] = data["usage"]["member"]
                count(used, members[data["deduction_id"]], data["amount"])
            case "CreditsHeld":
                members[data["hold_id"]], held[data["hold_id"]] = data["usage"]["member"], data["amount"]
                count(used, members[data["hold_id"]], data["amount"])
            case "HoldCaptured":
                members[data["deduction_id"]] = members[data["hold_id"]]
                count(used, members[data["hold_id"]], data["amount"] - held[data["hold_id"]])
            case "HoldReleased":
                count(used, members[data["hold_id"]], -held[data["hold_id"]])
            case "DeductionReversed":
                count(used, members[data["deduction_id"]], -data["amount"])
            case "UsageMetered":
                used["files", data["usage"]["member"]] += data["quantity"]
            case topic:
                assert topic in {"AccountOpened", "CreditsGranted", "LimitsSet"}
        for limit_id, value, now, amount, _ in data.get("counts", ()):
            assert (now, amount) == (used[limit_id, value], AMOUNTS[limit_id]), row.name
        assert all(0 <= amount <= AMOUNTS[limit_id] for (limit_id, _), amount in used.items()), f"{row.name}: {used}"
        after.append(used.copy())
    assert not book.complaints
    return after


def count(used: Used, member: str, credits: int) -> None:
    """Credits of a member, or credits that come back."""
    used["each", member] += credits
    used["pool", None] += credits


async def fill_up(ledger: Ledger) -> None:
    """Credit by credit, until each member or the pool is exactly full: nothing was lost on the way."""
    for member in range(MEMBERS):
        while isinstance(outcome := await take_one(ledger, f"m{member}"), Recorded):
            pass
        assert isinstance(outcome, LimitReached)
        assert outcome.facts["headroom"] == 0
    found = await ledger.account_at(TEAM)
    assert found is not None
    assert found.account.limits is not None
    pool = found.account.limits.get("pool")
    assert pool is not None
    assert [counter.used for _, counter in pool.counters()] == [POOL]
    for limit in found.account.limits.all:
        assert all(counter.used <= AMOUNTS[limit.limit.limit_id] for _, counter in limit.counters())


async def take_one(ledger: Ledger, member: str) -> object:
    """Deduct one credit for a member, under a key that nobody else uses."""
    key = f"rest-{uuid4()}"
    command = DeductCredits(TEAM, 1, key, usage={"member": member})
    return await ledger.execute(submission(command, "deduct", key, (1, key)))
