"""The calls to Stripe: each asks what Stripe's own library asks, and the answers are read as its webhooks are."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.calls.access import Access
from billing.calls.calls import HostedPage, ProviderFailed, Purchase
from billing.calls.stripe import StripeCalls
from billing.facts import Fact, Item, Link, PaymentSeen, SubscriptionSeen
from billing.providers.provider import Delivery
from billing.providers.stripe import EVENTS, Stripe
from tests.billing.calls.provider_server import ProviderServer, Request
from tests.billing.calls.serving import dated

KEY = "sk_test_1"
SUBSCRIPTION = "/v1/subscriptions/sub_1"
SCHEDULE = "/v1/subscription_schedules/sub_sched_1"
START, END = 1_793_448_000, 1_796_040_000
PURCHASE = Purchase("chk_1", "ada", "plan", "price_pro", 1, "https://shop.example/done", "https://shop.example/back")
PAGE = "https://pay.example/" + "c" * 400 + "#fid"
SINCE = datetime(2026, 11, 28, tzinfo=UTC)


def subscription(**more: Any) -> dict[str, Any]:
    price = {"id": "price_pro", "object": "price"}
    item = {"id": "si_1", "price": price, "quantity": 1, "current_period_start": START, "current_period_end": END}
    return {
        "id": "sub_1",
        "object": "subscription",
        "status": "active",
        "livemode": False,
        "customer": "cus_1",
        "metadata": {"account_id": "ada", "checkout_id": "chk_1"},
        "items": {"object": "list", "data": [item]},
        "cancel_at_period_end": False,
        "cancel_at": None,
        "schedule": None,
        "pending_update": None,
        **more,
    }


def invoice(**more: Any) -> dict[str, Any]:
    line = {"amount": 5000, "quantity": 1, "pricing": {"price_details": {"price": "price_pro"}}}
    return {
        "id": "in_1",
        "object": "invoice",
        "status": "paid",
        "livemode": False,
        "customer": "cus_1",
        "billing_reason": "subscription_cycle",
        "amount_paid": 5000,
        "amount_due": 5000,
        "currency": "usd",
        "attempted": True,
        "created": START,
        "status_transitions": {"paid_at": START + 60, "finalized_at": START + 30},
        "lines": {"object": "list", "data": [{**line, "period": {"start": START, "end": END}}]},
        "parent": {"subscription_details": {"subscription": "sub_1", "metadata": {"account_id": "ada"}}},
        "payments": {"object": "list", "data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_1"}}]},
        **more,
    }


def client(url: str) -> Any:
    """The client of Stripe's own library, which takes a second to import."""
    import stripe

    return stripe.StripeClient(KEY, base_addresses={"api": url}, max_network_retries=0).v1


def facts(deliveries: Iterable[Delivery]) -> list[Fact]:
    return [fact for delivery in deliveries for fact in Stripe().facts(delivery)]


@pytest.fixture
def calls(remote: ProviderServer) -> StripeCalls:
    phase = {"start_date": START, "end_date": END}
    remote.answers |= {
        ("GET", SUBSCRIPTION): dated(subscription()),
        ("POST", SUBSCRIPTION): dated(subscription()),
        ("DELETE", SUBSCRIPTION): dated(subscription(status="canceled", ended_at=START)),
        ("POST", "/v1/subscription_schedules"): {"id": "sub_sched_1", "current_phase": phase},
        ("GET", SCHEDULE): {"id": "sub_sched_1", "current_phase": phase},
        ("POST", SCHEDULE): {"id": "sub_sched_1"},
        ("POST", f"{SCHEDULE}/release"): {"id": "sub_sched_1"},
        ("POST", "/v1/checkout/sessions"): {"id": "cs_1", "url": PAGE, "expires_at": END},
        ("POST", "/v1/billing_portal/sessions"): {"id": "bps_1", "url": PAGE},
        ("GET", "/v1/invoices"): {"object": "list", "data": [], "has_more": False},
        ("GET", "/v1/events"): {"object": "list", "data": [], "has_more": False},
    }
    return StripeCalls(Access(KEY, remote.url))


async def collected(calls: StripeCalls) -> list[Delivery]:
    return [delivery async for delivery in calls.since(SINCE)]


