"""Buying in a real browser, at a service that plays payments: a plan is chosen, paid, and its credits are there."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from people.api_keys import create_key
from tests.dashboard.acting import fields_of
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, operator, person
from tests.dashboard.selling import checkout_of, credits, selling, shot
from tests.postgres import TestServers
from tests.service import Service, wait_for


@pytest.fixture(scope="module")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that plays payments."""
    yield from selling(servers, tmp_path_factory.mktemp("playing"), manual="test")


def disputed(service: Service, account: str) -> bool:
    payments = service.get(f"/v1/accounts/{account}/payments").json()["payments"]
    return "open" in [payment["dispute_state"] for payment in payments]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_plan_is_chosen_declined_and_paid(new_visit: NewVisit, service: Service, *, script: bool) -> None:
    account = service.open_account()
    visit = new_visit(java_script_enabled=script)
    visit.enter(account)
    page = visit.go(f"/accounts/{account}/plans")
    expect(page.get_by_text("For subscribers: choose a plan above")).to_be_visible()
    shot(page, "plans")
    page.get_by_role("button", name="every month").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Checkout")
    shot(page, "playing")
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_text("The payment was declined.")).to_be_visible()
    page.get_by_role("button", name="Pay", exact=True).click()
    expect(page.get_by_text("It is paid.")).to_be_visible()
    expect(page.get_by_role("button", name="Pay", exact=True)).to_have_count(0)
    shot(page, "paid")
    wait_for(lambda: credits(service, account) == 2_000)
    page.get_by_role("link", name="Go to the balance").click()
    expect(page.locator(".total .figure")).to_have_text("2,000")
    page = visit.go(f"/accounts/{account}/plans")
    expect(page.get_by_text("your plan")).to_be_visible()
    expect(page.get_by_role("button", name="Choose")).to_have_count(0)
    page.get_by_role("button", name="Buy Extra").click()
    page.get_by_role("button", name="Pay and dispute").click()
    expect(page.get_by_text("It is paid.")).to_be_visible()
    wait_for(lambda: service.get(f"/v1/accounts/{account}/payments").json()["payments"][0]["dispute_state"] == "open")


def test_a_plan_without_a_price_is_had_at_once(new_visit: NewVisit, service: Service) -> None:
    account = service.open_account()
    visit = new_visit()
    visit.enter(account)
    page = visit.go(f"/accounts/{account}/plans")
    page.get_by_role("button", name="Choose Free").click()
    expect(page.get_by_text("It is paid.")).to_be_visible()
    wait_for(lambda: credits(service, account) == 10)


# Without a browser --------------------------------------------------------------------------------------------------


def test_nobody_opens_the_checkout_of_another(service: Service) -> None:
    mine, other = service.open_account(), service.open_account()
    made = checkout_of(service, mine, package="pack")
    own, stranger = person(service, mine), person(service, other)
    page = f"{ROOT}/accounts/{mine}/checkout/{made['checkout_id']}"
    borrowed = f"{ROOT}/accounts/{other}/checkout/{made['checkout_id']}"
    assert own.get(page).status_code == 200
    for path in (page, borrowed, f"{ROOT}/accounts/{other}/checkout/chk_{'0' * 32}"):
        assert stranger.get(path).status_code == 404
    token = fields_of(stranger.get(f"{ROOT}/accounts/{other}/plans"))["csrf"]
    for path in (page, borrowed):
        assert stranger.post(path, data={"csrf": token, "decision": "pay"}).status_code == 404
    assert service.get(f"/v1/checkouts/{made['checkout_id']}").json()["state"] == "open"
    assert operator(service).get(borrowed).status_code == 404


def test_who_only_reads_buys_nothing_and_plays_no_payment(service: Service) -> None:
    account = service.open_account()
    made = checkout_of(service, account, package="pack")
    reader = operator(service, create_key(service.conninfo, "reads", ["ledger:read"]))
    seller = operator(service, create_key(service.conninfo, "sells", ["ledger:read", "portal:write"]))
    plans, checkout = (f"{ROOT}/accounts/{account}/{page}" for page in ("plans", f"checkout/{made['checkout_id']}"))
    bought = {"kind": "package", "id": "pack", "price": "once", "key": "k", "decision": "pay"}
    for page, button in ((plans, "Buy<"), (checkout, ">Pay<")):
        assert button in seller.get(page).text
        assert button not in reader.get(page).text
        assert reader.post(page, data={**bought, **fields_of(reader.get(page))}).status_code == 403
    assert service.get(f"/v1/checkouts/{made['checkout_id']}").json()["state"] == "open"


def test_one_form_makes_one_checkout(service: Service) -> None:
    account = service.open_account()
    client, page = person(service, account), f"{ROOT}/accounts/{account}/plans"
    form = {**fields_of(client.get(page)), "kind": "package", "id": "pack", "price": "once"}
    first, second = (client.post(page, data=form, follow_redirects=False) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    pressed_again = client.post(page, data={**form, "key": "another"}, follow_redirects=False)
    assert pressed_again.headers["location"] == first.headers["location"]
    client.post(first.headers["location"], data={"csrf": form["csrf"], "decision": "pay"})
    bought_again = client.post(page, data={**form, "key": "a third"}, follow_redirects=False)
    assert bought_again.headers["location"] != first.headers["location"]
    assert client.post(page, data={**form, "id": "locked"}).status_code == 409
    assert client.post(page, data={**form, "kind": "prices"}).status_code == 400
    assert client.post(page, data={**form, "key": ""}).status_code == 400


def test_a_trial_says_that_it_has_begun(service: Service) -> None:
    price = {"price": "monthly", "interval": {"months": 1}, "amount_minor": 500, "currency": "EUR"}
    plan = {"name": "Try", "credits": 300, "group": "try", "trial": {"days": 14, "credits": 30}, "prices": [price]}
    assert service.client.put("/v1/plans/try", json=plan).status_code == 201
    account = service.open_account()
    client, page = person(service, account), f"{ROOT}/accounts/{account}/plans"
    form = {"csrf": fields_of(client.get(page))["csrf"], "kind": "plan", "id": "try", "price": "monthly", "key": "k"}
    answer = client.post(page, data=form)
    assert "<strong>The trial has begun.</strong> 30 credits are on the balance" in answer.text
    wait_for(lambda: credits(service, account) == 30)
