"""Simulated payloads have no field that the providers' own types do not have, and no value of another type."""

from importlib import import_module
from typing import Any

import pytest

from billing.simulation.scenarios import SCENARIOS
from tests.billing.lives import scenario


@pytest.fixture(scope="module")
def shapes() -> Any:
    """The module tests.billing.shapes, which is imported here. See there."""
    return import_module("tests.billing.shapes")


@pytest.mark.parametrize("which", SCENARIOS)
def test_events_of_stripe_are_of_its_types(shapes: Any, which: str) -> None:
    found: list[str] = []
    for event in scenario("stripe", which):
        thing = event.payload["data"]["object"]
        found += shapes.offences_in_object(thing, shapes.THINGS[thing["object"]], event.type)
        found += shapes.offences_in_object({**event.payload, "data": {}}, shapes.stripe.Event, event.type)
        constructed = shapes.stripe.Event.construct_from(event.payload, "no key")
        assert constructed.data.object.id == thing["id"]
    assert found == []


def test_a_field_that_stripe_does_not_have_is_found(shapes: Any) -> None:
    invoice = {"id": 7, "object": "invoice", "paid": True, "lines": {"data": [{"amount": "1"}]}, "currency": None}
    found = shapes.offences_in_object(invoice, shapes.stripe.Invoice, "i")
    assert [one.split(":")[0] for one in found] == ["i.id", "i.paid", "i.lines.data.0.amount", "i.currency"]


@pytest.mark.parametrize("which", SCENARIOS)
def test_events_of_dodo_are_of_its_types(shapes: Any, which: str) -> None:
    """Its `unwrap` takes anything that is signed, so its models are asked themselves, and strictly."""
    for event in scenario("dodo", which):
        model = shapes.DODO.validate_python(event.payload)
        assert model.type == event.type
        assert list(shapes.unknown(model, event.type)) == []


ORDER = """
store_id customer_id identifier order_number user_name user_email currency currency_rate subtotal discount_total tax
total subtotal_usd discount_total_usd tax_usd total_usd tax_name tax_rate status status_formatted refunded refunded_at
subtotal_formatted discount_total_formatted tax_formatted total_formatted first_order_item urls created_at updated_at
test_mode tax_inclusive refunded_amount refunded_amount_usd refunded_amount_formatted
"""
INVOICE = """
store_id subscription_id customer_id user_name user_email billing_reason card_brand card_last_four currency
currency_rate status status_formatted refunded refunded_at subtotal discount_total tax tax_inclusive total
refunded_amount refunded_amount_usd refunded_amount_formatted subtotal_usd discount_total_usd tax_usd total_usd
subtotal_formatted discount_total_formatted tax_formatted total_formatted urls created_at updated_at test_mode
"""
SUBSCRIPTION = """
store_id customer_id order_id order_item_id product_id variant_id product_name variant_name user_name user_email status
status_formatted card_brand card_last_four pause cancelled trial_ends_at billing_anchor first_subscription_item urls
renews_at ends_at created_at updated_at test_mode
"""
LEMON_SQUEEZY = {"orders": ORDER, "subscription-invoices": INVOICE, "subscriptions": SUBSCRIPTION}
"""The attributes in the types of lemonsqueezy.js, and those of orders that only its documents have."""


@pytest.mark.parametrize("which", SCENARIOS)
def test_events_of_lemon_squeezy_have_all_fields_of_its_types_and_no_others(which: str) -> None:
    """It has no library for Python: its fields are listed here, from the types of the one for JavaScript."""
    for event in scenario("lemonsqueezy", which):
        data = event.payload["data"]
        assert data["attributes"].keys() == set(LEMON_SQUEEZY[data["type"]].split())
        assert event.payload.keys() == {"meta", "data"}
        assert event.payload["meta"]["event_name"] == event.type
