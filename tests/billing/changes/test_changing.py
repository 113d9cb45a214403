"""Changes of subscriptions at a provider in memory, and what the ledger makes of its answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from billing import catalog
from billing.calls.calls import Changed, ProviderCannot, ProviderFailed
from billing.catalog_changes import Wanted
from billing.changes.changing import Asker, Changing
from billing.changes.held_changes import LEASE, MOST_ATTEMPTS, HeldChanges
from billing.changes.refusals import (
    AlreadyCancelled,
    AlreadyOnPlan,
    KeyReused,
    NoSubscription,
    NotADowngrade,
    NotAnUpgrade,
    NotCancelled,
)
from billing.changes.targets import PlanWish
from billing.checkouts.errors import PriceNotFound
from billing.errors import PlanNotFound
from billing.plans import Plan
from ledger.domain.errors import AccountNotFound
from ledger.explain.subscriptions.answer import SubscriptionNow, active_of, subscriptions_now
from tests.billing.changes.registrar import Lemon, Registrar
from tests.billing.inbox.desk import Desk, running_desk
from tests.conftest import Clock

PRO, LITE = PlanWish("pro"), PlanWish("lite")
SOMEBODY = Asker("key:test")
_numbers = count(70)


@dataclass
class Office:
    """A desk, and changes of the subscription of one customer at a provider."""

    desk: Desk
    changing: Changing
    provider: Registrar
    account: str

    async def now(self) -> SubscriptionNow:
        """The active subscription by the ledger."""
        found = await self.desk.ledger.account_at(self.account)
        assert found is not None
        active = active_of(subscriptions_now(found.account, found.as_of))
        assert active is not None
        return active

    async def apply(self) -> None:
        """Apply what the provider has said, and let a minute pass."""
        await self.desk.apply()
        self.desk.clock.forward(minutes=1)

    async def refuses(self, kind: type[Exception], wish: Awaitable[object]) -> None:
        """A wish is refused, and nobody was asked for it."""
        before = len(self.provider.asked)
        with pytest.raises(kind):
            await wish
        assert len(self.provider.asked) == before


@pytest_asyncio.fixture
async def desk(database: str, clock: Clock, tmp_path: Path) -> AsyncIterator[Desk]:
    async with running_desk(database, clock, tmp_path) as running:
        yield running


async def office_at(desk: Desk, made: type[Registrar] = Registrar) -> Office:
    """A customer of the plan Lite, ten days after the first payment."""
    number = next(_numbers)
    account = f"holder-{number}"
    await desk.open(account)
    provider = made(account, number)
    changing = Changing(desk.ledger, desk.inbox, {made.provider: provider}, lambda: None)
    office = Office(desk, changing, provider, account)
    desk.clock.now = provider.life.now
    await changing.put_down(Changed(provider.deliveries()))
    await desk.apply()
    assert (await office.now())["plan"] == "lite"
    return office


async def test_an_upgrade_gives_what_was_foreseen(desk: Desk) -> None:
    office = await office_at(desk)
    account, changing = office.account, office.changing
    foreseen = await changing.upgrade_foreseen(account, PRO)
    assert office.provider.asked == []
    assert foreseen.new is not None
    assert (foreseen.effect, foreseen.new.amount_minor, foreseen.new.interval) == ("now", 1_000, "month")
    assert foreseen.time_left is not None
    before = await desk.available(account)

    done = await changing.upgrade(account, PRO, SOMEBODY)
    assert (done.replayed, done.asked) == (False, foreseen)
    assert not done.asked.recorded
    await office.apply()
    assert (await office.now())["plan"] == "pro"
    left = foreseen.time_left.seconds / foreseen.time_left.of_seconds
    assert await desk.available(account) - before == pytest.approx(4_000 * left, abs=1)
    assert foreseen.credits_now == pytest.approx(4_000 * left, abs=1)
    await office.refuses(AlreadyOnPlan, changing.upgrade(account, PRO, SOMEBODY))
    await office.refuses(NotAnUpgrade, changing.upgrade(account, LITE, SOMEBODY))
    await office.refuses(PlanNotFound, changing.upgrade(account, PlanWish("none"), SOMEBODY))
    await office.refuses(PriceNotFound, changing.upgrade(account, PlanWish("pro", "yearly"), SOMEBODY))


async def test_a_wish_is_carried_out_once(desk: Desk) -> None:
    """The same key, the same state, an answer that was lost: the provider does it once, and the answer is the same."""
    office = await office_at(desk)
    account, changing, keyed = office.account, office.changing, Asker("key:test", "mine")
    office.provider.loses_answers = True
    with pytest.raises(ProviderFailed):
        await changing.upgrade(account, PRO, keyed)
    first = await changing.upgrade(account, PRO, keyed)
    second = await changing.upgrade(account, PRO, keyed)
    assert office.provider.carried_out == ["change to price_pro"]
    assert (first.replayed, second) == (False, first._replace(replayed=True))
    await office.refuses(KeyReused, changing.upgrade(account, LITE, keyed))
    await office.apply()
    assert await changing.upgrade(account, PRO, keyed) == second, "after the ledger knows it too"

    office.provider.loses_answers = True
    with pytest.raises(ProviderFailed):
        await changing.cancel(account, "period_end", None, SOMEBODY)
    first = await changing.cancel(account, "period_end", None, SOMEBODY)
    second = await changing.cancel(account, "period_end", None, SOMEBODY)
    assert (first.replayed, second.replayed, first.asked) == (False, True, second.asked)
    assert office.provider.carried_out == ["change to price_pro", "cancel"]
    keys = {asked[-1] for asked in office.provider.asked}
    assert len(keys) == 2, "each wish has one key of its own"
    assert account not in "".join(keys)


async def test_a_cancellation_and_its_way_back(desk: Desk) -> None:
    office = await office_at(desk)
    account, changing = office.account, office.changing
    await office.refuses(NotCancelled, changing.reactivate(account, None, SOMEBODY))
    asked = (await changing.cancel(account, "period_end", None, SOMEBODY._replace(reason="too dear"))).asked
    now = await office.now()
    assert (asked.at, now["cancel_at"]) == (now["current_period_end"], None), "the ledger follows"
    await office.apply()
    assert (await office.now())["cancel_at"] == asked.at
    await sell_mini(desk)
    await office.refuses(AlreadyCancelled, changing.cancel(account, "period_end", None, SOMEBODY))
    await office.refuses(AlreadyCancelled, changing.downgrade(account, PlanWish("mini"), SOMEBODY))
    await changing.reactivate(account, None, SOMEBODY)
    await office.apply()
    assert (await office.now())["cancel_at"] is None
    await changing.cancel(account, "now", None, SOMEBODY)
    await office.apply()
    await office.refuses(NoSubscription, changing.reactivate(account, None, SOMEBODY))
    assert office.provider.carried_out == ["cancel", "resume", "cancel"]


async def test_who_cannot_be_asked(desk: Desk) -> None:
    office = await office_at(desk)
    account, changing, name = office.account, office.changing, (await office.now())["subscription_id"]
    assert (
        await changing.portal(account, "https://shop.example/") == f"https://pay.example/{name.removeprefix('stripe:')}"
    )
    await desk.open("nothing-bought")
    for who, refusal in (("nothing-bought", NoSubscription), ("nobody", AccountNotFound)):
        await office.refuses(refusal, changing.upgrade(who, PRO, SOMEBODY))
        await office.refuses(refusal, changing.cancel(who, "now", name, SOMEBODY))
        await office.refuses(refusal, changing.reactivate(who, name, SOMEBODY))
        await office.refuses(refusal, changing.portal(who, "https://shop.example/", name))
    silent = Changing(desk.ledger, desk.inbox, {}, lambda: None)
    wishes: list[Awaitable[object]] = [
        silent.upgrade_foreseen(account, PRO),
        silent.upgrade(account, PRO, SOMEBODY),
        silent.cancel(account, "now", None, SOMEBODY),
        silent.portal(account, "https://shop.example/"),
    ]
    for wish in wishes:
        with pytest.raises(ProviderCannot, match="Change it at the provider"):
            await wish


async def test_a_downgrade_is_held_for_a_provider_that_keeps_none(desk: Desk) -> None:
    office = await office_at(desk, Lemon)
    account, changing, held = office.account, office.changing, HeldChanges(office.changing)
    await office.refuses(NotADowngrade, changing.downgrade(account, PRO, SOMEBODY))
    await changing.upgrade(account, PRO, SOMEBODY)
    await office.apply()
    now = await office.now()
    assert now["current_period_end"] is not None
    due = now["current_period_end"] - timedelta(hours=1)

    for _ in range(2):
        asked = (await changing.downgrade(account, LITE, SOMEBODY)).asked
        assert (asked.held, asked.recorded, asked.at) == (True, False, now["current_period_end"])
    await changing.reactivate(account, None, SOMEBODY)
    desk.clock.forward(seconds=1)
    await office.refuses(NotCancelled, changing.reactivate(account, None, SOMEBODY))
    await changing.downgrade(account, LITE, SOMEBODY)
    assert (await changing.receipts.held([now["subscription_id"]]))[now["subscription_id"]].next_try_at == due
    assert await held.send_due() == 0
    assert office.provider.carried_out == ["change to 1002"]

    desk.clock.now = due
    assert len(await changing.receipts.claim(due, due + LEASE, 10)) == 1, "by a process that was killed then"
    assert await held.send_due() == 0
    desk.clock.now = due + LEASE
    await asyncio.gather(held.send_due(), HeldChanges(changing).send_due())
    assert office.provider.carried_out == ["change to 1002", "change to 1001"]
    await office.apply()
    assert (await office.now())["plan"] == "lite"
    assert await held.send_due() == 0
    assert states(desk) == {"asked": 2, "dropped": 1, "sent": 1}


async def test_a_held_change_that_fails_is_tried_again_and_given_up(desk: Desk) -> None:
    office = await office_at(desk, Lemon)
    account, changing, held = office.account, office.changing, HeldChanges(office.changing)
    await changing.upgrade(account, PRO, SOMEBODY)
    await office.apply()
    now = await office.now()
    await changing.downgrade(account, LITE, SOMEBODY)
    assert now["current_period_end"] is not None
    desk.clock.now = now["current_period_end"] - timedelta(hours=1)
    for _ in range(MOST_ATTEMPTS):
        office.provider.refuses = True
        assert await held.send_due() == 1
        assert await held.send_due() == 0
        desk.clock.now += LEASE
    assert await held.send_due() == 0
    assert states(desk) == {"asked": 1, "failed": 1}


async def sell_mini(desk: Desk) -> None:
    """Put a plan into the catalogue that is smaller than Lite."""
    price = {"price": "once", "amount_minor": 500, "currency": "USD", "products": {"stripe": "price_mini"}}
    body = {"name": "Mini", "credits": 100, "prices": [{**price, "interval": {"months": 1}}]}
    async with desk.ledger.log.connection() as connection:
        await catalog.put(connection, [Wanted("mini", Plan.model_validate(body))], "test")


def states(desk: Desk) -> dict[str, int]:
    """How many changes are in each state."""
    with psycopg.connect(desk.biller._conninfo) as connection:
        return dict(connection.execute("SELECT state, count(*) FROM billing.changes GROUP BY state").fetchall())
