"""Four processes that spend on one team: `python -m tests.store.spending CONNINFO FOLDER SEED KILLS`.

This program forks one process for each spender, and starts whoever is killed again, as a supervisor does. A spender
kills itself at a moment that chance decides, with commands in flight, as often as KILLS says; then it asks for
everything from its beginning, under the same keys. What it was answered is in a file of its own, a line for each
answer, written before anything else happens.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from ledger.commit.submission import Outcome, Recorded, Submission
from ledger.domain.commands import (
    CaptureHold,
    Command,
    DeductCredits,
    Meter,
    NewLimit,
    PlaceHold,
    ReleaseHold,
    ReverseDeduction,
)
from ledger.domain.errors import LimitReached
from ledger.domain.events import CreditsDeducted, CreditsHeld
from ledger.domain.periods import TimedPeriod
from ledger.service import Ledger
from ledger.store.records.codec import Metadata
from ledger.store.records.receipts import fingerprint

TEAM, SPENDERS, MEMBERS = "team", 4, 8
EACH, POOL, FILES = 60, 400, 25
LIMITS = (
    NewLimit("each", EACH, ("member",), period=TimedPeriod(366 * 86_400)),
    NewLimit("pool", POOL),
    NewLimit("files", FILES, ("member",), unit="files"),
)
ITEMS, AT_ONCE = 56, 14
CREDITS = 10 * POOL
LATEST = 0.02
"""Seconds after an answer within which a spender is killed."""


class Item(NamedTuple):
    """What a spender does for a member; some of it takes two commands."""

    kind: str
    member: str
    amount: int
    part: int


class Spender:
    """One process."""

    def __init__(self, ledger: Ledger, name: str, told: int) -> None:
        self._ledger = ledger
        self._name = name
        self._told = told
        self.answers = 0
        self._known = 0
        """The highest version of the team that it was told."""

    async def work(self, items: Iterator[tuple[int, Item]]) -> None:
        """Do one item after the other, of those that nobody has taken."""
        for number, item in items:
            await self.do(f"{self._name}-{number}", item)

    async def do(self, key: str, item: Item) -> None:
        """Do one item. What a limit refuses is not done."""
        usage = {"member": item.member}
        match item.kind:
            case "files":
                metered = Meter(TEAM, item.part, {**usage, "metric": "files"}, key)
                await self._ask("meter", key, metered, (item.part, key))
            case "hold":
                held = await self._ask("hold", key, PlaceHold(TEAM, item.amount, usage=usage), (item.amount,))
                if isinstance(held, CreditsHeld) and item.part:
                    capture = CaptureHold(TEAM, held.hold_id, item.part)
                    await self._ask("capture", key, capture, (held.hold_id, item.part))
                elif isinstance(held, CreditsHeld):
                    await self._ask("release", key, ReleaseHold(TEAM, held.hold_id), (held.hold_id,))
            case _:
                command = DeductCredits(TEAM, item.amount, key, usage=usage)
                spent = await self._ask("deduct", key, command, (item.amount, key))
                if isinstance(spent, CreditsDeducted) and item.part:
                    back = ReverseDeduction(TEAM, spent.deduction_id, item.part)
                    await self._ask("reverse", key, back, (spent.deduction_id, item.part))

    async def _ask(self, operation: str, key: str, command: Command, body: tuple[object, ...]) -> object:
        """Ask once, and put down the answer. Gives the event of what was done."""
        since = self._known
        metadata = Metadata("key:test", operation, key, str(uuid4()))
        outcome = await self._ledger.execute(Submission(command, metadata, fingerprint(body)))
        await self._write(operation, key, since, outcome)
        return outcome.events[-1] if isinstance(outcome, Recorded) else None

    async def _write(self, operation: str, key: str, since: int, outcome: Outcome) -> None:
        answer: dict[str, Any] = {"operation": operation, "key": key, "since": since}
        if isinstance(outcome, Recorded):
            self._known = max(self._known, outcome.version)
            answer |= {"version": outcome.version, "replayed": outcome.replayed}
        else:
            assert isinstance(outcome, LimitReached), outcome
            found = await self._ledger.account_at(TEAM)
            assert found is not None
            answer |= {"required": outcome.facts["required"], "binding": outcome.facts["binding"]}
            answer |= {"until": found.newest.version}
        os.write(self._told, json.dumps(answer, default=str).encode() + b"\n")
        self.answers += 1


def items_of(seed: str, spender: int) -> list[Item]:
    """What a spender does, by chance."""
    chance = random.Random(f"{seed}/{spender}")
    items = []
    for _ in range(ITEMS):
        kind = chance.choice(("deduct", "deduct", "hold", "hold", "files"))
        amount = chance.randint(2, 9)
        items.append(Item(kind, f"m{chance.randrange(MEMBERS)}", amount, chance.randint(0, amount)))
    return [item._replace(part=max(item.part, 1)) if item.kind == "files" else item for item in items]


async def spend(conninfo: str, seed: str, spender: int, told: int, kills_left: int) -> None:
    """One life of a spender. All but the last end with a kill."""
    async with Ledger(conninfo).running() as ledger:
        one = Spender(ledger, f"s{spender}", told)
        items = enumerate(items_of(seed, spender))
        working = [asyncio.create_task(one.work(items)) for _ in range(AT_ONCE)]
        if kills_left:
            await _die(one, random.Random(f"{seed}/{spender}/{kills_left}"))
        await asyncio.gather(*working)


async def _die(one: Spender, chance: random.Random) -> None:
    enough = chance.uniform(5, ITEMS / 2)
    while one.answers < enough:  # noqa: ASYNC110  # other tasks move it
        await asyncio.sleep(0)
    await asyncio.sleep(chance.uniform(0, LATEST))
    os.kill(os.getpid(), signal.SIGKILL)


def live(conninfo: str, folder: Path, seed: str, spender: int, kills_left: int) -> int:
    """Fork a process that is one life of a spender. Gives its id."""
    pid = os.fork()
    if pid:
        return pid
    told = os.open(folder / f"s{spender}.answers", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    asyncio.run(spend(conninfo, seed, spender, told, kills_left))
    os._exit(0)


def main(conninfo: str, folder: Path, seed: str, kills: list[int]) -> None:
    """Start all, and start again whoever is killed, until all have come to their end."""
    left = dict(enumerate(kills))
    lives = {live(conninfo, folder, seed, spender, left[spender]): spender for spender in range(SPENDERS)}
    while lives:
        pid, status = os.wait()
        spender = lives.pop(pid)
        with (folder / f"s{spender}.lives").open("a") as lives_file:
            lives_file.write("killed\n" if os.WIFSIGNALED(status) else "ended\n")
        if status == 0:
            continue
        if not os.WIFSIGNALED(status) or not left[spender]:
            raise SystemExit(f"spender {spender} has ended with {status}")
        left[spender] -= 1
        lives[live(conninfo, folder, seed, spender, left[spender])] = spender


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], [int(kills) for kills in sys.argv[4].split(",")])
