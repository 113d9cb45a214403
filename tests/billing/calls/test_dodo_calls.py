"""The calls to Dodo Payments: each asks what its own library asks, and the answers are read as its webhooks are."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.calls.access import Access
from billing.calls.calls import HostedPage, ProviderFailed, Purchase
from billing.calls.dodo import LIVE, TEST, DodoCalls
from billing.facts import Item, SubscriptionSeen
from billing.providers.dodo import Dodo
from billing.providers.provider import Delivery
from tests.billing.calls.provider_server import ProviderServer
from tests.billing.calls.serving import ANSWERED, dated, serve
from tests.billing.lives import scenario

KEY = "dodo_test_1"
SUBSCRIPTION = "/subscriptions/sub_41"
CHANGE = f"{SUBSCRIPTION}/change-plan"
PURCHASE = Purchase("chk_1", "ada", "plan", "pdt_pro", 2, "https://shop.example/done", "https://shop.example/back")
PAGE = "https://checkout.example/session/cks_1"
SINCE = datetime(2026, 11, 28, tzinfo=UTC)


def client(url: str) -> Any:
    """The client of Dodo's own library, which takes a second to import."""
    from dodopayments import DodoPayments

    return DodoPayments(bearer_token=KEY, base_url=url, max_retries=0)


async def collected(calls: DodoCalls) -> list[Delivery]:
    return [delivery async for delivery in calls.since(SINCE)]


def words(deliveries: tuple[Delivery, ...]) -> list[SubscriptionSeen]:
    found = [fact for delivery in deliveries for fact in Dodo().facts(delivery)]
    return [fact for fact in found if isinstance(fact, SubscriptionSeen)]


@pytest.fixture
def calls(remote: ProviderServer) -> DodoCalls:
    serve(remote, "dodo", scenario("dodo", "subscribe"))
    remote.answers |= {
        ("PATCH", SUBSCRIPTION): remote.answers["GET", SUBSCRIPTION],
        ("POST", CHANGE): {},
        ("DELETE", f"{CHANGE}/scheduled"): {},
        ("POST", "/checkouts"): {"session_id": "cks_1", "checkout_url": PAGE},
        ("POST", "/customers/cus_41/customer-portal/session"): {"link": PAGE},
    }
    return DodoCalls(Access(KEY, remote.url))


def changed_to(remote: ProviderServer, **more: Any) -> None:
    """Let the subscription be something else."""
    found = remote.answers["GET", SUBSCRIPTION]
    remote.answers["GET", SUBSCRIPTION] = dated({**json.loads(found.content), **more})


MADE: dict[str, tuple[Callable[[DodoCalls], Any], Callable[[Any], Any]]] = {
    "a checkout": (
        lambda calls: calls.checkout(replace(PURCHASE, trial_days=14, customer="cus_41")),
        lambda dodo: dodo.checkout_sessions.create(
            product_cart=[{"product_id": "pdt_pro", "quantity": 2}],
            metadata={"account_id": "ada", "checkout_id": "chk_1"},
            customer={"customer_id": "cus_41"},
            subscription_data={"trial_period_days": 14},
            return_url=PURCHASE.return_url,
            cancel_url=PURCHASE.cancel_url,
        ),
    ),
    "the portal": (
        lambda calls: calls.portal("sub_41", "cus_41", "https://shop.example/"),
        lambda dodo: dodo.customers.customer_portal.create("cus_41", return_url="https://shop.example/"),
    ),
    "a change now": (
        lambda calls: calls.change("sub_41", "pdt_pro", 2, "now", "k"),
        lambda dodo: dodo.subscriptions.change_plan(
            "sub_41",
            product_id="pdt_pro",
            quantity=2,
            proration_billing_mode="prorated_immediately",
            effective_at="immediately",
            on_payment_failure="prevent_change",
            cancel_scheduled_change_plan=True,
        ),
    ),
    "a change with the renewal": (
        lambda calls: calls.change("sub_41", "pdt_lite", 1, "period_end", "k"),
        lambda dodo: dodo.subscriptions.change_plan(
            "sub_41",
            product_id="pdt_lite",
            quantity=1,
            proration_billing_mode="full_immediately",
            effective_at="next_billing_date",
            on_payment_failure="apply_change",
            cancel_scheduled_change_plan=True,
        ),
    ),
    "the end of a period": (
        lambda calls: calls.cancel("sub_41", "period_end", "k"),
        lambda dodo: dodo.subscriptions.update("sub_41", cancel_at_next_billing_date=True),
    ),
    "an end now": (
        lambda calls: calls.cancel("sub_41", "now", "k"),
        lambda dodo: dodo.subscriptions.update("sub_41", status="cancelled"),
    ),
    "an end taken back": (
        lambda calls: calls.resume("sub_41", "k"),
        lambda dodo: dodo.subscriptions.update("sub_41", cancel_at_next_billing_date=False),
    ),
    "a subscription": (
        lambda calls: calls.again("sub_41"),
        lambda dodo: dodo.subscriptions.retrieve("sub_41"),
    ),
    "its payments": (
        lambda calls: calls.again("sub_41"),
        lambda dodo: dodo.payments.list(subscription_id="sub_41", page_size=10, page_number=0),
    ),
    "a payment, for its invoice": (
        lambda calls: calls.invoice("pay_41_1_0"),
        lambda dodo: dodo.payments.retrieve("pay_41_1_0"),
    ),
    "a payment": (collected, lambda dodo: dodo.payments.retrieve("pay_41_1_0")),
    "payments": (collected, lambda dodo: dodo.payments.list(created_at_gte=SINCE, page_size=100, page_number=0)),
    "refunds": (collected, lambda dodo: dodo.refunds.list(created_at_gte=SINCE, page_size=100, page_number=0)),
    "disputes": (collected, lambda dodo: dodo.disputes.list(created_at_gte=SINCE, page_size=100, page_number=0)),
    "subscriptions": (
        collected,
        lambda dodo: dodo.subscriptions.list(created_at_gte=SINCE, page_size=100, page_number=0),
    ),
}
"""Each call of ours, and the one of the library that asks the same."""