SESSION = {
    "client_reference_id": "ada",
    "success_url": PURCHASE.return_url,
    "cancel_url": PURCHASE.cancel_url,
    "metadata": {"account_id": "ada", "checkout_id": "chk_1", "price_id": "price_pro", "quantity": "1"},
}
MADE: dict[str, tuple[Callable[[StripeCalls], Any], Callable[[Any], Any]]] = {
    "a plan": (
        lambda calls: calls.checkout(replace(PURCHASE, trial_days=14, customer="cus_1")),
        lambda stripe: stripe.checkout.sessions.create(
            {
                **SESSION,
                "mode": "subscription",
                "customer": "cus_1",
                "line_items": [{"price": "price_pro", "quantity": 1}],
                "subscription_data": {"metadata": SESSION["metadata"], "trial_period_days": 14},
            }
        ),
    ),
    "a package": (
        lambda calls: calls.checkout(replace(PURCHASE, kind="package")),
        lambda stripe: stripe.checkout.sessions.create(
            {
                **SESSION,
                "mode": "payment",
                "line_items": [{"price": "price_pro", "quantity": 1}],
                "payment_intent_data": {"metadata": SESSION["metadata"]},
            }
        ),
    ),
    "the portal": (
        lambda calls: calls.portal("sub_1", "cus_1", "https://shop.example/"),
        lambda stripe: stripe.billing_portal.sessions.create(
            {"customer": "cus_1", "return_url": "https://shop.example/"}
        ),
    ),
    "a change now": (
        lambda calls: calls.change("sub_1", "price_max", 2, "now", "k"),
        lambda stripe: stripe.subscriptions.update(
            "sub_1",
            {
                "items": [{"id": "si_1", "price": "price_max", "quantity": 2}],
                "proration_behavior": "always_invoice",
                "payment_behavior": "pending_if_incomplete",
                "expand": ["latest_invoice"],
            },
        ),
    ),
    "the phases of a schedule": (
        lambda calls: calls.change("sub_1", "price_lite", 1, "period_end", "k"),
        lambda stripe: stripe.subscription_schedules.update(
            "sub_sched_1",
            {
                "end_behavior": "release",
                "proration_behavior": "none",
                "phases": [
                    {"start_date": START, "end_date": END, "items": [{"price": "price_pro", "quantity": 1}]},
                    {"items": [{"price": "price_lite", "quantity": 1}], "proration_behavior": "none"},
                ],
            },
        ),
    ),
    "a schedule": (
        lambda calls: calls.change("sub_1", "price_lite", 1, "period_end", "k"),
        lambda stripe: stripe.subscription_schedules.create({"from_subscription": "sub_1"}),
    ),
    "the note of a schedule": (
        lambda calls: calls.change("sub_1", "price_lite", 1, "period_end", "k"),
        lambda stripe: stripe.subscriptions.update("sub_1", {"metadata": {"next_price_id": "price_lite"}}),
    ),
    "the end of a period": (
        lambda calls: calls.cancel("sub_1", "period_end", "k"),
        lambda stripe: stripe.subscriptions.update("sub_1", {"cancel_at_period_end": True}),
    ),
    "an end now": (
        lambda calls: calls.cancel("sub_1", "now", "k"),
        lambda stripe: stripe.subscriptions.cancel("sub_1"),
    ),
    "a subscription": (lambda calls: calls.again("sub_1"), lambda stripe: stripe.subscriptions.retrieve("sub_1")),
    "its invoices": (
        lambda calls: calls.again("sub_1"),
        lambda stripe: stripe.invoices.list({"subscription": "sub_1", "limit": 100, "expand": ["data.payments"]}),
    ),
    "events": (
        collected,
        lambda stripe: stripe.events.list(
            {"created": {"gte": int(SINCE.timestamp())}, "limit": 100, "types": list(EVENTS)}
        ),
    ),
}
"""Each call of ours, and the one of the library that asks the same."""


async def test_each_call_asks_what_the_library_of_stripe_asks(remote: ProviderServer, calls: StripeCalls) -> None:
    stripe = client(remote.url)
    for name, (ours, theirs) in MADE.items():
        remote.requests.clear()
        await ours(calls)
        asked = remote.requests.copy()
        remote.requests.clear()
        theirs(stripe)
        [request] = remote.requests
        same = [one for one in asked if one.asked == request.asked]
        assert len(same) == 1, f"{name}: {[one.asked for one in asked]}, not {request.asked}"
        told = ("authorization", "stripe-version", *(["content-type"] if request.method == "POST" else []))
        assert {header: same[0].headers[header] for header in told} == {
            header: request.headers[header] for header in told
        }, name


