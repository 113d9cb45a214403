"""Subscriptions through the inbox: what customers have does not depend on the order and the number of deliveries."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.simulation.scenarios import Life
from billing.simulation.steps import Customer, Event
from ledger.explain.subscriptions.answer import active_of, subscriptions_now
from tests.billing.inbox.desk import PROVIDER_NAMES, Desk, events_told, running_desk
from tests.billing.lives import NOW, life
from tests.conftest import Clock
from tests.long_form import times
from tests.postgres import TestServer

STORIES = times(4, 300)
"""Stories of each provider."""
STEPS = ("renew", "fail_and_recover", "upgrade", "cancel_and_resume", "refund_some", "refund_all", "lose")
_numbers = count(5_000)


def live(one: Life, steps: Sequence[str]) -> None:
    """A life with one subscription. Money goes back at most once of each payment."""
    one.subscribe()
    money_went_back = upgraded = False
    for step in steps:
        one.pass_days(3)
        match step:
            case "renew":
                one.renew()
                money_went_back = False
            case "fail_and_recover":
                one.fail_to_renew()
                one.recover()
                money_went_back = False
            case "upgrade" if not upgraded:
                one.upgrade()
                upgraded, money_went_back = True, False
            case "cancel_and_resume":
                one.cancel()
                one.resume()
            case "refund_some" if not money_went_back:
                one.refund(min(100, one.last_amount))
                money_went_back = True
            case "refund_all" if not money_went_back:
                one.refund()
                money_went_back = True
            case "lose" if not money_went_back:
                one.dispute("open")
                one.dispute("lost")
                money_went_back = True
            case _:
                pass


async def ledger_of(desk: Desk, account: str) -> dict[str, Any]:
    """What the ledger has of a subscription and its allowances, whatever the order in which it came about."""
    found = await desk.ledger.account_at(account)
    assert found is not None
    [one] = found.account.subscriptions
    waiting = [webhook.reason for webhook in await desk.webhooks("waiting")]
    return {
        "nets": {
            (
                share.id.window_start,
                one.payments.index(paid) if (paid := one.payment(share.id.payment_id or "")) else None,
            ): share.net
            for share in one.shares
            if share.net
        },
        "payments": [(paid.paid_at, paid.amount_minor, paid.refunded, paid.lost) for paid in one.payments],
        "words": [(word.as_of, word.status, word.terms, word.ends_at) for word in one.words],
        "credits": (found.account.balance.available, found.account.balance.held),
        "waiting": waiting,
    }


async def both_ways(database: str, folder: Path, provider: str, steps: Sequence[str], random: Any) -> None:
    """Deliver one life in order, and the same life of another customer in any other way; both when it is over."""
    one = life(provider)
    live(one, steps)
    async with running_desk(database, Clock(), folder) as desk:
        desk.clock.now = one.now + timedelta(days=1)
        results = []
        for shuffles in (False, True):
            customer = Customer(f"customer-{next(_numbers)}", next(_numbers))
            await desk.open(customer.account_id)
            events = events_told(provider, customer, one.steps)
            if shuffles:
                events += [event for event in events if random.random() < 0.5]
                random.shuffle(events)
            await deliver(desk, provider, events)
            results.append(await ledger_of(desk, customer.account_id))
        assert results[0]["waiting"] == results[1]["waiting"] == []
        assert results[0] == results[1], (provider, steps)


async def deliver(desk: Desk, provider: str, events: Sequence[Event]) -> None:
    for event in events:
        await desk.deliver(provider, event)
        await desk.apply()
    await desk.wait(minutes=15)


@pytest.mark.parametrize("provider", PROVIDER_NAMES)
def test_the_order_and_the_number_of_deliveries_do_not_matter(
    server: TestServer, provider: str, tmp_path: Path
) -> None:
    @settings(max_examples=STORIES, database=None)
    @given(st.lists(st.sampled_from(STEPS), max_size=4), st.randoms(use_true_random=False))
    def tell(steps: list[str], random: Any) -> None:
        with server.database() as database:
            asyncio.run(both_ways(database, tmp_path, provider, steps, random))

    tell()


@pytest.mark.parametrize("provider", PROVIDER_NAMES)
def test_a_subscription_from_its_first_payment_to_its_end(server: TestServer, provider: str, tmp_path: Path) -> None:
    async def lived() -> None:
        async with running_desk(database, Clock(), tmp_path) as desk:
            customer = Customer("customer-1", 1)
            await desk.open(customer.account_id)
            one = life(provider)
            told = 0
            seen = []
            for step in (one.subscribe, one.renew, one.cancel, one.end):
                step()
                desk.clock.now = max(desk.clock.now, one.now)
                await desk.deliver_all(provider, events_told(provider, customer, one.steps[told:]))
                told = len(one.steps)
                found = await desk.ledger.account_at(customer.account_id)
                assert found is not None
                now = subscriptions_now(found.account, found.as_of)
                active = active_of(now)
                seen.append((active["plan"] if active else None, active["cancel_at"] is not None if active else None))
            assert seen == [("lite", False), ("lite", False), ("lite", True), (None, None)]
            assert desk.clock.now > NOW

    with server.database() as database:
        asyncio.run(lived())
