"""What events of Paddle Billing say. Its payloads here have the fields of its own types that are read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.facts import DisputeSeen, Incomplete, Item, PaymentSeen, RefundSeen, SubscriptionSeen, joined
from tests.billing.lives import of_kind, read

START = datetime(2026, 11, 1, tzinfo=UTC)
Json = dict[str, Any]


def event(kind: str, data: Json, second: int = 5) -> Json:
    return {
        "event_id": "evt_1",
        "event_type": kind,
        "occurred_at": f"2026-11-01T00:00:{second:02}.123456Z",
        "notification_id": "ntf_1",
        "data": data,
    }


def transaction(kind: str = "transaction.completed", **changes: Any) -> Json:
    data = {
        "id": "txn_1",
        "status": "completed",
        "customer_id": "ctm_1",
        "custom_data": {"account_id": "ada"},
        "currency_code": "EUR",
        "origin": "web",
        "subscription_id": None,
        "collection_mode": "automatic",
        "billing_period": None,
        "items": [{"price": {"id": "pri_1"}, "quantity": 2, "proration": None}],
        "details": {"totals": {"subtotal": "1000", "tax": "190", "total": "1190", "grand_total": "1190"}},
        "created_at": "2026-11-01T00:00:00Z",
        "billed_at": None,
    }
    return event(kind, data | changes)


def adjustment(action: str, adjustment_id: str = "adj_1", **changes: Any) -> Json:
    data = {
        "id": adjustment_id,
        "action": action,
        "transaction_id": "txn_1",
        "status": "approved",
        "currency_code": "EUR",
        "totals": {"subtotal": "500", "tax": "95", "total": "595"},
    }
    return event("adjustment.updated", data | changes)


def subscription(**changes: Any) -> Json:
    data = {
        "id": "sub_1",
        "status": "active",
        "customer_id": "ctm_1",
        "custom_data": {"account_id": "ada"},
        "items": [{"price": {"id": "pri_1"}, "quantity": 1, "trial_dates": None}],
        "current_billing_period": {"starts_at": "2026-11-01T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"},
        "scheduled_change": None,
        "canceled_at": None,
    }
    return event("subscription.updated", data | changes)


def facts(payload: Json) -> list[Any]:
    return list(read("paddle", payload))


def test_a_transaction() -> None:
    assert facts(transaction())[0] == PaymentSeen(
        "paddle:txn_1",
        "paid",
        1_190,
        "EUR",
        START,
        reason="topup",
        items=(Item("pri_1", 2),),
        account="ada",
        customer="paddle:ctm_1",
    )


@pytest.mark.parametrize(
    ("origin", "reason", "subscription_id"),
    [
        ("web", "initial", "paddle:sub_1"),
        ("api", "initial", "paddle:sub_1"),
        ("subscription_recurring", "renewal", "paddle:sub_1"),
        ("subscription_update", "change", "paddle:sub_1"),
        ("subscription_payment_method_change", None, "paddle:sub_1"),
        ("subscription_charge", "topup", None),
    ],
)
def test_a_transaction_of_a_subscription(origin: str, reason: str | None, subscription_id: str | None) -> None:
    period = {"starts_at": "2026-11-01T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}
    payment = facts(transaction(origin=origin, subscription_id="sub_1", billing_period=period))[0]
    assert (payment.reason, payment.subscription_id) == (reason, subscription_id)
    assert (payment.period_start, payment.period_end) == (START, START + timedelta(days=30))


def test_failed_then_paid_is_paid() -> None:
    failed, paid = transaction("transaction.payment_failed"), transaction()
    for order in ([failed, paid], [paid, failed]):
        [payment] = of_kind(joined(fact for one in order for fact in facts(one)), PaymentSeen)
        assert payment.status == "paid"


def test_refunds_that_are_approved_add_up() -> None:
    adjustments = [adjustment("refund", name) for name in ("adj_1", "adj_2", "adj_1")]
    [refund] = joined(fact for one in adjustments for fact in facts(one))
    assert isinstance(refund, RefundSeen)
    assert refund.refunded_minor == 1_190
    for status in ("pending_approval", "rejected"):
        assert facts(adjustment("refund", status=status)) == []


def test_a_chargeback_is_a_dispute_and_its_reversal_wins_it() -> None:
    taken, back = adjustment("chargeback"), adjustment("chargeback_reverse", "adj_2")
    [dispute] = facts(taken)
    assert dispute == DisputeSeen("paddle:txn_1:chargeback", "paddle:txn_1", "open", dispute.at, 595)
    for order in ([taken, back], [back, taken]):
        [seen] = joined(fact for one in order for fact in facts(one))
        assert isinstance(seen, DisputeSeen)
        assert seen.state == "won"


@pytest.mark.parametrize("action", ["chargeback_warning", "credit", "something_new"])
def test_other_adjustments_say_nothing(action: str) -> None:
    assert facts(adjustment(action)) == []


def test_a_word_about_a_subscription() -> None:
    assert facts(subscription())[0] == SubscriptionSeen(
        "paddle:sub_1",
        START + timedelta(seconds=5, microseconds=123_456),
        "active",
        Item("pri_1"),
        period_start=START,
        period_end=START + timedelta(days=30),
        account="ada",
        customer="paddle:ctm_1",
    )


@pytest.mark.parametrize(
    ("changes", "status", "ends"),
    [
        ({"scheduled_change": {"action": "cancel", "effective_at": "2026-12-01T00:00:00Z"}}, "active", 30),
        ({"scheduled_change": {"action": "pause", "effective_at": "2026-12-01T00:00:00Z"}}, "active", None),
        ({"status": "canceled", "canceled_at": "2026-11-06T00:00:00Z"}, "ended", 5),
        ({"status": "past_due"}, "past_due", None),
        ({"status": "paused"}, "paused", None),
        ({"status": "trialing"}, "trialing", None),
    ],
)
def test_the_status_of_a_subscription_and_its_end(changes: Json, status: str, ends: int | None) -> None:
    word = facts(subscription(**changes))[0]
    assert (word.status, word.ends_at) == (status, None if ends is None else START + timedelta(days=ends))


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (transaction(id=None), "data.id"),
        (transaction(details={}), "data.details.totals.grand_total"),
        (transaction(created_at=None), "data.created_at"),
        (adjustment("refund", totals={"total": "5.95"}), "data.totals.total"),
        (adjustment("refund", transaction_id=None), "data.transaction_id"),
        (subscription(status="hibernating"), "data.status"),
        (subscription(items=[]), "data.items.0.price.id"),
        ({"event_type": "transaction.completed"}, "data.id"),
        ({}, "event_type"),
    ],
)
def test_what_a_payload_lacks_is_named(payload: Json, path: str) -> None:
    with pytest.raises(Incomplete) as error:
        facts(payload)
    assert error.value.path == path


@pytest.mark.parametrize("kind", ["transaction.paid", "transaction.created", "customer.created"])
def test_other_types_say_nothing(kind: str) -> None:
    assert facts(event(kind, {})) == []
