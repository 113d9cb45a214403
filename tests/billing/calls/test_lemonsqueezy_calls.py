"""The calls to Lemon Squeezy: each asks what its JavaScript library asks, field by field, and the answers are read."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.calls.access import Access
from billing.calls.calls import HostedPage, ProviderCannot, ProviderFailed, Purchase
from billing.calls.lemonsqueezy import LemonSqueezyCalls
from billing.facts import Item, SubscriptionSeen
from billing.providers.lemonsqueezy import LemonSqueezy
from billing.providers.provider import Delivery
from tests.billing.calls.provider_server import ProviderServer
from tests.billing.calls.serving import serve
from tests.billing.lives import scenario

SUBSCRIPTION = "/v1/subscriptions/41"
ITEM = "/v1/subscription-items/41"
PURCHASE = Purchase("chk_1", "ada", "package", "2001", 3, "https://shop.example/done")
PAGE = "https://shop.lemonsqueezy.com/checkout/custom/1?expires=1&signature=" + "0" * 300
TYPE = "application/vnd.api+json"

Asked = tuple[str, str, list[tuple[str, str]], Any]


def of_subscription(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "subscriptions", "id": "41", "attributes": attributes}}


def words(deliveries: tuple[Delivery, ...]) -> list[SubscriptionSeen]:
    found = [fact for delivery in deliveries for fact in LemonSqueezy().facts(delivery)]
    return [fact for fact in found if isinstance(fact, SubscriptionSeen)]


@pytest.fixture
def calls(remote: ProviderServer) -> LemonSqueezyCalls:
    serve(remote, "lemonsqueezy", scenario("lemonsqueezy", "subscribe"))
    for method in ("PATCH", "DELETE"):
        remote.answers[method, SUBSCRIPTION] = remote.answers["GET", SUBSCRIPTION]
    attributes = {"url": PAGE, "expires_at": None}
    remote.answers["POST", "/v1/checkouts"] = {"data": {"type": "checkouts", "id": "c-1", "attributes": attributes}}
    remote.answers["PATCH", ITEM] = {}
    return LemonSqueezyCalls(Access("lsq_1", remote.url, test=True, store="7"))


CHECKOUT: dict[str, Any] = {
    "type": "checkouts",
    "attributes": {
        "checkout_data": {
            "custom": {"account_id": "ada", "checkout_id": "chk_1"},
            "variant_quantities": [{"variant_id": 2001, "quantity": 3}],
        },
        "product_options": {"redirect_url": PURCHASE.return_url, "enabled_variants": [2001]},
        "test_mode": True,
    },
    "relationships": {
        "store": {"data": {"type": "stores", "id": "7"}},
        "variant": {"data": {"type": "variants", "id": "2001"}},
    },
}
UNTIL = datetime(2027, 1, 31, 12, tzinfo=UTC)


def with_attributes(**more: Any) -> dict[str, Any]:
    return {**CHECKOUT, "attributes": {**CHECKOUT["attributes"], **more}}


CASES: dict[str, tuple[Callable[[LemonSqueezyCalls], Any], list[Asked]]] = {
    "createCheckout": (
        lambda calls: calls.checkout(PURCHASE),
        [("POST", "/v1/checkouts", [], {"data": CHECKOUT})],
    ),
    "createCheckout, of a plan without a trial": (
        lambda calls: calls.checkout(replace(PURCHASE, kind="plan")),
        [("POST", "/v1/checkouts", [], {"data": with_attributes(checkout_options={"skip_trial": True})})],
    ),
    "createCheckout, of a plan with a trial": (
        lambda calls: calls.checkout(replace(PURCHASE, kind="plan", trial_days=7, expires_at=UNTIL)),
        [("POST", "/v1/checkouts", [], {"data": with_attributes(expires_at=UNTIL.isoformat())})],
    ),
    "getSubscription": (
        lambda calls: calls.portal("41", "9", "https://shop.example/"),
        [("GET", SUBSCRIPTION, [], None)],
    ),
    "updateSubscription, at once": (
        lambda calls: calls.change("41", "1002", 1, "now", "k"),
        [("PATCH", SUBSCRIPTION, [], of_subscription(variant_id=1002, invoice_immediately=True))],
    ),
    "updateSubscription, near the end": (
        lambda calls: calls.change("41", "1002", 1, "period_end", "k"),
        [("PATCH", SUBSCRIPTION, [], of_subscription(variant_id=1002, disable_prorations=True))],
    ),
    "updateSubscription, taken back": (
        lambda calls: calls.resume("41", "k"),
        [("PATCH", SUBSCRIPTION, [], of_subscription(cancelled=False))],
    ),
    "updateSubscription, by our id": (
        lambda calls: calls.resume("subscription:41", "k"),
        [("PATCH", SUBSCRIPTION, [], of_subscription(cancelled=False))],
    ),
    "cancelSubscription": (
        lambda calls: calls.cancel("41", "period_end", "k"),
        [("DELETE", SUBSCRIPTION, [], None)],
    ),
    "getOrder": (lambda calls: calls.invoice("order:41001"), [("GET", "/v1/orders/41001", [], None)]),
    "getSubscriptionInvoice": (
        lambda calls: calls.invoice("invoice:41001"),
        [("GET", "/v1/subscription-invoices/41001", [], None)],
    ),
    "listSubscriptionInvoices": (
        lambda calls: calls.again("subscription:41"),
        [
            ("GET", SUBSCRIPTION, [], None),
            ("GET", "/v1/subscription-invoices", [("filter[subscription_id]", "41"), ("page[size]", "100")], None),
        ],
    ),
}
"""Calls of ours, and what the functions of the library ask for."""


async def test_each_call_asks_what_the_library_of_lemon_squeezy_asks(
    remote: ProviderServer, calls: LemonSqueezyCalls
) -> None:
    for name, (ours, asked) in CASES.items():
        remote.requests.clear()
        await ours(calls)
        assert [one.asked for one in remote.requests] == asked, name
        for request in remote.requests:
            told = {header: request.headers.get(header) for header in ("accept", "content-type", "authorization")}
            assert told == {"accept": TYPE, "content-type": TYPE, "authorization": "Bearer lsq_1"}, name


async def test_pages(remote: ProviderServer, calls: LemonSqueezyCalls) -> None:
    assert await calls.checkout(PURCHASE) == HostedPage(PAGE, "c-1")
    assert await calls.portal("41", None, "https://shop.example/") == "https://simulated.lemonsqueezy.com/billing"
    remote.answers["POST", "/v1/checkouts"] = {"data": {"id": "c-1", "attributes": {}}}
    with pytest.raises(ProviderFailed, match=r"nothing usable at attributes\.url"):
        await calls.checkout(replace(PURCHASE, product="no number"))


async def test_how_many_is_said_of_the_item(remote: ProviderServer, calls: LemonSqueezyCalls) -> None:
    await calls.change("41", "1002", 5, "now", "k")
    assert remote.requests[1].asked[:2] == ("PATCH", ITEM)
    told = {"quantity": 5, "invoice_immediately": True}
    assert remote.requests[1].body == {"data": {"type": "subscription-items", "id": "41", "attributes": told}}
    assert [one.method for one in remote.requests] == ["PATCH", "PATCH", "GET"]


async def test_an_end_now_cannot_be_asked_for(remote: ProviderServer, calls: LemonSqueezyCalls) -> None:
    with pytest.raises(ProviderCannot, match="ends a subscription at the end of its period"):
        await calls.cancel("41", "now", "k")
    assert remote.requests == []
    assert not LemonSqueezyCalls.schedules


async def test_a_word_is_as_of_its_last_change_and_the_same_until_the_next(
    remote: ProviderServer, calls: LemonSqueezyCalls
) -> None:
    first, second = await calls.again("41"), await calls.again("41")
    assert first == second
    [word] = words(first)
    assert word.item == Item("1001")
    assert word.as_of < datetime(2026, 11, 30, 12, 1, tzinfo=UTC)
    assert b"customer_portal" not in b"".join(one.body for one in first), "an address that is made anew each time"
