"""Webhooks over HTTP: what providers are answered, and what operators see and decide."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import orjson
import pytest

from billing.simulation.signing import signed
from billing.simulation.steps import Customer, Event
from tests.api.conftest import under_contract
from tests.api.stage import eventually
from tests.billing.inbox.desk import CREDITS, events_told
from tests.billing.lives import PRICES, SECRETS, SIMULATED, life
from tests.commands import command
from tests.postgres import TestServers
from tests.service import PLAIN, Service, service_here, wait_for

PROVIDERS = SIMULATED
_numbers = count(1)


@pytest.fixture(scope="module")
def billed(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the secrets of all providers, and with what simulated customers buy."""
    found = servers.get("embedded")
    assert found is not None
    settings = {f"CREDIT_LEDGER_{name.upper()}_WEBHOOK_SECRET": SECRETS[name] for name in PROVIDERS}
    with (
        found.database() as conninfo,
        service_here(conninfo, tmp_path_factory.mktemp("billed"), settings=settings) as running,
    ):
        under_contract(running)
        products = {name: prices.package for name, prices in PRICES.items()}
        price = {"price": "once", "amount_minor": 1_000, "currency": "USD", "products": products}
        body = {"name": "Credits", "credits": CREDITS, "prices": [price]}
        assert running.client.put("/v1/packages/credits", json=body).status_code == 201
        yield running


def bought(provider: str, account: str, quantity: int = 1) -> Event:
    one = life(provider)
    one.buy_package(quantity)
    [event] = events_told(provider, Customer(account, next(_numbers)), one.steps)
    return event


def deliver(service: Service, provider: str, event: Event, **headers: str) -> httpx.Response:
    """What a provider does, who has no key."""
    told = signed(provider, event, SECRETS[provider], datetime.now(UTC))
    sent = {**told.headers, **headers, "authorization": ""}
    return service.client.post(f"/v1/webhooks/{provider}", content=told.body, headers=sent)


def settled(service: Service, webhook_id: str) -> dict[str, Any]:
    """A webhook, once the biller has looked at it."""
    wait_for(lambda: service.get(f"/v1/webhooks/{webhook_id}").json()["state"] != "new")
    found: dict[str, Any] = service.get(f"/v1/webhooks/{webhook_id}").json()
    return found


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_delivery_is_answered_and_applied(billed: Service, provider: str) -> None:
    account = billed.open_account()
    event = bought(provider, account, quantity=2)
    first, second = deliver(billed, provider, event), deliver(billed, provider, event)
    assert (first.status_code, first.json()["state"], first.json()["duplicate"]) == (200, "new", False)
    assert (second.status_code, second.json()["duplicate"]) == (200, True)
    assert first.json()["webhook_id"] == second.json()["webhook_id"]
    webhook = settled(billed, first.json()["webhook_id"])
    assert (webhook["state"], webhook["reason"], webhook["account_id"]) == ("applied", None, account)
    assert (webhook["provider"], webhook["type"], webhook["payload"]) == (provider, event.type, event.payload)
    assert webhook["applied_positions"]
    assert billed.get(f"/v1/accounts/{account}/balance").json()["permanent_credits"] == 2 * CREDITS


