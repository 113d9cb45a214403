"""A year of five accounts: all that can happen to credits, at moments that time zones care about.

It was written through a ledger with a clock of its own, over every change of clocks of a year in any zone, and is over:
all lots and holds have ended, so a service with the real clock adds nothing to it.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import uvloop

from ledger.commit.submission import Recorded
from ledger.domain.commands import (
    CaptureHold,
    ChangeGrantExpiry,
    Command,
    DeductCredits,
    ExtendHold,
    GrantCredits,
    OpenAccount,
    PlaceHold,
    RecordExpiries,
    RecordPayment,
    RefundPayment,
    ReleaseHold,
    ReverseDeduction,
    VoidGrant,
)
from ledger.domain.events import CreditsDeducted, CreditsGranted, CreditsHeld, Event, HoldCaptured, PaymentRecorded
from ledger.service import Ledger
from tests.projections.moving import projected
from tests.service import Service
from tests.store.asking import submission
from tests.zones import different_zones

Json = dict[str, Any]

FIRST, LAST = date(2024, 2, 28), date(2025, 4, 10)
"""The days (UTC) in which something happens."""
SMALL, BUSY, IDLE = "small", "busy", "idle"
ACCOUNTS = [SMALL, BUSY, "zoë", "ada", IDLE]
WEIGHTS = [5, 60, 20, 15, 0]
TASKS = [None, None, "task-1", "task-2", "tâche/3"]
MOMENTS = 2_400
CORRECTED = 10
"""Of so many moments one has a correction too."""
TICK = timedelta(microseconds=1)


def instant(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def changes_of_clocks() -> list[datetime]:
    """Every moment of the year, to the quarter of an hour, at which the clocks of some zone are changed."""
    found: set[datetime] = set()
    days = [instant(FIRST) + timedelta(days=n) for n in range((LAST - FIRST).days)]
    for name in different_zones():
        tz = ZoneInfo(name)
        for (before, one), (_, other) in pairwise((day, day.astimezone(tz).utcoffset()) for day in days):
            if one != other:
                quarters = [before + timedelta(minutes=15 * n) for n in range(97)]
                offsets = [at.astimezone(tz).utcoffset() for at in quarters]
                found |= {
                    at for at, one, other in zip(quarters[1:], offsets, offsets[1:], strict=False) if one != other
                }
    return sorted(found)


def moments(chance: Random) -> list[datetime]:
    """When something happens: at and just before and around every change of clocks, and here and there."""
    length = (LAST - FIRST).total_seconds()
    found = [instant(FIRST) + timedelta(seconds=chance.random() * length) for _ in range(MOMENTS)]
    for at in changes_of_clocks():
        found += [at - TICK, at, at + timedelta(minutes=15) - TICK, at + timedelta(minutes=15)]
        found += [at + timedelta(minutes=15 * chance.randrange(-120, 120)) for _ in range(4)]
    return sorted(found)


@dataclass
class Purse:
    """The ids of an account that a command can name."""

    made: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def remember(self, events: tuple[Event, ...]) -> None:
        for event in events:
            match event:
                case CreditsGranted():
                    self.made["grant"].append(event.grant_id)
                case CreditsDeducted() | HoldCaptured():
                    self.made["deduction"].append(event.deduction_id)
                case CreditsHeld():
                    self.made["hold"].append(event.hold_id)
                case PaymentRecorded():
                    self.made["payment"].append(event.payment_id)
                case _:
                    pass


def command(account: str, purse: Purse, number: int, now: datetime, chance: Random) -> tuple[str, Command]:
    """Something to ask for. What cannot be is refused, and nothing comes of it."""

    def one(noun: str) -> str:
        return chance.choice(purse.made[noun][-3 if noun == "hold" else -6 :] or [f"{noun}_1"])

    task, usage = chance.choice(TASKS), said(chance)
    occurred_at = now - timedelta(hours=chance.randint(0, 800)) if chance.random() < 0.2 else None
    grant = GrantCredits(account, "permanent", chance.randint(50, 900), description="bought")
    lifetime = timedelta(hours=chance.randint(1, 700))
    kinds: list[tuple[int, str, Command]] = [
        (48, "deduct", DeductCredits(account, chance.randint(1, 90), task, f"work {number}", usage, None, occurred_at)),
        (7, "grant", GrantCredits(account, "subscription", chance.randint(50, 1_500), lifetime=lifetime)),
        (4, "grant", GrantCredits(account, "permanent", chance.randint(50, 900), transaction_id=f"tx-{number}")),
        (8, "hold", PlaceHold(account, chance.randint(1, 200), timedelta(hours=chance.randint(20, 168)), task)),
        (6, "capture", CaptureHold(account, one("hold"), chance.randint(1, 60), final=False, usage=usage)),
        (
            6,
            "capture",
            CaptureHold(
                account, one("hold"), chance.randint(1, 400), on_excess="draw", usage=usage, occurred_at=occurred_at
            ),
        ),
        (3, "release", ReleaseHold(account, one("hold"))),
        (2, "extend", ExtendHold(account, one("hold"), timedelta(hours=chance.randint(1, 160)))),
        (5, "reverse", ReverseDeduction(account, one("deduction"), chance.randint(1, 30), "a mistake")),
        (3, "reverse", ReverseDeduction(account, one("deduction"))),
        (3, "void", VoidGrant(account, one("grant"), chance.choice([None, 20]), "clawed back")),
        (3, "payment", RecordPayment(account, f"pay-{number}", "stripe", "paid", 1_000, "EUR", "pro", (grant,))),
        (2, "payment_refund", RefundPayment(account, one("payment"), f"re-{number}", chance.choice([None, 300]))),
        (4, "expire", RecordExpiries(account)),
    ]
    [(_, operation, chosen)] = chance.choices(kinds, [weight for weight, _, _ in kinds])
    return operation, chosen


def correction(account: str, purse: Purse, at: datetime) -> Command:
    """What has lapsed of an older grant comes back for some days."""
    grant_id = ["grt_1", "grt_1", *purse.made["grant"][-3:]][-2]
    return ChangeGrantExpiry(account, grant_id, at + timedelta(days=9), True, "too early")


def said(chance: Random) -> dict[str, str | int | bool] | None:
    """The usage of a deduction: few values, so that groups overlap; some are partly or wholly empty."""
    if chance.random() < 0.15:
        return None
    words: dict[str, list[str | int | bool | None]] = {
        "provider": ["one", "two"],
        "model": ["small", "large", "huge", None],
        "project": ["a", "b", None],
        "member": ["ann", "bob", "Ann", None],
        "metric": ["images", None, None],
        "input_tokens": [0, 17, 90_000, None],
        "output_tokens": [1, 2_000, None],
        "key": ["k1", None, None],
        "agent": [None, None, "robot"],
        "quantity": [None, None, 0, 1, 12],
        "duration_ms": [None, 0, 1, 850, 900, 20_000, chance.randint(2, 5_000)],
        "success": [None, True, False],
    }
    chosen = {name: chance.choice(values) for name, values in words.items()}
    cached: dict[Any, int] = {17: 1_024, 90_000: 0}
    chosen["cached_tokens"] = cached.get(chosen["input_tokens"])
    return {name: value for name, value in chosen.items() if value is not None}


class _Clock:
    now = instant(FIRST)

    def __call__(self) -> datetime:
        return self.now


async def _write(database: str) -> None:
    chance, clock = Random(20_240_229), _Clock()
    purses = {account: Purse() for account in ACCOUNTS}
    async with Ledger(database, clock=clock).running() as ledger:
        for account in ACCOUNTS:
            await ledger.execute(submission(OpenAccount(account, 0 if account == IDLE else 500), "open", account))
        for number, clock.now in enumerate(moments(chance)):
            [account] = chance.choices(ACCOUNTS, WEIGHTS)
            operation, wanted = command(account, purses[account], number, clock.now, chance)
            done = await ledger.execute(submission(wanted, operation, None))
            if isinstance(done, Recorded):
                purses[account].remember(done.events)
            if number % CORRECTED == 0:
                await ledger.execute(submission(correction(account, purses[account], clock.now), "change_expiry", None))
        clock.now = instant(LAST) + timedelta(days=40)
        for account in ACCOUNTS:
            await ledger.execute(submission(RecordExpiries(account), "expire", None))
        await projected(ledger, database)


def write_year(database: str) -> None:
    """Write the year into a database, and project it."""
    uvloop.run(_write(database))


@dataclass
class Year:
    """The service on that database, and what is in it by its own word."""

    service: Service

    @cached_property
    def events(self) -> dict[str, list[Json]]:
        """The events of each account as stored."""
        return {account: self._events(account) for account in ACCOUNTS}

    def _events(self, account: str) -> list[Json]:
        found: list[Json] = []
        while page := self.service.get(f"/v1/accounts/{account}/events", after_version=len(found), limit=1000).json():
            if not page["events"]:
                return found
            found += page["events"]
        raise AssertionError

    @cached_property
    def entries(self) -> dict[str, list[Json]]:
        """The whole history of each account, oldest first, from pages as large as can be."""
        return {account: self._entries(account) for account in ACCOUNTS}

    def _entries(self, account: str) -> list[Json]:
        found: list[Json] = []
        more: Json = {}
        while True:
            page = self.service.get(f"/v1/accounts/{account}/history", order="asc", limit=1000, **more).json()
            found += page["entries"]
            if page["next_cursor"] is None:
                return found
            more = {"cursor": page["next_cursor"]}
