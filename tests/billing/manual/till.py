"""Our own provider on a real database, with a clock that tests move."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from billing import catalog
from billing.catalog_changes import Wanted
from billing.changes.changing import Changing
from billing.checkouts.checkout import Checkout, Wish
from billing.checkouts.checkouts import Checkouts
from billing.errors import Kind
from billing.manual.manual_calls import ManualCalls
from billing.manual.payments import Paid, Payments
from billing.manual.renewals import Renewals
from billing.manual.table import Receipt
from billing.manual.telling import Telling
from billing.plans import Package, Plan
from ledger.explain.subscriptions.answer import SubscriptionNow, subscriptions_now
from tests.billing.inbox.desk import Desk, running_desk
from tests.conftest import Clock

BEGIN = datetime(2027, 1, 31, 12, tzinfo=UTC)
PRO, LITE, PACK = 5_000, 1_000, 500
"""Credits."""
_numbers = count(1)


@dataclass
class Till:
    """What takes payments, and what tests do with it."""

    desk: Desk
    checkouts: Checkouts
    payments: Payments
    renewals: Renewals
    calls: ManualCalls
    changing: Changing

    async def buy(self, account: str, kind: Kind, entry: str, price: str | None = None, quantity: int = 1) -> Checkout:
        """A checkout."""
        wish = Wish(account, kind, entry, price, quantity, "https://product.example/")
        made = await self.checkouts.create(wish, f"key-{next(_numbers)}", "test", listed_only=False)
        await self.desk.apply()
        return made.checkout

    async def receive(self, checkout_id: str, by: str = "operator") -> Paid:
        """An operator says that the money of a checkout is here."""
        checkout = await self.checkouts.find(checkout_id)
        paid = await self.payments.receive(checkout_id, self.receipt(checkout, by))
        await self.desk.apply()
        return paid

    def receipt(self, checkout: Checkout, by: str = "operator") -> Receipt:
        return Receipt(by, self.desk.clock.now.date(), checkout.amount_minor)

    async def subscribe(self, account: str, plan: str = "pro", price: str | None = "monthly") -> Checkout:
        """An account that has paid for a plan."""
        await self.desk.open(account)
        checkout = await self.buy(account, "plan", plan, price)
        assert await self.receive(checkout.checkout_id) == "paid"
        return checkout

    async def wait(self, **length: float) -> None:
        """Let time pass, and what is due then happen."""
        self.desk.clock.forward(**length)
        await self.turn()

    async def wait_until(self, moment: datetime) -> None:
        self.desk.clock.now = moment
        await self.turn()

    async def turn(self) -> None:
        await self.renewals.turn(self.desk.connection, self.desk.clock.now)
        await self.desk.apply()

    async def requested(self, account: str) -> list[Checkout]:
        """The payments that an account is asked for, the oldest first."""
        async with self.desk.ledger.log.connection() as connection:
            rows = await connection.execute(
                "SELECT checkout_id FROM billing.checkouts WHERE account_id = %s AND state = 'open'"
                " AND purpose <> 'purchase' ORDER BY created_at",
                [account],
            )
            return [await self.checkouts.find(row[0]) for row in await rows.fetchall()]

    async def awaited(self) -> list[Checkout]:
        """All that was ever asked for, the oldest first."""
        async with self.desk.ledger.log.connection() as connection:
            rows = await connection.execute("SELECT checkout_id FROM billing.checkouts ORDER BY created_at")
            return [await self.checkouts.find(row[0]) for row in await rows.fetchall()]

    async def now(self, account: str) -> list[SubscriptionNow]:
        """The subscriptions of an account."""
        found = await self.desk.ledger.account_at(account)
        assert found is not None
        return subscriptions_now(found.account, found.as_of)


def entries() -> list[Wanted]:
    """What is sold: two plans of one group, with some prices, one without, and packages, one of which costs nothing."""

    def price(name: str, amount: int, **interval: int) -> dict[str, Any]:
        return {"price": name, "amount_minor": amount, "currency": "EUR", "interval": interval}

    month = {"months": 1}
    pro = [price("monthly", 3_000, months=1), price("yearly", 30_000, months=12)]
    tried = {"name": "Tried", "credits": LITE, "rank": 1, "group": "others"}
    plans = {
        "pro": {"name": "Pro", "credits": PRO, "rank": 2, "prices": pro, "every": month},
        "lite": {"name": "Lite", "credits": LITE, "rank": 1, "prices": [price("monthly", 1_000, months=1)]},
        "free": {"name": "Free", "credits": 10},
        "tried": {**tried, "trial": {"days": 10, "credits": 50}, "prices": [price("monthly", 2_000, months=1)]},
        "gift": {"name": "Gift", "credits": 20, "prices": [price("monthly", 0, months=1)]},
    }
    packages = {
        name: {"name": name, "credits": PACK, "prices": [{"price": "once", "amount_minor": amount, "currency": "EUR"}]}
        for name, amount in (("pack", 600), ("present", 0))
    }
    found = [Wanted(name, Plan.model_validate(body)) for name, body in plans.items()]
    return [*found, *(Wanted(name, Package.model_validate(body)) for name, body in packages.items())]


@asynccontextmanager
async def running_till(database: str, clock: Clock, folder: Path) -> AsyncIterator[Till]:
    """Our own provider on a database that sells some plans."""
    async with running_desk(database, clock, folder, catalogue=False) as desk:
        clock.now = BEGIN
        async with desk.ledger.log.connection() as connection:
            await catalog.put(connection, entries(), "test")
        payments = Payments(Telling(desk.ledger, desk.inbox, desk.reception, live=True))
        calls = ManualCalls(payments, page_of, lambda account: f"/billing/{account}")
        checkouts = Checkouts(desk.ledger, {"manual": calls}, None, transfers=True)
        changing = Changing(desk.ledger, desk.inbox, {"manual": calls}, desk.biller.arrived.set)
        yield Till(desk, checkouts, payments, Renewals(payments, page_of), calls, changing)


def page_of(account: str, checkout_id: str) -> str:
    return f"/{account}/{checkout_id}"