async def test_calls_that_change_something_have_keys_of_their_own(remote: ProviderServer, calls: StripeCalls) -> None:
    """The same call with the same key is carried out once; the parts of one call must not be taken for each other."""
    await calls.checkout(PURCHASE)
    await calls.change("sub_1", "price_lite", 1, "period_end", "k")
    await calls.change("sub_1", "price_lite", 1, "now", "k")
    await calls.cancel("sub_1", "period_end", "k")
    keys = [one.headers.get("idempotency-key") for one in remote.requests if one.method == "POST"]
    assert keys == ["chk_1", "k:schedule", "k:phases", "k:note", "k:change", "k:cancel"]


async def test_a_checkout_is_a_page_until_it_expires(remote: ProviderServer, calls: StripeCalls) -> None:
    assert await calls.checkout(PURCHASE) == HostedPage(PAGE, "cs_1", datetime.fromtimestamp(END, UTC))
    await calls.checkout(replace(PURCHASE, account_id="a" * 201, cancel_url=None))
    names = dict(remote.requests[-1].body)
    assert "client_reference_id" not in names
    assert names["metadata[account_id]"] == "a" * 201
    assert "cancel_url" not in names
    for url in (None, "javascript:alert(1)", "https://x.example/ y", 7):
        remote.answers["POST", "/v1/checkout/sessions"] = {"id": "cs_1", "url": url}
        with pytest.raises(ProviderFailed, match=r"^Stripe answered with nothing usable at url\.$"):
            await calls.checkout(PURCHASE)


async def test_the_portal_is_that_of_the_customer_of_the_subscription(
    remote: ProviderServer, calls: StripeCalls
) -> None:
    assert await calls.portal("sub_1", None, "https://shop.example/") == PAGE
    assert ("customer", "cus_1") in remote.requests[-1].body


async def test_a_change_that_is_paid_is_read_as_webhooks_would_be(remote: ProviderServer, calls: StripeCalls) -> None:
    remote.answers["POST", SUBSCRIPTION] = dated(subscription(latest_invoice=invoice()))
    changed = await calls.change("sub_1", "price_pro", 1, "now", "k")
    assert changed.page is None
    word = facts(changed.deliveries)[0]
    assert isinstance(word, SubscriptionSeen)
    assert word.as_of == datetime(2026, 11, 30, 12, 0, 7, tzinfo=UTC), "a second before the call, by Stripe's clock"
    assert (word.account, word.checkout, word.item) == ("ada", "chk_1", Item("price_pro"))
    assert word.period_end == datetime.fromtimestamp(END, UTC)
    paid = next(fact for fact in facts(changed.deliveries) if isinstance(fact, PaymentSeen))
    assert (paid.payment_id, paid.status, paid.amount_minor) == ("stripe:in_1", "paid", 5000)
    assert Link("stripe:pi_1", "stripe:in_1") in facts(changed.deliveries)


async def test_a_change_that_waits_for_its_payment_has_a_page(remote: ProviderServer, calls: StripeCalls) -> None:
    waits = subscription(
        pending_update={"expires_at": END}, latest_invoice=invoice(status="open", hosted_invoice_url=PAGE)
    )
    remote.answers["POST", SUBSCRIPTION] = waits
    changed = await calls.change("sub_1", "price_max", 1, "now", "k")
    assert changed.page == HostedPage(PAGE, "in_1", datetime.fromtimestamp(END, UTC))


async def test_a_scheduled_change_is_known_from_each_webhook_until_it_happened(
    remote: ProviderServer, calls: StripeCalls
) -> None:
    noted = {"account_id": "ada", "next_price_id": "price_lite"}
    remote.answers["POST", SUBSCRIPTION] = subscription(schedule="sub_sched_1", metadata=noted)
    changed = await calls.change("sub_1", "price_lite", 1, "period_end", "k")
    assert [one.next_product for one in facts(changed.deliveries) if isinstance(one, SubscriptionSeen)] == [
        "price_lite"
    ]
    remote.answers["GET", SUBSCRIPTION] = subscription(schedule="sub_sched_1", metadata=noted)
    assert remote.asked()[1:] == [
        ("POST", "/v1/subscription_schedules"),
        ("POST", SCHEDULE),
        ("POST", SUBSCRIPTION),
    ]
    await calls.change("sub_1", "price_lite", 1, "period_end", "k2")
    assert remote.asked()[1:] == [("GET", SCHEDULE), ("POST", SCHEDULE), ("POST", SUBSCRIPTION)], "it has one already"
    happened = {"id": "price_lite", "object": "price"}
    for after in (
        subscription(metadata=noted),
        subscription(schedule="sub_sched_1", metadata=noted, items={"data": [{"price": happened}]}),
    ):
        remote.answers["GET", SUBSCRIPTION] = after
        [word] = [one for one in facts(await calls.again("sub_1")) if isinstance(one, SubscriptionSeen)]
        assert word.next_product is None


