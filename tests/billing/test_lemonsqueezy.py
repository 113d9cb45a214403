"""What events of Lemon Squeezy say."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from billing.facts import Incomplete, InvoiceSeen, Item, PaymentSeen, RefundSeen, SubscriptionSeen
from billing.simulation.scenarios import Life, month_after
from billing.simulation.steps import Event
from tests.billing.lives import NOW, known, life, of_kind, read, scenario, told


def first(events: list[Event], kind: str) -> Any:
    """The payload of the first event of a type."""
    return deepcopy(next(event.payload for event in events if event.type == kind))


def facts(payload: Any) -> list[Any]:
    return list(read("lemonsqueezy", payload))


def subscribed() -> Life:
    one = life("lemonsqueezy")
    one.subscribe()
    return one


def events_of(one: Life) -> list[Event]:
    return told("lemonsqueezy", one.steps)


def test_an_order() -> None:
    [event] = scenario("lemonsqueezy", "topup")
    assert facts(event.payload)[0] == PaymentSeen(
        "lemonsqueezy:order:41001",
        "paid",
        1_000,
        "USD",
        event.at,
        reason="topup",
        items=(Item("2001", 1),),
        account="ada",
        customer="lemonsqueezy:customer:41",
    )


def test_where_an_invoice_is_counts_if_it_stays_there() -> None:
    [order] = scenario("lemonsqueezy", "topup")
    invoice = first(events_of(subscribed()), "subscription_payment_success")
    for payload, thing, name in ((order.payload, "order", "receipt"), (invoice, "invoice", "invoice_url")):
        assert of_kind(facts(payload), InvoiceSeen) == [], "a simulated address ends, as the real ones do"
        payload["data"]["attributes"]["urls"][name] = "https://x.example/1?signature=2"
        [seen] = of_kind(facts(payload), InvoiceSeen)
        assert (seen.payment_id, seen.url) == (f"lemonsqueezy:{thing}:41001", "https://x.example/1?signature=2")


def test_an_invoice_names_no_product() -> None:
    payment = facts(first(events_of(subscribed()), "subscription_payment_success"))[0]
    assert payment == PaymentSeen(
        "lemonsqueezy:invoice:41001",
        "paid",
        2_000,
        "USD",
        payment.at,
        reason="initial",
        subscription_id="lemonsqueezy:subscription:41",
        account="ada",
        customer="lemonsqueezy:customer:41",
    )


def test_a_word_about_a_subscription_names_the_product_and_the_end_of_the_period() -> None:
    word = facts(first(events_of(subscribed()), "subscription_created"))[0]
    start = NOW + timedelta(seconds=2)
    assert word == SubscriptionSeen(
        "lemonsqueezy:subscription:41",
        word.as_of,
        "active",
        Item("1001", 1),
        period_end=month_after(start, start.day),
        account="ada",
        customer="lemonsqueezy:customer:41",
    )


def test_orders_and_invoices_with_the_same_number_are_two_payments() -> None:
    """pay-rails/pay#1041: they are numbered in two series that overlap."""
    events = scenario("lemonsqueezy", "subscribe")
    numbers = {event.payload["data"]["type"]: event.payload["data"]["id"] for event in events}
    assert numbers["orders"] == numbers["subscription-invoices"] == "41001"
    ids = [payment.payment_id for payment in of_kind(known("lemonsqueezy", events), PaymentSeen)]
    assert ids == ["lemonsqueezy:invoice:41001", "lemonsqueezy:order:41001"]


def test_the_order_of_a_subscription_names_the_product_of_the_plan() -> None:
    """By its product it is known to be the first payment of a plan, whose invoice says the same money once more."""
    events = scenario("lemonsqueezy", "subscribe")
    [order] = of_kind(facts(first(events, "order_created")), PaymentSeen)
    [word] = of_kind(known("lemonsqueezy", events), SubscriptionSeen)
    assert order.items == (word.item,)
    assert order.subscription_id is None


def test_a_recovered_payment_is_paid_once() -> None:
    """`_recovered` always comes with a second `_success`; failed and paid are one invoice."""
    events = scenario("lemonsqueezy", "fail-recover")
    kinds = {event.type for event in events}
    assert {"subscription_payment_failed", "subscription_payment_success", "subscription_payment_recovered"} <= kinds
    assert facts(first(events, "subscription_payment_recovered")) == []
    for order in (events, events[::-1], [*events, *events]):
        invoices = [one for one in of_kind(known("lemonsqueezy", order), PaymentSeen) if one.subscription_id]
        assert [(one.payment_id, one.status) for one in invoices] == [
            ("lemonsqueezy:invoice:41001", "paid"),
            ("lemonsqueezy:invoice:41002", "paid"),
        ]


