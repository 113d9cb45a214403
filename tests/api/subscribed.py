"""Accounts with a subscription at Stripe, and the plans that it can be changed to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.api.stage import Json
from tests.service import Service

CREDITS = {"lite": 100, "pro": 1_000, "max": 5_000}
"""The plans that are sold, from the lowest rank to the highest."""


def plan_body(plan: str) -> Json:
    """A plan as the catalogue is told it, at 10.00 EUR a month for each rank."""
    rank = list(CREDITS).index(plan)
    price = {
        "price": "monthly",
        "amount_minor": 1_000 * (rank + 1),
        "currency": "EUR",
        "products": {"stripe": f"price_{plan}"},
        "interval": {"months": 1},
    }
    return {"name": plan.title(), "credits": CREDITS[plan], "rank": rank, "prices": [price]}


def sell(service: Service) -> None:
    """Put the plans into the catalogue."""
    for plan in CREDITS:
        assert service.client.put(f"/v1/plans/{plan}", json=plan_body(plan)).status_code in (200, 201)


def subscribe(service: Service, account: str, plan: str = "pro", **more: Any) -> str:
    """Put an account on a plan, ten days ago, and pay it; returns the subscription."""
    sell(service)
    name, start = f"stripe:sub_{account}", datetime.now(UTC).replace(microsecond=0) - timedelta(days=10)
    period = {"period_start": start.isoformat(), "period_end": (start + timedelta(days=30)).isoformat()}
    every = {"months": 1}
    terms = {"plan": plan, "plan_version": 1, "credits": CREDITS[plan], "every": every, "billed": every}
    terms["rank"] = list(CREDITS).index(plan)
    word = {"provider": "stripe", "status": "active", "terms": terms, "as_of": start.isoformat(), **period, **more}
    told = service.post(f"/v1/accounts/{account}/subscriptions/{name}", word)
    assert told.status_code == 201, told.text
    paid = {"subscription_id": name, "reason": "initial", "paid_at": start.isoformat(), "terms": terms, **period}
    money = {"provider": "stripe", "status": "paid", "amount_minor": 1_000, "currency": "EUR"}
    bought = service.post(f"/v1/accounts/{account}/payments", {"payment_id": name, **money, "subscription": paid})
    assert bought.status_code == 201, bought.text
    return name


def wish(service: Service, account: str, what: str, body: Json | None = None, query: str = "") -> httpx.Response:
    """Ask for a change of the subscription of an account."""
    return service.post(f"/v1/accounts/{account}/subscription/{what}{query}", body or {})


def in_a_week() -> str:
    """A moment after now."""
    return (datetime.now(UTC) + timedelta(days=7)).isoformat()
