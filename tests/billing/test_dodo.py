"""What events of Dodo Payments say."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from billing.facts import (
    DisputeSeen,
    Incomplete,
    InvoiceSeen,
    Item,
    PaymentSeen,
    ProductSeen,
    RefundSeen,
    SubscriptionSeen,
    joined,
)
from billing.simulation.scenarios import Life, month_after
from billing.simulation.steps import Event
from tests.billing.lives import NOW, known, life, of_kind, read, scenario, told


def first(events: list[Event], kind: str) -> Any:
    """The payload of the first event of a type."""
    return deepcopy(next(event.payload for event in events if event.type == kind))


def facts(payload: Any) -> list[Any]:
    return list(read("dodo", payload))


def subscribed() -> Life:
    one = life("dodo")
    one.subscribe()
    return one


def events_of(one: Life) -> list[Event]:
    return told("dodo", one.steps)


def test_a_single_payment() -> None:
    [event] = scenario("dodo", "topup")
    payment = facts(event.payload)[0]
    assert payment == PaymentSeen(
        "dodo:pay_41_1_0",
        "paid",
        1_000,
        "USD",
        event.at,
        reason="topup",
        items=(Item("pdt_credits", 1),),
        account="ada",
        customer="dodo:cus_41",
    )


def test_a_payment_says_where_its_invoice_is() -> None:
    [event] = scenario("dodo", "topup")
    assert of_kind(facts(event.payload), InvoiceSeen) == []
    for url, found in (("https://x.example/1", 1), ("javascript:alert(1)", 0), ("https://x.example/ 1", 0), (7, 0)):
        event.payload["data"]["invoice_url"] = url
        seen = [InvoiceSeen("dodo:pay_41_1_0", str(url), event.at)] * found
        assert of_kind(facts(event.payload), InvoiceSeen) == seen


def test_a_cart_of_several_products() -> None:
    [event] = scenario("dodo", "topup")
    cart = [("b", 1), ("a", 2), ("b", 3)]
    event.payload["data"]["product_cart"] = [{"product_id": product, "quantity": count} for product, count in cart]
    assert facts(event.payload)[0].items == (Item("a", 2), Item("b", 4))


def test_a_payment_of_a_subscription_names_no_product() -> None:
    events = events_of(subscribed())
    payment = facts(first(events, "payment.succeeded"))[0]
    start = NOW + timedelta(seconds=2)
    assert payment == PaymentSeen(
        "dodo:pay_41_1_0",
        "paid",
        2_000,
        "USD",
        payment.at,
        reason="initial",
        subscription_id="dodo:sub_41",
        period_start=start,
        period_end=month_after(start, start.day),
        account="ada",
        customer="dodo:cus_41",
    )


def test_the_word_about_a_renewal_names_the_product_of_its_payment() -> None:
    word, product, *_ = facts(first(events_of(subscribed()), "subscription.renewed"))
    assert isinstance(word, SubscriptionSeen)
    assert product == ProductSeen(
        "dodo:pay_41_1_0", "dodo:sub_41", Item("pdt_lite"), word.as_of, word.period_start, word.period_end
    )


def test_words_about_a_subscription_are_no_payments() -> None:
    """`subscription.active`, `payment.succeeded` and `subscription.renewed` are one purchase: only a payment grants."""
    events = scenario("dodo", "subscribe")
    assert {event.type for event in events} == {"subscription.active", "payment.succeeded", "subscription.renewed"}
    assert [payment.payment_id for payment in of_kind(known("dodo", events), PaymentSeen)] == ["dodo:pay_41_1_0"]


def test_a_late_delivery_shows_the_next_month_and_does_not_move_the_product() -> None:
    """Dodo sends "the latest payload at the time of delivery": a late `subscription.active` has next month's dates."""
    one = subscribed()
    one.renew()
    one.upgrade()
    events = events_of(one)
    in_time = known("dodo", events)
    late = first(events, "subscription.renewed")
    late["data"] |= {"product_id": "pdt_pro", "timestamp": None}
    late["timestamp"] = (NOW + timedelta(days=40)).isoformat()
    seen = joined([*in_time, *facts(late)])
    assert of_kind(seen, ProductSeen) == of_kind(in_time, ProductSeen)
    assert of_kind(seen, PaymentSeen) == of_kind(in_time, PaymentSeen)


def test_each_attempt_is_a_payment_of_its_own() -> None:
    seen = known("dodo", scenario("dodo", "fail-recover"))
    assert {payment.payment_id: payment.status for payment in of_kind(seen, PaymentSeen)} == {
        "dodo:pay_41_1_0": "paid",
        "dodo:pay_41_2_0": "failed",
        "dodo:pay_41_2_1": "paid",
    }


def test_a_change_is_for_what_is_left_of_the_period() -> None:
    initial, change = of_kind(known("dodo", scenario("dodo", "upgrade")), PaymentSeen)
    assert (initial.reason, change.reason) == ("initial", "change")
    assert change.period_end == initial.period_end
    assert change.period_start == change.at > initial.period_start


def test_a_payment_for_several_subscriptions_is_for_the_first() -> None:
    payment = first(events_of(subscribed()), "payment.succeeded")
    payment["data"] |= {"subscription_id": None, "is_multi_subscription": True, "subscription_ids": ["sub_7", "sub_8"]}
    assert facts(payment)[0].subscription_id == "dodo:sub_7"