def test_only_deliveries_need_no_key(billed: Service) -> None:
    with httpx.Client(base_url=billed.url, trust_env=False, verify=PLAIN) as stranger:
        for method, path in (
            ("GET", "/v1/webhooks"),
            ("GET", "/v1/webhooks/whk_1"),
            ("POST", "/v1/webhooks"),
            ("POST", "/v1/webhooks/"),
            ("PUT", "/v1/webhooks/stripe"),
            ("POST", "/v1/webhooks/whk_1/retry"),
            ("POST", "/v1/webhooks/stripe/x"),
        ):
            answer = stranger.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
        answer = stranger.post("/v1/webhooks/stripe", content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
        assert answer.headers["www-authenticate"] == "Signature"


def test_a_changed_byte_is_refused_and_nothing_is_kept(billed: Service) -> None:
    event = bought("stripe", "nobody")
    told = signed("stripe", event, SECRETS["stripe"], datetime.now(UTC))
    newest = billed.get("/v1/webhooks", limit=1).json()["webhooks"]
    answer = billed.client.post(
        "/v1/webhooks/stripe", content=told.body.replace(b"1000", b"1001"), headers=told.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    assert billed.get("/v1/webhooks", limit=1).json()["webhooks"] == newest


def test_an_unknown_provider_is_not_found(billed: Service) -> None:
    for name in ("paypal", "Stripe", "a%2Fb"):
        answer = billed.client.post(f"/v1/webhooks/{name}", content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (404, "provider_not_configured"), name


def test_a_body_may_have_a_mebibyte(billed: Service) -> None:
    event = bought("lemonsqueezy", "nobody")
    empty = len(orjson.dumps({**event.payload, "more": ""}))
    fits = Event(event.type, {**event.payload, "more": "x" * (1024 * 1024 - empty)}, event.event_id, event.at)
    assert deliver(billed, "lemonsqueezy", fits).status_code == 200
    larger = Event(event.type, {**event.payload, "more": "x" * (1024 * 1024 - empty + 1)}, event.event_id, event.at)
    answer = deliver(billed, "lemonsqueezy", larger)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_the_bytes_count_and_not_the_media_type(billed: Service) -> None:
    answer = deliver(billed, "dodo", bought("dodo", "nobody"), **{"content-type": "text/plain"})
    assert answer.status_code == 200


def test_wrong_signatures_are_limited_and_genuine_deliveries_are_not(billed: Service) -> None:
    answers = [billed.client.post("/v1/webhooks/stripe", content=b"{}") for _ in range(30)]
    codes = {(answer.status_code, answer.json()["code"]) for answer in answers}
    assert codes == {(401, "signature_invalid"), (429, "rate_limited")}
    limited = next(answer for answer in answers if answer.status_code == 429)
    assert int(limited.headers["retry-after"]) >= 1
    assert deliver(billed, "stripe", bought("stripe", "nobody")).status_code == 200
    told = billed.get("/metrics").text
    assert re.search(r'credit_ledger_webhook_signature_failures_total\{provider="stripe"\} [1-9]', told)


def test_operators_see_why_a_webhook_waits_and_match_it(billed: Service) -> None:
    account = billed.open_account()
    done = deliver(billed, "dodo", bought("dodo", "somebody-unknown")).json()
    webhook = settled(billed, done["webhook_id"])
    assert (webhook["state"], webhook["reason"]) == ("waiting", "unknown_account")
    assert webhook["sentence"] == (
        "Nothing says which account it is for, or there is no such account. (somebody-unknown)"
    )
    listed = billed.get("/v1/webhooks", state="waiting", provider="dodo").json()
    assert done["webhook_id"] in [one["webhook_id"] for one in listed["webhooks"]]
    assert any(one["reason"] == "unknown_account" for one in listed["waiting"])
    assert 'credit_ledger_webhooks_waiting{reason="unknown_account"}' in billed.get("/metrics").text
    readiness = billed.get("/readyz").json()
    assert readiness["status"] == "ok"
    assert readiness["webhooks"]["waiting"] >= 1
    assert readiness["webhooks"]["too_long"] is False

    path = f"/v1/webhooks/{done['webhook_id']}"
    assert billed.post(f"{path}/match", {"account_id": "nobody-at-all"}).json()["code"] == "account_not_found"
    assert billed.post(f"{path}/match", {"account_id": account, "more": 1}).status_code == 422
    answer = billed.post(f"{path}/match", {"account_id": account})
    assert (answer.status_code, answer.json()["decided_by"]) == (200, "key:admin")
    wait_for(lambda: billed.get(path).json()["state"] == "applied")
    assert billed.get(f"/v1/accounts/{account}/balance").json()["permanent_credits"] == CREDITS
    again = billed.post(f"{path}/match", {"account_id": account})
    assert (again.status_code, again.json()["code"]) == (409, "webhook_already_applied")


def test_operators_give_up_and_try_again(billed: Service) -> None:
    account = f"opened-later-{next(_numbers)}"
    done = deliver(billed, "stripe", bought("stripe", account)).json()
    path = f"/v1/webhooks/{done['webhook_id']}"
    settled(billed, done["webhook_id"])
    answer = billed.post(f"{path}/dismiss", {"reason": "a test of ours"})
    assert (answer.json()["state"], answer.json()["sentence"]) == (
        "dismissed",
        "An operator dismissed it. (a test of ours)",
    )
    assert billed.post("/v1/accounts", {"account_id": account, "signup_credits": 0}).status_code == 201
    assert billed.post(f"{path}/retry").status_code == 200
    wait_for(lambda: billed.get(path).json()["state"] == "applied")
    for what in ("retry", "match", "dismiss"):
        answer = billed.post(f"/v1/webhooks/whk_none/{what}", {"account_id": account} if what == "match" else {})
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")
    assert billed.get("/v1/webhooks/whk_none").json()["code"] == "webhook_not_found"


def test_webhooks_are_listed_page_by_page(billed: Service) -> None:
    ids = [deliver(billed, "stripe", bought("stripe", "nobody")).json()["webhook_id"] for _ in range(5)]
    found: list[str] = []
    cursor = None
    while len(found) < 5:
        page = billed.get("/v1/webhooks", limit=2, provider="stripe", **({"cursor": cursor} if cursor else {})).json()
        found += [one["webhook_id"] for one in page["webhooks"]]
        cursor = page["next_cursor"]
    assert found[:5] == ids[::-1]
    wrong = billed.get("/v1/webhooks", limit=2, provider="dodo", cursor=cursor)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "validation_failed")
    assert billed.get("/v1/webhooks", state="lost").status_code == 422


def test_nothing_of_a_payload_or_a_secret_is_logged(billed: Service) -> None:
    deliver(billed, "stripe", bought("stripe", "nobody"))
    text = billed.log.read_text()
    assert not [secret for secret in SECRETS.values() if secret in text]
    assert "@example.com" not in text
    eventually(lambda: json.loads(billed.get("/readyz").text)["status"] == "ok")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_whole_life_that_the_command_line_simulates_ends_with_its_credits(billed: Service, provider: str) -> None:
    """Every delivery twice, and all in a random order: three packages are bought, and one of them is refunded."""
    account = billed.open_account()
    options = {
        "--provider": provider,
        "--scenario": "shuffle",
        "--account": account,
        "--url": billed.url,
        "--secret": SECRETS[provider],
        "--package": PRICES[provider].package,
        "--seed": str(900_000 + next(_numbers)),
    }
    done = command(None, "billing", "simulate", *(word for option in options.items() for word in option), "--json")
    assert done.status == 0, done.err
    answers = [json.loads(line)["answer"] for line in done.out.splitlines()]
    assert sum(answer["duplicate"] for answer in answers) == len(answers) / 2
    for answer in answers:
        settled(billed, answer["webhook_id"])
    wait_for(lambda: billed.get(f"/v1/accounts/{account}/balance").json()["available"] == 2 * CREDITS)
    assert billed.get(f"/v1/accounts/{account}/balance").json()["permanent_credits"] == 2 * CREDITS
