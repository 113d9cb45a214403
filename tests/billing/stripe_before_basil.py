"""Events of Stripe in the shape that they had before 2025-03-31.basil, made of those of today field by field."""

from copy import deepcopy
from typing import Any

API_VERSION = "2024-11-20.acacia"
Json = dict[str, Any]


def older(payload: Json) -> Json:
    """The event as an account with the older API version gets it."""
    event = deepcopy(payload) | {"api_version": API_VERSION}
    thing = event["data"]["object"]
    change = {"invoice": _invoice, "subscription": _subscription, "charge": _charge}.get(thing["object"])
    if change is not None:
        change(thing)
    return event


def _invoice(invoice: Json) -> None:
    """An invoice had its subscription and its payment itself."""
    details = invoice.pop("parent")["subscription_details"]
    invoice |= {
        "subscription": details["subscription"],
        "subscription_details": {"metadata": details["metadata"]},
        "payment_intent": invoice["id"].replace("in_", "pi_"),
        "charge": invoice["id"].replace("in_", "ch_"),
        "paid": invoice["status"] == "paid",
    }
    del invoice["amount_overpaid"]
    for line in invoice["lines"]["data"]:
        _line(line)


def _line(line: Json) -> None:
    """A line had a whole price, and said itself whether it is for a part of a period."""
    item, pricing = line.pop("parent")["subscription_item_details"], line.pop("pricing")
    price = pricing["price_details"]
    line |= {
        "type": "invoiceitem" if item["proration"] else "subscription",
        "proration": item["proration"],
        "proration_details": item["proration_details"],
        "subscription": item["subscription"],
        "subscription_item": item["subscription_item"],
        "price": {"id": price["price"], "object": "price", "product": price["product"], "type": "recurring"},
        "plan": {"id": price["price"], "object": "plan", "product": price["product"]},
        "tax_amounts": [],
        "tax_rates": [],
    }
    del line["taxes"]


def _subscription(subscription: Json) -> None:
    """A subscription had its period itself, not in its items."""
    for item in subscription["items"]["data"]:
        subscription["current_period_start"] = item.pop("current_period_start")
        subscription["current_period_end"] = item.pop("current_period_end")


def _charge(charge: Json) -> None:
    """A charge named its invoice."""
    charge["invoice"] = None
