"""A provider's API over the things of a simulated life, as they are at its end."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from billing.simulation.steps import Event
from tests.billing.calls.provider_server import ProviderServer, Raw, Request

Json = dict[str, Any]
Things = list[Json]
ANSWERED = datetime(2026, 11, 30, 12, 0, 9, tzinfo=UTC)


def dated(thing: Json, at: datetime = ANSWERED) -> Raw:
    """An answer at a known time."""
    return Raw(200, json.dumps(thing).encode(), {"Date": format_datetime(at, usegmt=True)})


def serve(server: ProviderServer, name: str, events: Sequence[Event]) -> None:
    """Answer as a provider at which some events happened, a minute after the last one, the newest first."""
    {"dodo": _dodo, "lemonsqueezy": _lemonsqueezy, "stripe": _stripe}[name](server, events)


def _dodo(server: ProviderServer, events: Sequence[Event]) -> None:
    now = max((one.at for one in events), default=ANSWERED) + timedelta(minutes=1)
    for things, thing_id in (
        ("payments", "payment_id"),
        ("refunds", "refund_id"),
        ("disputes", "dispute_id"),
        ("subscriptions", "subscription_id"),
    ):
        found = _last([one.payload["data"] for one in events if one.type.startswith(things[:-1])], thing_id)
        server.answers["GET", f"/{things}"] = _pages(found, "items", "page_number", 0)
        server.answers |= {("GET", f"/{things}/{one[thing_id]}"): dated(one, now) for one in found}


def _lemonsqueezy(server: ProviderServer, events: Sequence[Event]) -> None:
    for things in ("orders", "subscription-invoices", "subscriptions"):
        found = _last([one.payload["data"] for one in events if one.payload["data"]["type"] == things], "id")
        server.answers["GET", f"/v1/{things}"] = _pages(found, "data", "page[number]", 1)
        server.answers |= {("GET", f"/v1/{things}/{one['id']}"): dated({"data": one}) for one in found}


def _stripe(server: ProviderServer, events: Sequence[Event]) -> None:
    now = max((one.at for one in events), default=ANSWERED) + timedelta(minutes=1)
    server.answers["GET", "/v1/events"] = {"data": [one.payload for one in reversed(events)], "has_more": False}
    things = [one.payload["data"]["object"] for one in events]
    invoices = _last([one for one in things if one["object"] == "invoice"], "id")
    server.answers["GET", "/v1/invoices"] = {"data": invoices, "has_more": False}
    for one in _last([one for one in things if one["object"] == "subscription"], "id"):
        server.answers["GET", f"/v1/subscriptions/{one['id']}"] = dated(one, now)


def _last(things: Things, thing_id: str) -> Things:
    """The things as they were told last, the newest first."""
    return list({one[thing_id]: one for one in things}.values())[::-1]


def _pages(things: Things, under: str, number: str, first: int) -> Callable[[Request], Json]:
    def page(request: Request) -> Json:
        query = dict(request.query)
        size = int(query.get("page_size", query.get("page[size]", "10")))
        start = (int(query.get(number, first)) - first) * size
        return {under: things[start : start + size]}

    return page
