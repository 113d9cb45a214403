"""Reading what a provider has: without a single webhook, the money of a life is known as if all had come."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.calls.access import Access
from billing.calls.calls import Calls, ProviderFailed
from billing.calls.known_calls import CALLED, calls_of
from billing.facts import DisputeSeen, Fact, PaymentSeen, RefundSeen, SubscriptionSeen, joined
from billing.known_providers import PROVIDERS
from billing.providers.payload import Payload
from billing.providers.provider import Delivery
from billing.simulation.steps import Event
from tests.billing.calls.provider_server import ProviderServer, Request
from tests.billing.calls.serving import serve
from tests.billing.lives import NOW, known, of_kind, scenario

MONEY = (PaymentSeen, RefundSeen, DisputeSeen)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def calls(name: str, remote: ProviderServer) -> Calls:
    return calls_of({name: Access("key", remote.url, store="7")})[name]


def facts(name: str, deliveries: list[Delivery]) -> list[Fact]:
    return joined(fact for one in deliveries for fact in PROVIDERS[name](()).facts(one))


def money(found: list[Fact]) -> list[Any]:
    """The facts about money, without those that a thing alone does not say: whose it is, at Lemon Squeezy."""
    some = [fact for fact in found if isinstance(fact, MONEY)]
    return [replace(one, account=None) if isinstance(one, PaymentSeen) else one for one in some]


@pytest.mark.parametrize("name", sorted(CALLED))
async def test_the_money_of_a_life_is_known_without_webhooks(remote: ProviderServer, name: str) -> None:
    for which in ("shuffle", "fail-recover", "dispute"):
        events = scenario(name, which)
        serve(remote, name, events)
        found = [one async for one in calls(name, remote).since(LONG_AGO)]
        read, told = money(facts(name, found)), money(known(name, events))
        if name == "lemonsqueezy":  # it shows no attempt that failed: the invoice is there once, and paid
            told = [one for one in told if not (isinstance(one, PaymentSeen) and one.status == "failed")]
        assert read == told, which
        again = [one async for one in calls(name, remote).since(LONG_AGO)]
        assert {one.delivery_id for one in again} == {one.delivery_id for one in found}, "the same state, the same id"


@pytest.mark.parametrize("name", sorted(CALLED))
async def test_a_subscription_is_known_from_what_is_read_again(remote: ProviderServer, name: str) -> None:
    events = scenario(name, "renew")
    serve(remote, name, events)
    [told] = of_kind(known(name, events), SubscriptionSeen)
    found = await calls(name, remote).again(told.subscription_id.rpartition(":")[2])
    [word] = of_kind(facts(name, list(found)), SubscriptionSeen)
    assert replace(word, as_of=told.as_of, account="ada", checkout=None) == replace(told, checkout=None)
    paid = [one for one in money(known(name, events)) if one.subscription_id is not None]
    assert money(facts(name, list(found))) == paid


async def test_orders_of_lemon_squeezy_are_read_a_month_further_back_for_their_refunds(remote: ProviderServer) -> None:
    """One a day, on three pages. The first page goes back for longer than is asked for."""
    [order] = [event for event in scenario("lemonsqueezy", "topup") if event.type == "order_created"]
    orders = [aged(order, days) for days in range(250)]
    orders[40] = aged(order, 40, changed=1)
    serve(remote, "lemonsqueezy", orders[::-1])
    found = [one async for one in calls("lemonsqueezy", remote).since(NOW - timedelta(days=9, hours=12))]
    assert [Payload(json.loads(one.body)).text("data.id") for one in found] == [*map(str, range(10)), "40"]
    assert [dict(one.query)["page[number]"] for one in remote.requests if one.path == "/v1/orders"] == ["1"]
    remote.requests.clear()
    assert len([one async for one in calls("lemonsqueezy", remote).since(LONG_AGO)]) == 250
    asked = [one for one in remote.requests if one.path == "/v1/orders"]
    assert [dict(one.query)["page[number]"] for one in asked] == ["1", "2", "3"]
    assert {dict(one.query)["filter[store_id]"] for one in asked} == {"7"}


def aged(order: Event, days: int, changed: int | None = None) -> Event:
    """An order some days ago, with the days as its id, and changed some days ago."""
    made, updated = NOW - timedelta(days=days), NOW - timedelta(days=days if changed is None else changed)
    data = order.payload["data"]
    attributes = {**data["attributes"], "created_at": made.isoformat(), "updated_at": updated.isoformat()}
    return replace(order, payload={**order.payload, "data": {**data, "id": str(days), "attributes": attributes}})


@pytest.mark.parametrize("name", ["dodo", "lemonsqueezy"])
async def test_no_list_is_read_for_ever(remote: ProviderServer, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"billing.calls.{name}._MOST_PAGES", 2)
    serve(remote, name, scenario(name, "topup"))
    first = "/payments" if name == "dodo" else "/v1/orders"
    whole = remote.answers["GET", first]
    remote.answers["GET", first] = lambda _: {
        under: things * 100 for under, things in whole(Request("GET", first, [("page_size", "1")], {}, b"")).items()
    }
    with pytest.raises(ProviderFailed, match=r"has more than 200 (payments|orders) of that time"):
        [one async for one in calls(name, remote).since(LONG_AGO)]
