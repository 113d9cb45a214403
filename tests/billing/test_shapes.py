"""Simulated payloads have no field that the providers' own types do not have, and no value of another type."""

import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import dodopayments.types as dodo_types
import pytest
import stripe
from dodopayments._models import BaseModel
from pydantic import TypeAdapter

from billing.simulation.scenarios import SCENARIOS
from tests.billing.lives import scenario

THINGS: Mapping[str, type] = {
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "dispute": stripe.Dispute,
    "invoice": stripe.Invoice,
    "invoice_payment": stripe.InvoicePayment,
    "subscription": stripe.Subscription,
}
"""Stripe's types of the objects that events are about, by the name that an object gives itself."""
DODO = TypeAdapter(dodo_types.UnwrapWebhookEvent)


class Names(dict[str, Any]):
    """The names in the annotations of a type: those of its module and class, and else whatever Stripe calls so."""

    def __missing__(self, name: str) -> Any:
        return getattr(stripe, name, Any)


@cache
def hints(kind: type) -> dict[str, Any]:
    """The fields of a type of Stripe. Its annotations name types that are imported for type checkers alone."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__[:-1]):
        if issubclass(base, stripe.StripeObject) and base is not stripe.StripeObject:
            found |= get_type_hints(base, {}, Names(vars(sys.modules[base.__module__]) | vars(base)))
    return found


def offences(value: Any, kind: Any, path: str) -> Iterator[str]:
    """What in a value is not of a type, by its path."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Union, UnionType):
        found = [list(offences(value, one, path)) for one in arguments]
        yield from min(found, key=len)
    elif origin is Literal:
        if value not in arguments:
            yield f"{path}: {value!r} is none of {arguments}"
    elif origin is list and isinstance(value, list):
        for place, one in enumerate(value):
            yield from offences(one, arguments[0], f"{path}.{place}")
    elif origin is stripe.ListObject and isinstance(value, dict):
        yield from offences(value["data"], list[arguments[0]], f"{path}.data")  # type: ignore[valid-type]
    elif isinstance(kind, type) and issubclass(kind, stripe.StripeObject) and isinstance(value, dict):
        yield from offences_in_object(value, kind, path)
    elif isinstance(origin, type) and issubclass(origin, stripe.StripeObject) and isinstance(value, dict):
        return  # metadata: any texts
    elif kind is Decimal and isinstance(value, str):
        Decimal(value)  # a text in JSON
    elif not isinstance(kind, type) or type(value) is not kind:
        yield f"{path}: {value!r} is no {kind}"


def offences_in_object(value: dict[str, Any], kind: type, path: str) -> Iterator[str]:
    for name, one in value.items():
        if name in hints(kind):
            yield from offences(one, hints(kind)[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: {kind.__qualname__} has no such field"


@pytest.mark.parametrize("which", SCENARIOS)
def test_events_of_stripe_are_of_its_types(which: str) -> None:
    found: list[str] = []
    for event in scenario("stripe", which):
        thing = event.payload["data"]["object"]
        found += offences_in_object(thing, THINGS[thing["object"]], event.type)
        found += offences_in_object({**event.payload, "data": {}}, stripe.Event, event.type)
        constructed = stripe.Event.construct_from(event.payload, "no key")
        assert constructed.data.object.id == thing["id"]
    assert found == []


def test_a_field_that_stripe_does_not_have_is_found() -> None:
    invoice = {"id": 7, "object": "invoice", "paid": True, "lines": {"data": [{"amount": "1"}]}, "currency": None}
    assert [one.split(":")[0] for one in offences_in_object(invoice, stripe.Invoice, "i")] == [
        "i.id",
        "i.paid",
        "i.lines.data.0.amount",
        "i.currency",
    ]


def unknown(model: Any, path: str) -> Iterator[str]:
    """The fields that a model of Dodo's library took without knowing them, by their paths."""
    if isinstance(model, BaseModel):
        yield from (f"{path}.{name}" for name in model.model_extra or {})
        for name in type(model).model_fields:
            yield from unknown(getattr(model, name), f"{path}.{name}")
    elif isinstance(model, list):
        for place, one in enumerate(model):
            yield from unknown(one, f"{path}.{place}")


@pytest.mark.parametrize("which", SCENARIOS)
def test_events_of_dodo_are_of_its_types(which: str) -> None:
    """Its `unwrap` takes anything that is signed, so its models are asked themselves, and strictly."""
    for event in scenario("dodo", which):
        model = DODO.validate_python(event.payload)
        assert model.type == event.type
        assert list(unknown(model, event.type)) == []


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