def test_a_renewal_without_a_time_of_service_was_for_usage_alone() -> None:
    """Dodo's own words: such a payment does not extend the service period. So it must not pay for one."""
    one = subscribed()
    one.renew()
    renewal = told("dodo", one.steps[-1:])[0].payload
    assert facts(renewal)[0].reason == "renewal"
    renewal["data"]["service_periods"] = []
    usage = facts(renewal)[0]
    assert (usage.reason, usage.subscription_id, usage.period_end) == (None, "dodo:sub_41", None)
    del renewal["data"]["service_periods"]  # before Dodo told them
    assert facts(renewal)[0].reason == "renewal"


def test_a_new_means_of_payment_is_no_payment() -> None:
    payment = first(events_of(subscribed()), "payment.succeeded")
    payment["data"] |= {"is_update_payment_method": True, "total_amount": 0}
    assert facts(payment) == []


def test_single_refunds_add_up_and_duplicates_do_not() -> None:
    """Each refund has its own amount and id, and each may be delivered twice."""
    events = scenario("dodo", "refund")
    refunds = (("dodo:ref_41_1_1000", 500), ("dodo:ref_41_1_500", 500))
    for order in (events, [*events, *events], events[::-1]):
        [refund] = of_kind(known("dodo", order), RefundSeen)
        assert refund == RefundSeen("dodo:pay_41_1_0", refunds=refunds)
        assert refund.refunded_minor == 1_000


@pytest.mark.parametrize(
    ("what", "state"),
    [
        ("opened", "open"),
        ("challenged", "open"),
        ("expired", "open"),
        ("won", "won"),
        ("cancelled", "won"),
        ("lost", "lost"),
        ("accepted", "lost"),
    ],
)
def test_a_dispute_goes_by_its_event(what: str, state: str) -> None:
    dispute = first(scenario("dodo", "dispute"), "dispute.opened")
    dispute["type"] = f"dispute.{what}"
    [seen] = facts(dispute)
    assert (seen.dispute_id, seen.payment_id, seen.state) == ("dodo:dis_41_1", "dodo:pay_41_1_0", state)


@pytest.mark.parametrize(
    ("amount", "minor"),
    [("1000", 1_000), ("0", 0), ("10.00", None), ("", None), ("-5", None), ("1e3", None), (None, None), ("²", None)],
)
def test_the_amount_of_a_dispute_is_a_text(amount: Any, minor: int | None) -> None:
    dispute = first(scenario("dodo", "dispute"), "dispute.opened")
    dispute["data"]["amount"] = amount
    [seen] = of_kind(facts(dispute), DisputeSeen)
    assert seen.amount_minor == minor


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("pending", "incomplete"),
        ("active", "active"),
        ("on_hold", "past_due"),
        ("past_due", "past_due"),
        ("paused", "paused"),
        ("cancelled", "ended"),
        ("failed", "ended"),
        ("expired", "ended"),
    ],
)
def test_the_status_of_a_subscription(status: str, ours: str) -> None:
    event = first(scenario("dodo", "subscribe"), "subscription.active")
    event["data"]["status"] = status
    assert facts(event)[0].status == ours


def test_a_trial_is_active_at_dodo_and_ends_some_days_after_the_beginning() -> None:
    event = first(scenario("dodo", "subscribe"), "subscription.active")
    event["data"]["trial_period_days"] = 14
    word = facts(event)[0]
    assert (word.status, word.trial_ends_at) == ("trialing", word.period_start + timedelta(days=14))
    event["timestamp"] = word.trial_ends_at.isoformat()
    assert facts(event)[0].status == "active"


def test_cancelled_at_the_next_billing_date_it_still_runs() -> None:
    [word] = of_kind(known("dodo", scenario("dodo", "cancel")), SubscriptionSeen)
    assert (word.status, word.ends_at) == ("active", word.period_end)


def test_a_plan_that_changes_later_is_told() -> None:
    event = first(scenario("dodo", "subscribe"), "subscription.active")
    event["data"]["scheduled_change"] = {"product_id": "pdt_lite", "effective_at": "2026-12-30T00:00:00Z"}
    assert facts(event)[0].next_product == "pdt_lite"


@pytest.mark.parametrize("kind", ["payment.processing", "payment.cancelled", "credit.added", "license_key.created"])
def test_other_types_say_nothing(kind: str) -> None:
    assert facts({"type": kind, "data": {}}) == []


def test_a_new_event_about_a_subscription_is_a_word_too() -> None:
    event = first(scenario("dodo", "subscribe"), "subscription.active")
    assert facts(event | {"type": "subscription.moved_to_the_moon"}) == facts(event)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("payment.succeeded", "data.payment_id"),
        ("payment.succeeded", "data.total_amount"),
        ("payment.succeeded", "data.currency"),
        ("refund.succeeded", "data.amount"),
        ("refund.succeeded", "data.refund_id"),
        ("refund.succeeded", "data.payment_id"),
        ("dispute.opened", "data.dispute_id"),
        ("dispute.opened", "timestamp"),
        ("subscription.active", "data.status"),
        ("subscription.active", "data.product_id"),
        ("subscription.active", "timestamp"),
    ],
)
@pytest.mark.parametrize("value", [None, {}, [], -1, "", "\x00", True])
def test_what_a_payload_lacks_is_named(kind: str, path: str, value: Any) -> None:
    events = [event for which in ("subscribe", "refund", "dispute") for event in scenario("dodo", which)]
    payload = first(events, kind)
    *parents, name = path.split(".")
    place = payload
    for parent in parents:
        place = place[parent]
    place[name] = value
    with pytest.raises(Incomplete) as error:
        facts(payload)
    assert error.value.path == path


def test_a_status_that_nobody_knows_is_named() -> None:
    event = first(scenario("dodo", "subscribe"), "subscription.active")
    event["data"]["status"] = "hibernating"
    with pytest.raises(Incomplete) as error:
        facts(event)
    assert error.value.path == "data.status"
