"""What events of Stripe say, in the shapes of both its API versions."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.facts import (
    DisputeSeen,
    Fact,
    Incomplete,
    Item,
    Link,
    PaymentSeen,
    RefundSeen,
    SubscriptionSeen,
    joined,
)
from billing.providers.stripe import Stripe
from billing.simulation.scenarios import Life, month_after
from billing.simulation.steps import Event
from tests.billing.lives import NOW, known, life, of_kind, read, scenario, told
from tests.billing.stripe_before_basil import older


def first(events: list[Event], kind: str) -> Any:
    """The payload of the first event of a type."""
    return deepcopy(next(event.payload for event in events if event.type == kind))


def facts(payload: Any) -> list[Fact]:
    return read("stripe", payload)


def subscribed() -> Life:
    one = life("stripe")
    one.subscribe()
    return one


def events_of(one: Life) -> list[Event]:
    return told("stripe", one.steps)


def test_a_single_payment() -> None:
    [event] = scenario("stripe", "topup")
    created = datetime.fromtimestamp(event.payload["created"], UTC)
    [payment, *links] = facts(event.payload)
    assert payment == PaymentSeen(
        "stripe:pi_41_1",
        "paid",
        1_000,
        "USD",
        created,
        reason="topup",
        items=(Item("price_credits", 1),),
        account="ada",
        customer="stripe:cus_41",
    )
    assert set(links) == {Link("stripe:pi_41_1", "account:ada"), Link("stripe:cus_41", "account:ada")}


def test_a_payment_of_a_subscription() -> None:
    events = events_of(subscribed())
    [payment] = of_kind(facts(first(events, "invoice.paid")), PaymentSeen)
    start = NOW + timedelta(seconds=2)
    assert payment == PaymentSeen(
        "stripe:in_41_1",
        "paid",
        2_000,
        "USD",
        payment.at,
        reason="initial",
        subscription_id="stripe:sub_41",
        items=(Item("price_lite", 1),),
        period_start=start,
        period_end=month_after(start, start.day),
        account="ada",
        customer="stripe:cus_41",
    )


def test_a_word_about_a_subscription() -> None:
    [word] = of_kind(facts(first(events_of(subscribed()), "customer.subscription.created")), SubscriptionSeen)
    start = NOW + timedelta(seconds=2)
    assert word == SubscriptionSeen(
        "stripe:sub_41",
        word.as_of,
        "active",
        Item("price_lite", 1),
        period_start=start,
        period_end=month_after(start, start.day),
        account="ada",
        customer="stripe:cus_41",
    )


@pytest.mark.parametrize("which", ["subscribe", "renew", "fail-recover", "upgrade", "cancel", "refund"])
def test_old_and_new_shapes_give_equal_facts(which: str) -> None:
    """Each event by itself, but for the payment intents of an invoice: today they come in an event of their own."""
    events = scenario("stripe", which)
    for event in events:
        new, old = (
            [fact for fact in facts(payload) if not isinstance(fact, Link)]
            for payload in (event.payload, older(event.payload))
        )
        assert new == old, event.type
    assert [event for event in events if older(event.payload)["data"] != event.payload["data"]]
    names = {fact for fact in known("stripe", events) if isinstance(fact, Link)}
    old_names = {fact for event in events for fact in facts(older(event.payload)) if isinstance(fact, Link)}
    assert names <= old_names


def test_checkout_and_invoice_do_not_both_pay() -> None:
    """masumi-network/sokosumi#1846: the session of a subscription and its first invoice are one purchase."""
    events = scenario("stripe", "subscribe")
    assert {"checkout.session.completed", "invoice.paid"} <= {event.type for event in events}
    assert [payment.payment_id for payment in of_kind(known("stripe", events), PaymentSeen)] == ["stripe:in_41_1"]


def test_a_single_payment_with_an_invoice_is_one_payment() -> None:
    """The same for a single payment for which the seller lets Stripe write an invoice."""
    session = scenario("stripe", "topup")[0].payload
    session["data"]["object"]["invoice"] = "in_41_1"
    invoice = first(events_of(subscribed()), "invoice.paid")
    invoice["data"]["object"] |= {"parent": None, "billing_reason": "manual"}
    seen = joined([*facts(session), *facts(invoice)])
    [payment] = of_kind(seen, PaymentSeen)
    assert (payment.payment_id, payment.reason, payment.subscription_id) == ("stripe:in_41_1", "topup", None)
    assert Link("stripe:pi_41_1", "stripe:in_41_1") in seen


