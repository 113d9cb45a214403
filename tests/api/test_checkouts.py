"""Checkouts over HTTP: what callers are answered, and what is refused."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from people.api_keys import create_key
from tests.api.conftest import under_contract
from tests.api.stage import Json, field_errors, refused
from tests.billing.calls.provider_server import ProviderServer, Raw, provider_server
from tests.postgres import TestServers
from tests.service import Service, service_here

MONTHLY: Json = {"price": "monthly", "interval": {"months": 1}, "amount_minor": 1_900, "currency": "EUR"}
ONCE: Json = {"price": "once", "amount_minor": 600, "currency": "EUR"}
BACK = "https://product.example/billing"


@pytest.fixture(scope="module")
def shop(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that sells some plans and packages."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("shop")) as running:
        under_contract(running)
        for path, body in {
            "plans/pro": {"name": "Pro", "credits": 2_000, "prices": [MONTHLY, {**MONTHLY, "price": "yearly"}]},
            "plans/lite": {"name": "Lite", "credits": 500, "prices": [MONTHLY]},
            "plans/chat": {"name": "Chat", "credits": 500, "prices": [MONTHLY], "group": "chat"},
            "plans/hidden": {"name": "Hidden", "credits": 9_000, "listed": False},
            "packages/small": {"name": "Small", "credits": 100, "prices": [ONCE]},
            "packages/locked": {"name": "Locked", "credits": 100, "prices": [ONCE], "needs_subscription": True},
            "packages/gone": {"name": "Gone", "credits": 100},
            "packages/vast": {"name": "Vast", "credits": 2**52, "prices": [ONCE]},
            "plans/vast": {"name": "Vast", "credits": 2**52, "group": "vast"},
        }.items():
            assert running.client.put(f"/v1/{path}", json=body).status_code == 201
        yield running


def ask(service: Service, account: str, key: str = "k", **body: object) -> httpx.Response:
    return service.post("/v1/checkouts", {"account_id": account, "return_url": BACK, **body}, key=key)


def subscribe(service: Service, account: str, plan: str = "pro", status: str = "active") -> None:
    terms = {"plan": plan, "plan_version": 1, "credits": 1, "every": {"months": 1}, "billed": {"months": 1}}
    body = {"provider": "p", "status": status, "terms": terms, "as_of": "2026-01-01T00:00:00Z"}
    answer = service.post(f"/v1/accounts/{account}/subscriptions/s1", body, key="s1")
    assert answer.status_code == 201, answer.text


def test_a_checkout_is_made_once_and_found(shop: Service) -> None:
    account = shop.open_account()
    first = ask(shop, account, plan="pro", price="monthly", quantity=3)
    assert first.status_code == 201
    made = first.json()
    assert (
        made.items()
        >= {
            "account_id": account,
            "plan": "pro",
            "package": None,
            "version": 1,
            "price": "monthly",
            "quantity": 3,
            "provider": "manual",
            "state": "open",
            "amount_minor": 5_700,
            "currency": "EUR",
            "paid_at": None,
        }.items()
    )
    assert re.fullmatch("chk_[0-9a-f]{32}", made["checkout_id"])
    assert re.fullmatch("CL-[2-9A-Z]{4}-[2-9A-Z]{4}", made["reference"])
    assert made["url"] == f"{shop.url}/dashboard/accounts/{account}/checkout/{made['checkout_id']}"
    again = ask(shop, account, plan="pro", price="monthly", quantity=3)
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (200, made, "true")
    assert "idempotent-replayed" not in first.headers
    assert shop.get(f"/v1/checkouts/{made['checkout_id']}").json() == made
    other = ask(shop, account, plan="pro", price="yearly")
    assert refused(other, 422, "idempotency_key_reused")
    assert ask(shop, account, "other", package="small").json()["checkout_id"] != made["checkout_id"]


def test_one_key_at_once_is_one_checkout(shop: Service) -> None:
    account = shop.open_account()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ask(shop, account, package="small"), range(8)))
    assert sorted({answer.status_code for answer in made}) == [200, 201]
    assert len({answer.json()["checkout_id"] for answer in made}) == 1
    assert [answer.status_code for answer in made].count(201) == 1


def test_what_cannot_be_bought_is_refused(shop: Service) -> None:
    account = shop.open_account()
    cases: list[tuple[Json, int, str]] = [
        ({"plan": "none"}, 404, "plan_not_found"),
        ({"package": "pro"}, 404, "package_not_found"),
        ({"plan": "pro"}, 422, "price_not_found"),
        ({"plan": "pro", "price": "weekly"}, 422, "price_not_found"),
        ({"package": "gone"}, 422, "price_not_found"),
        ({"package": "locked"}, 409, "subscription_required"),
        ({"package": "vast", "quantity": 3}, 422, "validation_failed"),
        ({"plan": "vast"}, 422, "validation_failed"),
        ({"account_id": "nobody", "package": "small"}, 404, "account_not_found"),
    ]
    for body, status, code in cases:
        answer = shop.post("/v1/checkouts", {"account_id": account, "return_url": BACK, **body}, key="k")
        facts = refused(answer, status, code)
        if code == "price_not_found":
            assert facts["price_of"] == ("plan" if "plan" in body else "package"), body
    without_key = shop.post("/v1/checkouts", {"account_id": account, "package": "small", "return_url": BACK})
    assert refused(without_key, 400, "idempotency_key_required")
    for name in ("chk_0", "chk_" + "0" * 32):
        assert refused(shop.client.get(f"/v1/checkouts/{name}"), 404, "checkout_not_found")


def test_subscribers_may_buy_what_is_locked_and_no_second_plan(shop: Service) -> None:
    account = shop.open_account()
    subscribe(shop, account)
    assert ask(shop, account, "1", package="locked").status_code == 201
    for plan, price in (("pro", "monthly"), ("lite", None)):
        answer = ask(shop, account, "2", plan=plan, price=price)
        assert refused(answer, 409, "already_subscribed")["plan_id"] == "pro"
        assert "Upgrade or downgrade" in answer.json()["detail"]
    assert ask(shop, account, "3", plan="chat").status_code == 201


def test_nothing_is_sold_to_an_account_that_is_frozen_or_closed(shop: Service) -> None:
    account = shop.open_account()
    assert ask(shop, account, "before", package="small").status_code == 201
    shop.post(f"/v1/accounts/{account}/freeze", key="f")
    assert refused(ask(shop, account, package="small"), 409, "account_frozen")
    assert ask(shop, account, "before", package="small").status_code == 200
    shop.post(f"/v1/accounts/{account}/unfreeze", key="u")
    shop.post(f"/v1/accounts/{account}/close", key="c")
    assert refused(ask(shop, account, package="small"), 409, "account_closed")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("return_url", "http://product.example/"),
        ("return_url", "http://localhost:80@evil.example/"),
        ("return_url", "http://localhost.evil.example/"),
        ("return_url", "javascript:alert(1)"),
        ("return_url", "https:///x"),
        ("return_url", "https://product.example/" + "x" * 2_000),
        ("cancel_url", "ftp://product.example/"),
        ("quantity", 0),
        ("quantity", 10_001),
        ("quantity", True),
        ("price", "a b"),
        ("more", 1),
    ],
)
def test_bad_fields_are_named(shop: Service, field: str, value: object) -> None:
    body = {"account_id": "a", "package": "small", "return_url": BACK, field: value}
    assert list(field_errors(shop.post("/v1/checkouts", body, key="k"))) == [field]


def test_it_is_one_thing_that_is_bought(shop: Service) -> None:
    for body in ({}, {"plan": "pro", "package": "small"}, {"plan": None, "package": None}):
        answer = shop.post("/v1/checkouts", {"account_id": "a", "return_url": BACK, **body}, key="k")
        assert field_errors(answer)["body"]["message"] == "must have `plan` or `package`, and not both"
    good = {"account_id": shop.open_account(), "plan": None, "package": "small"}
    for place in ("http://localhost", "http://127.0.0.1:8080/a?b=c#d", "http://[::1]:9/", "https://x.example?y"):
        assert shop.post("/v1/checkouts", {**good, "return_url": place}, key=place).status_code == 201


def test_a_key_for_links_sells_what_is_listed(shop: Service) -> None:
    bearer = {"Authorization": f"Bearer {create_key(shop.conninfo, 'links', ['portal:write'])}"}
    account = shop.open_account()
    body = {"account_id": account, "return_url": BACK}
    listed = shop.post("/v1/checkouts", {**body, "package": "small"}, key="1", **bearer)
    assert listed.status_code == 201
    hidden = shop.post("/v1/checkouts", {**body, "plan": "hidden"}, key="2", **bearer)
    assert refused(hidden, 404, "plan_not_found")


SESSIONS = "POST", "/v1/checkout/sessions"
SESSION = {"id": "cs_1", "url": "https://checkout.stripe.com/c/cs_1", "expires_at": 2_000_000_000}


@pytest.fixture(scope="module")
def hosted(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, ProviderServer]]:
    """A service whose checkouts are pages of a provider, and that provider."""
    embedded = servers.get("embedded")
    assert embedded is not None
    with provider_server() as stripe, embedded.database() as conninfo:
        called = {"CREDIT_LEDGER_STRIPE_API_KEY": "sk_1", "CREDIT_LEDGER_STRIPE_API_URL": stripe.url}
        with service_here(conninfo, tmp_path_factory.mktemp("stripe"), settings=called) as shop:
            under_contract(shop)
            monthly = {**MONTHLY, "products": {"stripe": "price_2"}}
            for path, body in {
                "packages/small": {
                    "name": "S",
                    "credits": 100,
                    "prices": [{**ONCE, "products": {"stripe": "price_1"}}],
                },
                "plans/tried": {"name": "T", "credits": 9, "prices": [monthly], "trial": {"days": 7, "credits": 2}},
                "plans/other": {"name": "O", "credits": 9, "prices": [MONTHLY]},
            }.items():
                assert shop.client.put(f"/v1/{path}", json=body).status_code == 201
            yield shop, stripe


def test_a_trial_is_for_who_has_had_no_plan_of_its_group(hosted: tuple[Service, ProviderServer]) -> None:
    shop, stripe = hosted
    stripe.requests.clear()
    stripe.answers[SESSIONS] = SESSION
    new, old = shop.open_account(), shop.open_account()
    subscribe(shop, old, "other", status="ended")
    for account in (new, old):
        assert ask(shop, account, plan="tried").status_code == 201
    days = [dict(request.body).get("subscription_data[trial_period_days]") for request in stripe.requests]
    assert days == ["7", None]


def test_one_open_page_at_a_time_begins_a_trial(hosted: tuple[Service, ProviderServer]) -> None:
    """Ten checkouts at once, of one account: whoever opens all of their pages tries once."""
    shop, stripe = hosted
    stripe.requests.clear()
    stripe.answers[SESSIONS] = SESSION
    account = shop.open_account()
    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda number: ask(shop, account, f"k{number}", plan="tried"), range(10)))
    assert {answer.status_code for answer in made} == {201}
    days = [dict(request.body).get("subscription_data[trial_period_days]") for request in stripe.requests]
    assert sorted(days, key=str) == ["7", *[None] * 9]
    assert sorted((answer.json()["trial_days"] for answer in made), key=str) == [7, *[None] * 9]


def test_a_lost_answer_is_asked_for_again(hosted: tuple[Service, ProviderServer]) -> None:
    """The row is there before the provider is called, and the provider knows the key: one checkout, one session."""
    shop, stripe = hosted
    stripe.requests.clear()
    stripe.answers[SESSIONS] = Raw(500, b"{}")
    account = shop.open_account()
    assert refused(ask(shop, account, package="small"), 502, "provider_failed")
    stripe.answers[SESSIONS] = SESSION
    made = ask(shop, account, package="small")
    assert made.status_code == 200
    assert made.json()["url"] == SESSION["url"]
    assert (made.json()["provider"], made.json()["state"]) == ("stripe", "open")
    assert ask(shop, account, package="small").json() == made.json()
    first, second = stripe.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == made.json()["checkout_id"]
    assert first.body == second.body
    assert ("metadata[checkout_id]", made.json()["checkout_id"]) in first.body
