"""Changes of subscriptions over HTTP, at a server that answers as Stripe does."""

import json
from collections.abc import Iterator
from itertools import count
from urllib.parse import quote, urlencode

import pytest

from tests.api.conftest import under_contract
from tests.api.stage import Json, eventually, refused
from tests.api.subscribed import wish
from tests.billing.changes.stripe_server import PORTAL, StripeServer, now_of, sell, stripe_server
from tests.dashboard.acting import fields_of
from tests.dashboard.guests import ROOT, person
from tests.postgres import TestServers
from tests.service import Service, service_here

_numbers = count(300)
PATIENCE = 30
"""Seconds until the biller has applied what a provider answered."""


@pytest.fixture(scope="module")
def stripe() -> Iterator[StripeServer]:
    with stripe_server() as running:
        yield running


@pytest.fixture(scope="module")
def selling(servers: TestServers, stripe: StripeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that calls Stripe."""
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("selling")
    with server.database() as conninfo, service_here(conninfo, folder, settings=stripe.settings) as running:
        under_contract(running)
        sell(running)
        yield running


@pytest.fixture
def account(selling: Service, stripe: StripeServer) -> str:
    found = stripe.subscribe(selling, next(_numbers))
    stripe.carried_out.clear()
    stripe.server.requests.clear()
    return found


def available(service: Service, account: str) -> int:
    found: int = service.get(f"/v1/accounts/{account}/balance").json()["available"]
    return found


def becomes(service: Service, account: str, **expected: object) -> Json:
    """The subscription, once the ledger has it like this."""
    eventually(lambda: expected.items() <= (now_of(service, account) or {}).items(), PATIENCE)
    found = now_of(service, account)
    assert found is not None
    return found


def test_an_upgrade_pay_now_get_now(selling: Service, stripe: StripeServer, account: str) -> None:
    foreseen = wish(selling, account, "upgrade", {"plan": "pro"}, "?dry_run=true").json()
    assert stripe.server.requests == []
    money = {"price": "monthly", "amount_minor": 5_000, "currency": "EUR", "amount_now_minor": None}
    nothing = {"checkout_url": None, "expires_at": None, "recorded": False}
    assert {"plan": "pro", "quantity": 1, "effect": "now", **money, **nothing}.items() <= foreseen.items()
    left, before = foreseen["time_left"], available(selling, account)
    assert foreseen["credits_now"] == pytest.approx(4_000 * left["seconds"] / left["of_seconds"], abs=2)

    answer = wish(selling, account, "upgrade", {"plan": "pro"})
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (200, False)
    assert answer.json()["credits_now"] == pytest.approx(foreseen["credits_now"], abs=2)
    becomes(selling, account, plan="pro")
    eventually(lambda: available(selling, account) > before, PATIENCE)
    assert available(selling, account) - before == pytest.approx(foreseen["credits_now"], abs=20)
    assert stripe.carried_out == ["change to price_pro"]
    refused(wish(selling, account, "upgrade", {"plan": "pro"}), 409, "already_on_plan", plan_id="pro")


def test_the_same_key_is_one_wish(selling: Service, stripe: StripeServer, account: str) -> None:
    path, body = f"/v1/accounts/{account}/subscription/cancel", {"reason": "too dear"}
    first, second = (selling.post(path, body, key="mine") for _ in range(2))
    assert (first.status_code, second.status_code, second.headers["idempotent-replayed"]) == (200, 200, "true")
    assert first.json() == second.json()
    ends = becomes(selling, account, cancel_at=first.json()["cancel_at"])
    assert ends["cancel_at"] == ends["current_period_end"]
    assert selling.post(path, body, key="mine").json() == first.json()
    refused(selling.post(path, {"when": "now"}, key="mine"), 422, "idempotency_key_reused")
    refused(wish(selling, account, "cancel"), 409, "already_cancelled", cancel_at=ends["cancel_at"])
    assert stripe.carried_out == ["cancel"]

    kept = wish(selling, account, "reactivate")
    assert (kept.status_code, kept.json()["status"]) == (200, "active")
    becomes(selling, account, cancel_at=None)
    refused(wish(selling, account, "reactivate"), 409, "not_cancelled")
    assert stripe.carried_out == ["cancel", "resume"]


def test_a_downgrade_waits_for_the_end_of_the_period(selling: Service, stripe: StripeServer, account: str) -> None:
    wish(selling, account, "upgrade", {"plan": "pro"})
    now = becomes(selling, account, plan="pro")
    answer = wish(selling, account, "downgrade", {"plan": "lite"})
    expected = {"plan": "lite", "effect": "period_end", "at": now["current_period_end"], "held": False}
    assert {**expected, "recorded": False}.items() <= answer.json().items()
    becomes(selling, account, plan="pro", next_plan="lite")
    assert wish(selling, account, "downgrade", {"plan": "lite"}).json()["recorded"] is True
    assert stripe.carried_out == ["change to price_pro", "later price_lite"]
    assert wish(selling, account, "reactivate").status_code == 200
    becomes(selling, account, next_plan=None)


def test_the_portal_is_a_page_of_the_provider(selling: Service, account: str) -> None:
    answer = selling.post(f"/v1/accounts/{account}/portal", {"return_url": "https://shop.example/back"})
    assert (answer.status_code, answer.json(), answer.headers["cache-control"]) == (200, {"url": PORTAL}, "no-store")


def test_nobody_changes_the_subscription_of_another(selling: Service, stripe: StripeServer, account: str) -> None:
    other = selling.open_account()
    theirs = now_of(selling, account)
    assert theirs is not None
    named = {"subscription_id": theirs["subscription_id"]}
    for what, body in (("cancel", named), ("reactivate", named), ("upgrade", {"plan": "pro"})):
        refused(wish(selling, other, what, body), 409, "no_subscription")
    back = {"return_url": "https://shop.example/"}
    refused(selling.post(f"/v1/accounts/{other}/portal", {**named, **back}), 409, "no_subscription")
    refused(wish(selling, "nobody", "cancel"), 404, "account_not_found")
    assert stripe.server.requests == []


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("upgrade", {}, "plan"),
        ("upgrade", {"plan": "pro", "quantity": 0}, "quantity"),
        ("upgrade", {"plan": "pro", "return_url": "javascript:alert(1)"}, "return_url"),
        ("downgrade", {"plan": "lite", "when": "now"}, "when"),
        ("cancel", {"when": "tomorrow"}, "when"),
        ("cancel", {"reason": "x" * 501}, "reason"),
        ("reactivate", {"subscription_id": ""}, "subscription_id"),
    ],
)
def test_bad_bodies(selling: Service, account: str, what: str, body: Json, field: str) -> None:
    problem = refused(wish(selling, account, what, body), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == [field]


UNREADABLE = [
    "\0",
    "\x01",
    "\r",
    "\x1b",
    "\x7f",
    "\x9f",
    "\ud800",
    "\u2028",
    "\uffff",
    "\U0010ffff",
    "%00",
    "'",
    "../",
    "é",
]
"""Characters that something may stumble over; one is no character at all."""
_BACK = {"return_url": "https://shop.example/"}
TYPED: dict[str, Json] = {
    "subscription/upgrade": {"plan": "pro", "price": "monthly", **_BACK},
    "subscription/downgrade": {"plan": "lite", "price": "monthly"},
    "subscription/cancel": {"when": "period_end", "reason": "dear", "subscription_id": "none"},
    "subscription/reactivate": {"subscription_id": "none"},
    "portal": {**_BACK, "subscription_id": "none"},
}


def test_unreadable_characters_are_refused_or_taken(selling: Service, account: str) -> None:
    """In each field of each body: none is a failure of the service."""
    for where, body in TYPED.items():
        for field in body:
            for odd in UNREADABLE:
                raw = json.dumps({**body, field: f"a{odd}b"})
                path = f"/v1/accounts/{account}/{where}{'?dry_run=true' if 'grade' in where else ''}"
                answer = selling.client.post(path, content=raw, headers={"content-type": "application/json"})
                assert answer.status_code < 500, (where, field, odd, answer.text)


def test_unreadable_characters_in_forms_are_refused_or_taken(selling: Service, account: str) -> None:
    """In each field that a page of changes reads, in its address and in its form."""
    holder, base = person(selling, account), f"{ROOT}/accounts/{account}/subscription"
    token = fields_of(holder.get(f"{base}/upgrade?plan=pro"))["csrf"]
    odd_ones = [quote(odd, safe="", errors="surrogatepass") for odd in UNREADABLE]
    for wished in ("upgrade", "downgrade", "cancel", "reactivate", "portal"):
        for field in ("plan", "price", "subscription", "key", "reason"):
            for odd in odd_ones:
                given = {"csrf": token, "key": "one", "plan": "none", "subscription": "none"}
                rest = urlencode({name: value for name, value in given.items() if name != field})
                form = {"content-type": "application/x-www-form-urlencoded"}
                answer = holder.post(f"{base}/{wished}", content=f"{rest}&{field}=a{odd}", headers=form)
                assert answer.status_code < 500, (wished, field, odd)
                if wished != "portal" and field not in ("key", "reason"):
                    shown = holder.get(f"{base}/{wished}?{'plan=pro&' if field == 'price' else ''}{field}=a{odd}")
                    assert shown.status_code < 500, (wished, field, odd)
