"""Reconciling: what no webhook told is found at the provider, and found once."""

import random
from datetime import timedelta
from typing import Any

import pytest

from billing.calls.access import Access
from billing.calls.calls import ProviderFailed
from billing.calls.known_calls import CALLED, calls_of
from billing.inbox.reconciler import Reconciler
from billing.inbox.reconciling import Reconciled, Source, reconcile
from billing.known_providers import PROVIDERS
from billing.simulation.scenarios import SCENARIOS, Life, steps_of
from billing.simulation.steps import Customer, Event
from ledger.postgres.connecting import connect_async
from tests.billing.calls.provider_server import ProviderServer, Raw
from tests.billing.calls.serving import serve
from tests.billing.inbox.desk import CREDITS, Desk, events_told
from tests.billing.lives import ADA, NOW, PRICES, life

ACCOUNT = ADA.account_id


def source(name: str, remote: ProviderServer, mode: Any = "live") -> Source:
    calls = calls_of({name: Access("key", remote.url, store="7")})[name]
    return Source(calls, PROVIDERS[name](()), mode)


async def read_again(desk: Desk, name: str, remote: ProviderServer, **more: Any) -> Reconciled:
    told: list[int] = []
    done = await reconcile(
        source(name, remote, **more), desk.inbox, desk.connection, NOW - timedelta(days=3), desk.clock, told.append
    )
    assert told == sorted(told)
    assert told[-1] == done.read
    await desk.apply()
    return done