async def test_each_call_asks_what_the_library_of_dodo_asks(remote: ProviderServer, calls: DodoCalls) -> None:
    dodo = client(remote.url)
    for name, (ours, theirs) in MADE.items():
        remote.requests.clear()
        await ours(calls)
        asked = remote.requests.copy()
        remote.requests.clear()
        theirs(dodo)
        [request] = remote.requests
        same = [one for one in asked if one.asked == request.asked]
        assert len(same) == 1, f"{name}: {[one.asked for one in asked]}, not {request.asked}"
        told = ("authorization", *(["content-type"] if request.content else []))
        assert {header: same[0].headers[header] for header in told} == {
            header: request.headers[header] for header in told
        }, name
    changed_to(remote, scheduled_change={"product_id": "pdt_lite", "quantity": 1})
    remote.requests.clear()
    await calls.resume("sub_41", "k")
    taken_back = remote.requests[1].asked
    dodo.subscriptions.cancel_change_plan("sub_41")
    assert remote.requests[-1].asked == taken_back, "a change that is scheduled is taken back as well"


def test_each_mode_has_an_address_of_its_own() -> None:
    dodo = {"live_mode": LIVE, "test_mode": TEST}
    from dodopayments import DodoPayments

    for mode, address in dodo.items():
        made = DodoPayments(bearer_token=KEY, environment=mode)  # type: ignore[arg-type]
        assert str(made.base_url).rstrip("/") == address
        assert str(DodoCalls(Access(KEY, test=mode == "test_mode"))._api._client.base_url).rstrip("/") == address


async def test_pages_and_what_they_need(remote: ProviderServer, calls: DodoCalls) -> None:
    assert await calls.checkout(PURCHASE) == HostedPage(PAGE, "cks_1")
    without = {"product_cart", "metadata", "return_url", "cancel_url"}
    assert set(remote.requests[-1].body) == {*without, "subscription_data"}
    assert remote.requests[-1].body["subscription_data"] == {"trial_period_days": 0}, "not the trial of the product"
    await calls.checkout(replace(PURCHASE, kind="package"))
    assert set(remote.requests[-1].body) == without
    assert await calls.portal("sub_41", None, "https://shop.example/") == PAGE, "the customer of the subscription"
    remote.answers["POST", "/checkouts"] = {"session_id": "cks_1", "checkout_url": None}
    with pytest.raises(ProviderFailed, match="nothing usable at checkout_url"):
        await calls.checkout(PURCHASE)


async def test_a_change_that_is_done_is_not_asked_for_again(remote: ProviderServer, calls: DodoCalls) -> None:
    """Dodo knows no idempotency keys, and would take money a second time."""
    await calls.change("sub_41", "pdt_pro", 1, "now", "k")
    assert remote.asked() == [("GET", SUBSCRIPTION), ("POST", CHANGE), ("GET", SUBSCRIPTION)]
    changed_to(remote, product_id="pdt_pro")
    changed = await calls.change("sub_41", "pdt_pro", 1, "now", "k")
    assert remote.asked() == [("GET", SUBSCRIPTION)]
    assert [word.item for word in words(changed.deliveries)] == [Item("pdt_pro")]
    changed_to(remote, scheduled_change={"product_id": "pdt_lite", "quantity": 1})
    changed = await calls.change("sub_41", "pdt_lite", 1, "period_end", "k")
    assert remote.asked() == [("GET", SUBSCRIPTION)]
    assert [word.next_product for word in words(changed.deliveries)] == ["pdt_lite"]


async def test_a_change_may_have_to_be_paid_on_a_page(remote: ProviderServer, calls: DodoCalls) -> None:
    remote.answers["POST", CHANGE] = {"payment_link": PAGE, "payment_id": "pay_9", "expires_on": "2026-12-01T00:00:00Z"}
    changed = await calls.change("sub_41", "pdt_pro", 1, "now", "k")
    assert changed.page == HostedPage(PAGE, "pay_9", datetime(2026, 12, 1, tzinfo=UTC))


async def test_a_word_is_as_of_the_second_before_it_was_asked_for(remote: ProviderServer, calls: DodoCalls) -> None:
    """Dodo says of no subscription when it changed. An event that comes later must count for more."""
    changed_to(remote)
    [word] = words(await calls.again("sub_41"))
    assert word.as_of == ANSWERED - timedelta(seconds=2)
    assert (word.account, word.status) == ("ada", "active")