def test_a_refund_before_its_order_tells_the_order_too() -> None:
    """singhharsh1708/scrollcraft#263: a refund that came first left no trace, and the order then granted."""
    events = scenario("lemonsqueezy", "refund")
    refunded = [event for event in events if event.type == "order_refunded"]
    alone, all_of_them = known("lemonsqueezy", refunded), known("lemonsqueezy", events)
    assert alone == all_of_them == known("lemonsqueezy", events[::-1])
    assert [payment.status for payment in of_kind(alone, PaymentSeen)] == ["paid"]
    assert of_kind(alone, RefundSeen) == [RefundSeen("lemonsqueezy:order:41001", total_minor=1_000)]


def test_refunds_of_invoices_are_totals_too() -> None:
    one = subscribed()
    one.refund(500)
    one.refund(700)
    seen = known("lemonsqueezy", events_of(one))
    assert of_kind(seen, RefundSeen) == [RefundSeen("lemonsqueezy:invoice:41001", total_minor=1_200)]


def test_a_refund_without_an_amount_was_everything() -> None:
    refund = first(scenario("lemonsqueezy", "refund"), "order_refunded")
    for field in ("refunded_amount", "refunded_amount_usd"):
        del refund["data"]["attributes"][field]
    refund["data"]["attributes"]["refunded"] = True
    [seen] = of_kind(facts(refund), RefundSeen)
    assert seen.total_minor == 1_000


def test_a_cancelled_subscription_still_runs_until_its_end() -> None:
    [word] = of_kind(known("lemonsqueezy", scenario("lemonsqueezy", "cancel")), SubscriptionSeen)
    assert (word.status, word.ends_at) == ("active", word.period_end)
    assert word.ends_at is not None


def test_the_next_attempt_to_charge_is_no_end_of_a_period() -> None:
    """`renews_at` of a subscription that is past due is the next attempt."""
    one = subscribed()
    one.fail_to_renew()
    [word] = of_kind(known("lemonsqueezy", events_of(one)), SubscriptionSeen)
    assert (word.status, word.period_end) == ("past_due", None)


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("on_trial", "trialing"),
        ("active", "active"),
        ("paused", "paused"),
        ("past_due", "past_due"),
        ("unpaid", "past_due"),
        ("cancelled", "active"),
        ("expired", "ended"),
    ],
)
def test_the_status_of_a_subscription(status: str, ours: str) -> None:
    event = first(scenario("lemonsqueezy", "subscribe"), "subscription_created")
    event["data"]["attributes"]["status"] = status
    assert facts(event)[0].status == ours


@pytest.mark.parametrize(
    ("status", "ours"), [("paid", ["paid"]), ("refunded", ["paid"]), ("failed", ["failed"]), ("pending", [])]
)
def test_the_status_of_an_order(status: str, ours: list[str]) -> None:
    [event] = scenario("lemonsqueezy", "topup")
    event.payload["data"]["attributes"]["status"] = status
    assert [payment.status for payment in of_kind(facts(event.payload), PaymentSeen)] == ours


def test_the_time_of_a_payment_does_not_move_with_its_refunds() -> None:
    events = scenario("lemonsqueezy", "refund")
    times = {payment.at for event in events for payment in of_kind(facts(event.payload), PaymentSeen)}
    assert times == {events[0].at}


def test_a_dispute_shows_as_a_refund() -> None:
    """Lemon Squeezy is the merchant of record."""
    events = scenario("lemonsqueezy", "dispute")
    assert [event.type for event in events] == ["order_created", "order_refunded"]


@pytest.mark.parametrize("kind", ["license_key_created", "subscription_payment_recovered", "affiliate_activated"])
def test_other_types_say_nothing(kind: str) -> None:
    assert facts({"meta": {"event_name": kind}, "data": {}}) == []


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("order_created", "meta.event_name"),
        ("order_created", "data.id"),
        ("order_created", "data.attributes.status"),
        ("order_created", "data.attributes.total"),
        ("order_created", "data.attributes.created_at"),
        ("subscription_payment_success", "data.attributes.currency"),
        ("subscription_payment_success", "data.attributes.subscription_id"),
        ("subscription_created", "data.attributes.status"),
        ("subscription_created", "data.attributes.variant_id"),
        ("subscription_created", "data.attributes.updated_at"),
    ],
)
@pytest.mark.parametrize("value", [None, {}, [], -1, "", "\x00", True])
def test_what_a_payload_lacks_is_named(kind: str, path: str, value: Any) -> None:
    payload = first(scenario("lemonsqueezy", "subscribe"), kind)
    *parents, name = path.split(".")
    place = payload
    for parent in parents:
        place = place[parent]
    place[name] = value
    with pytest.raises(Incomplete) as error:
        facts(payload)
    assert error.value.path == path