async def test_a_schedule_lets_go_before_anything_else_changes(remote: ProviderServer, calls: StripeCalls) -> None:
    remote.answers["GET", SUBSCRIPTION] = subscription(schedule="sub_sched_1")
    first = [("GET", SUBSCRIPTION), ("POST", f"{SCHEDULE}/release")]
    await calls.change("sub_1", "price_max", 1, "now", "k")
    assert remote.asked() == [*first, ("POST", SUBSCRIPTION)]
    await calls.cancel("sub_1", "period_end", "k")
    assert remote.asked() == [*first, ("POST", SUBSCRIPTION)]
    await calls.resume("sub_1", "k")
    assert remote.asked() == [*first, ("GET", SUBSCRIPTION)]
    trial = subscription(status="trialing", trial_end=END)
    remote.answers["GET", SUBSCRIPTION] = trial
    await calls.change("sub_1", "price_lite", 1, "period_end", "k")
    [phases] = [dict(one.body) for one in remote.requests if one.path == SCHEDULE]
    assert phases["phases[0][trial_end]"] == str(END), "a trial is not cut short by a later change"


async def test_what_ends_is_taken_back(remote: ProviderServer, calls: StripeCalls) -> None:
    for ends, fields in (
        ({"cancel_at_period_end": True, "cancel_at": END}, [("cancel_at_period_end", "false")]),
        ({"cancel_at": END}, [("cancel_at", "")]),
    ):
        remote.answers["GET", SUBSCRIPTION] = subscription(**ends)
        await calls.resume("sub_1", "k")
        assert remote.requests[-1].body == fields
    remote.answers["GET", SUBSCRIPTION] = subscription()
    remote.requests.clear()
    assert len((await calls.resume("sub_1", "k")).deliveries) == 1
    assert remote.asked() == [("GET", SUBSCRIPTION)], "there is nothing to take back"


async def test_what_is_read_again_is_the_same_delivery_for_the_same_invoice(
    remote: ProviderServer, calls: StripeCalls
) -> None:
    failed = invoice(id="in_2", status="open", attempted=True)
    remote.answers["GET", "/v1/invoices"] = {"data": [invoice(), failed, invoice(id="in_3", status="draft")]}
    first, second = await calls.again("sub_1"), await calls.again("sub_1")
    assert [one.delivery_id for one in first] == ["read_sub_1_1796040007", "read_in_1_paid", "read_in_2_failed"]
    assert [one.body for one in first] == [one.body for one in second]
    assert [one.live for one in first] == [False, False, False]
    paid = [(one.payment_id, one.status) for one in facts(first) if isinstance(one, PaymentSeen)]
    assert paid == [("stripe:in_1", "paid"), ("stripe:in_2", "failed")]


async def test_all_pages_of_events_are_read(
    remote: ProviderServer, calls: StripeCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        {
            "id": f"evt_{number}",
            "type": "invoice.paid",
            "created": START,
            "livemode": True,
            "data": {"object": invoice()},
        }
        for number in range(5)
    ]

    def page(request: Request) -> Any:
        after = dict(request.query).get("starting_after")
        first = [one["id"] for one in events].index(after) + 1 if after else 0
        return {"data": events[first : first + 2], "has_more": first + 2 < len(events)}

    remote.answers["GET", "/v1/events"] = page
    found = await collected(calls)
    assert [(one.delivery_id, one.type, one.live) for one in found] == [
        (f"evt_{number}", "invoice.paid", True) for number in range(5)
    ]
    assert [json.loads(one.body) for one in found] == events
    monkeypatch.setattr("billing.calls.stripe._MOST_PAGES", 2)
    with pytest.raises(ProviderFailed, match=r"has more than 200 events of that time: ask for a shorter one\.$"):
        await collected(calls)