def test_an_invoice_before_its_session_knows_whose_it_is() -> None:
    """mickasmt/next-saas-stripe-starter#42: `invoice.paid` came a second before `checkout.session.completed`."""
    events = scenario("stripe", "subscribe")
    [payment] = of_kind(facts(first(events, "invoice.paid")), PaymentSeen)
    assert payment.account == "ada"
    # And when the seller put the account into the session alone, the links of the session say it.
    links = set(facts(first(events, "checkout.session.completed")))
    things = {"stripe:in_41_1", "stripe:sub_41", "stripe:cus_41"}
    assert links == {Link(thing, "account:ada") for thing in things}


def test_created_incomplete_and_updated_active_in_one_second() -> None:
    """laravel/cashier-stripe#1201, TryGhost/Members#240, stripe-cli#418."""
    updated = first(scenario("stripe", "subscribe"), "customer.subscription.created")
    created = deepcopy(updated)
    created["data"]["object"]["status"] = "incomplete"
    for order in ([created, updated], [updated, created]):
        [word] = of_kind(joined(fact for payload in order for fact in facts(payload)), SubscriptionSeen)
        assert word.status == "active"


def test_a_renewal_is_for_the_price_of_its_invoice() -> None:
    """theopenco/llmgateway#2909: the invoice was drafted an hour before the plan was changed."""
    one = subscribed()
    one.renew()
    one.upgrade()
    renewals = [fact for fact in known("stripe", events_of(one)) if isinstance(fact, PaymentSeen)]
    assert [(payment.reason, payment.product) for payment in renewals] == [
        ("initial", "price_lite"),
        ("renewal", "price_lite"),
        ("change", "price_pro"),
    ]


def test_the_period_of_a_payment_is_that_of_its_line() -> None:
    """`invoice.period_start` and `period_end` are about when items were added to the invoice, not about service."""
    one = subscribed()
    one.pass_days(10)
    one.upgrade()
    change = of_kind(known("stripe", events_of(one)), PaymentSeen)[1]
    initial = of_kind(known("stripe", events_of(one)), PaymentSeen)[0]
    assert change.period_end == initial.period_end
    assert change.period_start == change.at > initial.period_start


def test_an_invoice_that_is_paid_after_the_subscription_ended_is_paid() -> None:
    """hackerai-tech/hackerai#956."""
    one = subscribed()
    one.fail_to_renew()
    one.end()
    one.recover()
    seen = known("stripe", events_of(one))
    assert [(payment.status, payment.reason) for payment in of_kind(seen, PaymentSeen)] == [
        ("paid", "initial"),
        ("paid", "renewal"),
    ]


def test_failed_then_paid_is_one_payment_that_is_paid() -> None:
    events = scenario("stripe", "fail-recover")
    assert "invoice.payment_failed" in {event.type for event in events}
    for order in (events, events[::-1]):
        seen = {payment.payment_id: payment.status for payment in of_kind(known("stripe", order), PaymentSeen)}
        assert seen == {"stripe:in_41_1": "paid", "stripe:in_41_2": "paid"}


def test_an_invoice_of_nothing_says_so() -> None:
    """restrictcontentpro#595, #325: the invoice of a trial. Whether it grants is not the provider's affair."""
    invoice = first(scenario("stripe", "subscribe"), "invoice.paid")
    invoice["data"]["object"] |= {"amount_paid": 0, "amount_due": 0}
    [payment] = of_kind(facts(invoice), PaymentSeen)
    assert (payment.status, payment.amount_minor) == ("paid", 0)


def test_a_single_refund_says_that_it_is_done_or_failed() -> None:
    refund = {"id": "re_1", "object": "refund", "amount": 500, "charge": "ch_1", "payment_intent": "pi_1"}
    for kind, status, seen in (
        ("created", "pending", []),
        ("created", "succeeded", [RefundSeen("stripe:pi_1", refunds=(("stripe:re_1", 500),))]),
        ("updated", "canceled", [RefundSeen("stripe:pi_1", failed=(("stripe:re_1", 500),))]),
        ("failed", "failed", [RefundSeen("stripe:pi_1", failed=(("stripe:re_1", 500),))]),
    ):
        event = {"type": f"refund.{kind}", "created": 1, "data": {"object": {**refund, "status": status}}}
        found = facts(event)
        assert of_kind(found, RefundSeen) == seen
        assert (Link("stripe:ch_1", "stripe:pi_1") in found) == bool(seen)


