"""What tests of the rebuild share: accounts to which everything has happened, and a rebuild of some projections."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg

from ledger.commit.submission import Recorded
from ledger.domain.commands import (
    CaptureHold,
    Command,
    DeductCredits,
    GrantCredits,
    OpenAccount,
    PlaceHold,
    RecordDispute,
    RecordPayment,
    RecordSubscription,
    RefundPayment,
    ReverseDeduction,
    VoidGrant,
)
from ledger.domain.plans.terms import Interval, Terms
from ledger.service import Ledger
from ledger.store.feed import Feed
from projections.engine.rebuild import Rebuilt, rebuild, rebuilding
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection
from tests.store.asking import submission

PAGE = 5
"""Events: few, so that a rebuild takes several pages."""


class Watching:
    """Progress, as it was told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.reached: list[int] = []

    def begin(self, what: str, total: int, unit: str) -> None:
        self.steps.append(f"{what} ({total} {unit})")

    def reach(self, done: int) -> None:
        self.reached.append(done)


DAY = datetime(2026, 1, 1, tzinfo=UTC)
FREE = Terms("free", 1, 10, Interval(1, "months"))


async def live_a_life(ledger: Ledger, account: str) -> None:
    """Something of every kind that makes a row, and so many deductions that it takes several pages."""
    bought = GrantCredits(account, "permanent", 50, "topup")
    life: list[Command] = [
        OpenAccount(account, 100),
        GrantCredits(account, "subscription", 40, lifetime=timedelta(days=30), description="a “month”, 100%"),
        RecordPayment(account, "pi_1", f"bank-{account}", "paid", 900, "EUR", "pro", (bought,)),
        *(DeductCredits(account, 1, f"task-{n}", usage={"model": f"m{n % 3}", "input_tokens": n}) for n in range(12)),
        PlaceHold(account, 20, task_id="held"),
        CaptureHold(account, "hld_18", 5, usage={"member": "é"}),
        PlaceHold(account, 7),
        ReverseDeduction(account, "ded_6", reason="it failed"),
        RefundPayment(account, "pi_1", "re_1", 300),
        RecordDispute(account, "pi_1", "dp_1", "open"),
        RecordSubscription(account, "sub_1", f"bank-{account}", "active", FREE, DAY),
        VoidGrant(account, "grt_3", 4),
        DeductCredits(account, 1_000, "long", on_shortfall="available"),
    ]
    for number, command in enumerate(life):
        done = await ledger.execute(submission(command, "live", f"{number}", (number,)))
        assert isinstance(done, Recorded), done


async def rebuild_all(
    ledger: Ledger, database: str, projections: Sequence[Projection] = PROJECTIONS, page: int = PAGE
) -> list[Rebuilt]:
    """Rebuild some projections, one after the other."""
    async with rebuilding(database) as connection:
        return [await rebuild(connection, Feed(ledger.log), p, Watching(), page=page) for p in projections]


def schemas(database: str) -> list[str]:
    """All schemas of projections, the live ones, new ones and old ones."""
    with psycopg.connect(database) as connection:
        query = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^projection_' ORDER BY 1"
        return [name for (name,) in connection.execute(query)]


LIVE = sorted(projection.schema for projection in PROJECTIONS)
"""The schemas that there are when nothing is left over."""
