"""What events of Polar say. Its payloads here have the fields of its own types that are read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.facts import Incomplete, Item, PaymentSeen, RefundSeen, SubscriptionSeen, joined
from tests.billing.lives import of_kind, read

START = datetime(2026, 11, 1, tzinfo=UTC)
Json = dict[str, Any]


def order(**changes: Any) -> Json:
    data = {
        "id": "ord_1",
        "created_at": "2026-11-01T00:00:00Z",
        "modified_at": None,
        "status": "paid",
        "paid": True,
        "subtotal_amount": 1_900,
        "discount_amount": 0,
        "net_amount": 1_900,
        "tax_amount": 361,
        "total_amount": 2_261,
        "refunded_amount": 0,
        "refunded_tax_amount": 0,
        "currency": "eur",
        "billing_reason": "purchase",
        "customer_id": "cus_1",
        "product_id": "prod_1",
        "subscription_id": None,
        "checkout_id": "polar_checkout",
        "metadata": {"account_id": "ada"},
        "customer": {"id": "cus_1", "external_id": "external"},
    }
    return {"type": "order.paid", "timestamp": "2026-11-01T00:00:05Z", "data": data | changes}


def subscription(**changes: Any) -> Json:
    data = {
        "id": "sub_1",
        "created_at": "2026-11-01T00:00:00Z",
        "status": "active",
        "current_period_start": "2026-11-01T00:00:00Z",
        "current_period_end": "2026-12-01T00:00:00Z",
        "trial_end": None,
        "cancel_at_period_end": False,
        "ends_at": None,
        "ended_at": None,
        "customer_id": "cus_1",
        "product_id": "prod_1",
        "checkout_id": None,
        "metadata": {},
        "customer": {"id": "cus_1", "external_id": "ada"},
    }
    return {"type": "subscription.updated", "timestamp": "2026-11-01T00:00:05Z", "data": data | changes}


def facts(payload: Json) -> list[Any]:
    return list(read("polar", payload))


def test_an_order() -> None:
    assert facts(order())[0] == PaymentSeen(
        "polar:ord_1",
        "paid",
        2_261,
        "EUR",
        START,
        reason="topup",
        items=(Item("prod_1"),),
        account="ada",
        customer="polar:cus_1",
    )


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("subscription_create", "initial"),
        ("subscription_cycle", "renewal"),
        ("subscription_meter_cycle", None),
        ("subscription_update", "change"),
        ("something_new", None),
    ],
)
def test_an_order_of_a_subscription(reason: str, ours: str | None) -> None:
    payment = facts(order(billing_reason=reason, subscription_id="sub_1"))[0]
    assert (payment.reason, payment.subscription_id) == (ours, "polar:sub_1")


def line(amount: int, start: int, end: int, *, proration: bool) -> Json:
    """A line of an order, for a time from one day of the month to another."""
    times = {"start_timestamp": f"2026-11-{start:02}T00:00:00Z", "end_timestamp": f"2026-11-{end:02}T00:00:00Z"}
    return {"label": "-", "amount": amount, "proration": proration, "product_price_id": None, **times}


def test_an_order_pays_for_the_time_of_its_largest_line() -> None:
    whole, old, new = (
        line(500, 1, 30, proration=False),
        line(-900, 11, 30, proration=True),
        line(990, 12, 30, proration=True),
    )
    for lines, day in (([old, whole, new], 1), ([new, old], 12)):
        payment = facts(order(subscription_id="sub_1", items=lines))[0]
        assert (payment.period_start.day, payment.period_end.day) == (day, 30)
    untimed = whole | {"end_timestamp": None}
    for single in (
        order(items=[whole]),
        order(subscription_id="sub_1", items=[untimed]),
        order(subscription_id="sub_1"),
    ):
        assert facts(single)[0].period_start is None


@pytest.mark.parametrize(("status", "count"), [("pending", 0), ("refunded", 1), ("partially_refunded", 1)])
def test_only_an_order_that_is_paid_is_a_payment(status: str, count: int) -> None:
    assert len(of_kind(facts(order(status=status)), PaymentSeen)) == count


def test_a_refund_tells_the_order_and_all_that_went_back_with_its_tax() -> None:
    parts = [order(status="partially_refunded", refunded_amount=amount, refunded_tax_amount=19) for amount in (100, 50)]
    seen = joined(fact for part in parts for fact in facts(part | {"type": "order.refunded"}))
    assert of_kind(seen, RefundSeen) == [RefundSeen("polar:ord_1", total_minor=119)]
    assert len(of_kind(seen, PaymentSeen)) == 1


def test_a_word_about_a_subscription() -> None:
    pending = {"product_id": "prod_2", "applies_at": "2026-12-01T00:00:00Z"}
    assert facts(subscription(pending_update=pending))[0] == SubscriptionSeen(
        "polar:sub_1",
        START + timedelta(seconds=5),
        "active",
        Item("prod_1"),
        next_product="prod_2",
        period_start=START,
        period_end=START + timedelta(days=30),
        account="ada",
        customer="polar:cus_1",
    )


@pytest.mark.parametrize(
    ("changes", "status", "ends"),
    [
        ({"cancel_at_period_end": True}, "active", 30),
        ({"cancel_at_period_end": True, "ends_at": "2026-11-11T00:00:00Z"}, "active", 10),
        ({"status": "canceled", "ended_at": "2026-11-06T00:00:00Z"}, "ended", 5),
        ({"status": "incomplete_expired"}, "ended", None),
        ({"status": "unpaid"}, "past_due", None),
        ({"status": "trialing"}, "trialing", None),
    ],
)
def test_the_status_of_a_subscription_and_its_end(changes: Json, status: str, ends: int | None) -> None:
    word = facts(subscription(**changes))[0]
    assert (word.status, word.ends_at) == (status, None if ends is None else START + timedelta(days=ends))


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (order(id=None), "data.id"),
        (order(total_amount=None), "data.total_amount"),
        (order(created_at="soon"), "data.created_at"),
        (subscription(status="hibernating"), "data.status"),
        (subscription(product_id=None), "data.product_id"),
        ({"type": "order.paid"}, "data.status"),
        ({}, "type"),
    ],
)
def test_what_a_payload_lacks_is_named(payload: Json, path: str) -> None:
    with pytest.raises(Incomplete) as error:
        facts(payload)
    assert error.value.path == path


@pytest.mark.parametrize(
    "kind", ["checkout.updated", "benefit_grant.created", "customer.state_changed", "refund.created"]
)
def test_other_types_say_nothing(kind: str) -> None:
    assert facts({"type": kind, "data": {}}) == []