def test_refunds_are_totals_of_the_payment_intent() -> None:
    """A partial refund and the rest: the larger total counts, in whatever order they come."""
    events = scenario("stripe", "refund")
    for order in (events, events[::-1]):
        seen = known("stripe", order)
        assert of_kind(seen, RefundSeen) == [RefundSeen("stripe:pi_41_1", total_minor=1_000)]
        assert Link("stripe:ch_41_1", "stripe:pi_41_1") in seen


def test_the_payment_intent_of_an_invoice_comes_in_an_event_of_its_own() -> None:
    links = facts(first(scenario("stripe", "subscribe"), "invoice_payment.paid"))
    assert links == [Link("stripe:pi_41_1", "stripe:in_41_1")]


def test_money_withdrawn_at_the_opening_of_a_dispute_is_not_lost() -> None:
    """elizaOS/eliza#10997: `funds_withdrawn` comes when a dispute is opened."""
    events = scenario("stripe", "dispute")
    withdrawn = first(events, "charge.dispute.funds_withdrawn")
    [dispute] = of_kind(facts(withdrawn), DisputeSeen)
    assert (dispute.state, dispute.amount_minor, dispute.payment_id) == ("open", 1_000, "stripe:pi_41_1")
    assert [one.state for one in of_kind(known("stripe", events), DisputeSeen)] == ["lost"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("needs_response", "open"),
        ("under_review", "open"),
        ("won", "won"),
        ("prevented", "won"),
        ("warning_closed", "won"),
        ("lost", "lost"),
    ],
)
def test_a_dispute_goes_by_its_status(status: str, state: str) -> None:
    dispute = first(scenario("stripe", "dispute"), "charge.dispute.closed")
    dispute["data"]["object"]["status"] = status
    assert [one.state for one in of_kind(facts(dispute), DisputeSeen)] == [state]


@pytest.mark.parametrize("status", ["warning_needs_response", "warning_under_review"])
def test_an_inquiry_is_no_dispute(status: str) -> None:
    dispute = first(scenario("stripe", "dispute"), "charge.dispute.created")
    dispute["data"]["object"]["status"] = status
    assert facts(dispute) == []


@pytest.mark.parametrize(
    ("mode", "payment_status", "paid"),
    [("payment", "paid", True), ("payment", "no_payment_required", True), ("payment", "unpaid", False),
     ("subscription", "paid", False), ("setup", "no_payment_required", False)],
)  # fmt: skip
def test_only_a_session_that_is_paid_pays(mode: str, payment_status: str, paid: bool) -> None:  # noqa: FBT001
    session = scenario("stripe", "topup")[0].payload
    session["data"]["object"] |= {"mode": mode, "payment_status": payment_status}
    assert bool(of_kind(facts(session), PaymentSeen)) == paid


def test_a_payment_that_takes_days_is_paid_or_fails_later() -> None:
    """A bank transfer: the session is complete while the money is on its way."""
    session = scenario("stripe", "topup")[0].payload
    outcomes = {"async_payment_succeeded": "paid", "async_payment_failed": "failed"}
    for what, status in outcomes.items():
        session["type"] = f"checkout.session.{what}"
        session["data"]["object"]["payment_status"] = "paid" if status == "paid" else "unpaid"
        assert [one.status for one in of_kind(facts(session), PaymentSeen)] == [status]


def test_a_session_of_a_coupon_for_everything_has_no_intent() -> None:
    session = scenario("stripe", "topup")[0].payload
    session["data"]["object"] |= {"payment_intent": None, "amount_total": 0, "payment_status": "no_payment_required"}
    [payment] = of_kind(facts(session), PaymentSeen)
    assert (payment.payment_id, payment.amount_minor) == ("stripe:cs_41_1", 0)