def bought(name: str) -> Life:
    """A subscription with an upgrade, and packages of which one was refunded in part."""
    one = life(name)
    one.subscribe()
    one.buy_package(2)
    one.refund(one.last_amount // 2)
    one.pass_days(10)
    one.upgrade()
    one.buy_package()
    return one


def events_of_life(name: str, one: Life) -> list[Event]:
    return events_told(name, ADA, one.steps)


@pytest.mark.parametrize("name", sorted(CALLED))
async def test_what_webhooks_told_is_not_told_again(desk: Desk, remote: ProviderServer, name: str) -> None:
    await desk.open(ACCOUNT)
    events = events_of_life(name, bought(name))
    desk.clock.forward(days=11)
    await desk.deliver_all(name, events)
    serve(remote, name, events)
    before, credits = await desk.webhooks(), await desk.available(ACCOUNT)
    done = await read_again(desk, name, remote)
    assert done.read > 0
    assert (done.new, done.subscriptions) == (0, 0)
    assert await desk.webhooks() == before
    assert await desk.available(ACCOUNT) == credits


NEEDED = ("subscription.active", "subscription.plan_changed", "subscription_created", "order_created")
"""Without these, Dodo does not say which plan was paid for before another, and Lemon Squeezy not whose something is."""


@pytest.mark.parametrize("name", sorted(CALLED))
async def test_webhooks_that_are_lost_for_good_are_found(desk: Desk, remote: ProviderServer, name: str) -> None:
    """koala73/worldmonitor#4765, #4770: the webhook of a renewal never came, and who had paid was locked out."""
    await desk.open(ACCOUNT)
    events = events_of_life(name, bought(name))
    desk.clock.forward(days=11)
    await desk.deliver_all(name, [one for one in events if one.type in NEEDED])
    serve(remote, name, events)
    done = await read_again(desk, name, remote)
    assert done.new > 0
    packages, lite, change = 2 * CREDITS // 2 + CREDITS, 1_000, 2_666
    assert await desk.available(ACCOUNT) == packages + lite + change
    assert await desk.webhooks("waiting") == []
    assert (await read_again(desk, name, remote)).new == 0


def only_things(remote: ProviderServer) -> None:
    """Let the lists of what happened be empty: it is too long ago."""
    for asked, answer in list(remote.answers.items()):
        if callable(answer):
            remote.answers[asked] = lambda request, answer=answer: (
                {"data": [], "items": []}
                if {"created_at_gte", "filter[store_id]"} & dict(request.query).keys()
                else answer(request)
            )
    remote.answers["GET", "/v1/events"] = {"data": [], "has_more": False}


@pytest.mark.parametrize("name", sorted(CALLED))
async def test_a_subscription_past_its_period_is_asked_for(desk: Desk, remote: ProviderServer, name: str) -> None:
    await desk.open(ACCOUNT)
    one = life(name)
    one.subscribe()
    desk.clock.now = one.now
    await desk.deliver_all(name, events_of_life(name, one))
    assert await desk.available(ACCOUNT) == 1_000
    one.renew()
    desk.clock.forward(days=30, hours=3)
    serve(remote, name, events_of_life(name, one))
    only_things(remote)
    assert await desk.available(ACCOUNT) == 1_000, "within its grace"
    done = await read_again(desk, name, remote)
    assert (done.subscriptions, done.unknown) == (1, ())
    await desk.wait(days=1)
    assert await desk.available(ACCOUNT) == 1_000, "the credits of the month that was paid"
    assert (await read_again(desk, name, remote)).subscriptions == 0
    await desk.wait(days=31)
    assert await desk.available(ACCOUNT) == 0
    done = await read_again(desk, name, remote)
    assert (done.subscriptions, done.new) == (1, 0), "it is asked for each time, and says nothing new"


async def test_failures_keep_what_was_read_before(desk: Desk, remote: ProviderServer) -> None:
    await desk.open(ACCOUNT)
    one = life("stripe")
    one.subscribe()
    events = events_of_life("stripe", one)
    serve(remote, "stripe", events)
    assert (await read_again(desk, "stripe", remote, mode="test")).new == 0, "it is about real money"
    desk.clock.forward(days=32)
    assert (await read_again(desk, "stripe", remote)).new == len(events)
    remote.answers["GET", "/v1/subscriptions/sub_41"] = Raw(500, b"{}")
    with pytest.raises(ProviderFailed, match="answered 500"):
        await read_again(desk, "stripe", remote)
    remote.answers["GET", "/v1/subscriptions/sub_41"] = Raw(404, b"{}")
    assert (await read_again(desk, "stripe", remote)).unknown == ("stripe:sub_41",)
    unreadable = {**events[0].payload, "id": "evt_odd", "data": {"object": {"object": "subscription"}}}
    remote.answers["GET", "/v1/events"] = {"data": [unreadable], "has_more": False}
    assert [(await read_again(desk, "stripe", remote)).new for _ in range(2)] == [1, 0]
    [waiting] = await desk.webhooks("waiting")
    assert (waiting.delivery_id, waiting.reason) == ("evt_odd", "missing_path"), "an operator must see it"


async def test_each_provider_is_read_again_once_a_day_by_one_process(
    desk: Desk, remote: ProviderServer, database: str
) -> None:
    await desk.open(ACCOUNT)
    one = life("stripe")
    one.buy_package()
    serve(remote, "stripe", events_of_life("stripe", one))
    arrived: list[bool] = []
    reconciler = Reconciler(desk.inbox, database, [source("stripe", remote)], desk.clock, lambda: arrived.append(True))
    async with await connect_async(database) as leads, await connect_async(database) as waits:
        events = remote.answers["GET", "/v1/events"]
        remote.answers["GET", "/v1/events"] = Raw(503, b"{}")
        assert await reconciler.turn(leads) == []
        remote.answers["GET", "/v1/events"] = events
        [done] = await reconciler.turn(leads)
        assert (done.read, done.new, arrived) == (1, 1, [True])
        assert await reconciler.turn(leads) == [], "a day has not passed"
        desk.clock.forward(days=5)
        assert await reconciler.turn(waits) == [], "another process leads"
        [done] = await reconciler.turn(leads)
        assert (done.read, done.new, arrived) == (1, 0, [True])
    since = [int(dict(one.query)["created[gte]"]) for one in remote.requests]
    days = [(NOW.timestamp() - at) / 86_400 for at in since]
    assert days == [3, 3, 3], "from three days before the last time on, however long ago that was"


async def test_whatever_webhooks_are_lost_the_account_ends_as_if_all_had_come(
    desk: Desk, remote: ProviderServer
) -> None:
    """Each life is told twice, for two customers: to one of them all, and to the other some, in another order."""
    chance = random.Random(7)
    lives = [which for which in SCENARIOS for _ in range(3)]
    happened: list[Event] = []
    for number, which in enumerate(lives):
        steps = steps_of(which, PRICES["stripe"], NOW)
        desk.clock.now = max(desk.clock.now, *(event.at for event in events_told("stripe", ADA, steps)))
        for customer in (Customer(f"whole-{number}", 2 * number + 1), Customer(f"lossy-{number}", 2 * number + 2)):
            await desk.open(customer.account_id)
            events = events_told("stripe", customer, steps)
            happened += events
            told = events if customer.number % 2 else chance.sample(events, chance.randrange(len(events)))
            for event in told:
                await desk.deliver("stripe", event)
    await desk.apply()
    whole = [await ended(desk, f"whole-{number}") for number in range(len(lives))]
    before = [await ended(desk, f"lossy-{number}") for number in range(len(lives))]
    serve(remote, "stripe", happened)
    done = await read_again(desk, "stripe", remote)
    assert done.new > 0
    assert before != whole, "something was lost"
    await desk.wait(minutes=10)
    assert [await ended(desk, f"lossy-{number}") for number in range(len(lives))] == whole


async def ended(desk: Desk, account_id: str) -> tuple[int, int, int]:
    """What an account ends with: the credits that may be spent, those that a dispute holds, and its subscriptions."""
    found = await desk.ledger.account_at(account_id)
    if found is None:
        return 0, 0, 0
    balance = found.account.balance
    return balance.available, balance.held, len(found.account.subscriptions.all)