def test_a_session_with_line_items_goes_by_them() -> None:
    """A webhook has none. A session that was read again may."""
    session = scenario("stripe", "topup")[0].payload
    lines = [{"price": {"id": "price_b"}, "quantity": 2}, {"price": {"id": "price_a"}, "quantity": 1}]
    session["data"]["object"]["line_items"] = {"object": "list", "data": lines}
    [payment] = of_kind(facts(session), PaymentSeen)
    assert payment.items == (Item("price_a", 1), Item("price_b", 2))


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "many", "", "9" * 16, None, 3, "²"])
def test_a_quantity_in_metadata_that_is_none_is_one(quantity: Any) -> None:
    session = scenario("stripe", "topup")[0].payload
    session["data"]["object"]["metadata"]["quantity"] = quantity
    [payment] = of_kind(facts(session), PaymentSeen)
    assert payment.items == (Item("price_credits", 3 if quantity == 3 else 1),)


def test_a_reference_of_ours_is_told_with_all_that_came_of_a_session() -> None:
    session = first(scenario("stripe", "subscribe"), "checkout.session.completed")
    session["data"]["object"]["metadata"]["checkout_id"] = "7"
    assert Link("stripe:sub_41", "checkout:7") in facts(session)


def test_cancelled_at_the_end_of_the_period_it_still_runs() -> None:
    words = of_kind(known("stripe", scenario("stripe", "cancel")), SubscriptionSeen)
    assert [(word.status, word.ends_at) for word in words] == [("active", words[0].period_end)]


def test_cancelled_at_the_end_without_a_date_ends_with_the_period() -> None:
    cancelled = first(scenario("stripe", "cancel"), "customer.subscription.updated")
    cancelled["data"]["object"] |= {"cancel_at": None, "cancel_at_period_end": True}
    [word] = of_kind(facts(cancelled), SubscriptionSeen)
    assert word.ends_at == word.period_end is not None


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("incomplete", "incomplete"),
        ("incomplete_expired", "ended"),
        ("trialing", "trialing"),
        ("active", "active"),
        ("past_due", "past_due"),
        ("unpaid", "past_due"),
        ("paused", "paused"),
        ("canceled", "ended"),
    ],
)
def test_the_status_of_a_subscription(status: str, ours: str) -> None:
    event = first(scenario("stripe", "subscribe"), "customer.subscription.created")
    event["data"]["object"]["status"] = status
    assert [word.status for word in of_kind(facts(event), SubscriptionSeen)] == [ours]


def test_objects_that_are_whole_count_as_their_ids() -> None:
    """Whoever reads an object again may have expanded its references."""
    invoice = first(scenario("stripe", "subscribe"), "invoice.paid")
    plain = facts(invoice)
    thing = invoice["data"]["object"]
    thing["customer"] = {"id": thing["customer"], "object": "customer"}
    details = thing["parent"]["subscription_details"]
    details["subscription"] = {"id": details["subscription"], "object": "subscription"}
    assert facts(invoice) == plain


@pytest.mark.parametrize(
    "kind", ["invoice.payment_succeeded", "payment_intent.succeeded", "customer.created", "v9.new"]
)
def test_other_types_say_nothing(kind: str) -> None:
    assert facts({"type": kind, "data": {}}) == []


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("invoice.paid", "data.object.id"),
        ("invoice.paid", "data.object.amount_paid"),
        ("invoice.paid", "data.object.currency"),
        ("charge.refunded", "data.object.amount_refunded"),
        ("charge.dispute.created", "data.object.status"),
        ("customer.subscription.created", "data.object.status"),
        ("customer.subscription.created", "created"),
        ("customer.subscription.created", "data.object.items.data.0.price"),
        ("checkout.session.completed", "data.object.mode"),
    ],
)
@pytest.mark.parametrize("value", [None, {}, [], -1, "", "\x00", True])
def test_what_a_payload_lacks_is_named(kind: str, path: str, value: Any) -> None:
    events = [event for which in ("subscribe", "refund", "dispute", "topup") for event in scenario("stripe", which)]
    payload = first(events, kind)
    *parents, name = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = payload
    for parent in parents:
        place = place[parent]
    place[name] = value
    with pytest.raises(Incomplete) as error:
        facts(payload)
    assert error.value.path == path


@pytest.mark.parametrize(("body", "path"), [(b"", "$"), (b"[]", "$"), (b"{}", "type"), (b'{"type": 0.5}', "type")])
def test_a_body_that_is_no_event_is_named(body: bytes, path: str) -> None:
    with pytest.raises(Incomplete) as error:
        facts(body)
    assert error.value.path == path


def test_it_goes_by_its_name() -> None:
    assert Stripe().name == "stripe"
