"""The pages on which a subscription is changed, in a real browser, at a server that answers as Stripe does."""

import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from people.api_keys import create_key
from tests.api.stage import eventually
from tests.billing.changes.stripe_server import PORTAL, StripeServer, now_of, sell, stripe_server
from tests.dashboard.browsing import DESK, PHONE, Visit, barriers_at, resize
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, guest, operator, person, token_in
from tests.postgres import TestServers
from tests.service import Service, service_here

_numbers = count(700)
PICTURES = os.environ.get("CREDIT_LEDGER_TEST_PICTURES")
"""A folder for pictures of each page, for people who want to look at them."""


@pytest.fixture(scope="module")
def stripe() -> Iterator[StripeServer]:
    with stripe_server() as running:
        yield running


@pytest.fixture(scope="module")
def service(servers: TestServers, stripe: StripeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that calls Stripe, and sells two plans."""
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("changes")
    with server.database() as conninfo, service_here(conninfo, folder, settings=stripe.settings) as running:
        sell(running)
        yield running


@pytest.fixture
def account(service: Service, stripe: StripeServer) -> str:
    found = stripe.subscribe(service, next(_numbers))
    stripe.carried_out.clear()
    return found


def has(service: Service, account: str, name: str, value: object) -> None:
    """Wait until the ledger knows this of the subscription."""
    eventually(lambda: (now_of(service, account) or {})[name] == value, 30)


def picture(page: Page, name: str) -> None:
    if PICTURES is not None:
        for size in (PHONE, DESK):
            resize(page, size)
            page.screenshot(path=str(Path(PICTURES) / f"{name}-{size[0]}.png"), full_page=True)


def test_a_person_upgrades_and_gets_it_at_once(
    visit: Visit, service: Service, stripe: StripeServer, account: str
) -> None:
    visit.enter(account)
    page = visit.go(f"/accounts/{account}")
    page.locator("[data-part=plan]").get_by_role("link", name="Upgrade").click()
    pro = page.locator(".offers > li", has_text="Pro")
    given = re.search(r"Pay now, get now: ([\d,]+) credits", pro.inner_text())
    assert given is not None
    pro.get_by_role("link", name="Upgrade to Pro").click()
    expect(page.get_by_role("heading", level=1, name="Upgrade to Pro")).to_be_visible()
    expect(page.get_by_text(given[1]).first).to_be_visible()
    assert stripe.carried_out == []
    page.get_by_role("button", name="Upgrade now").click()
    expect(page.get_by_text("The plan changes as soon as the payment provider says so.")).to_be_visible()
    expect(page.locator("[data-part=plan]").get_by_text("Pro", exact=True)).to_be_visible()
    has(service, account, "plan", "pro")
    assert stripe.carried_out == ["change to price_pro"]


def test_cancelling_asks_once_and_can_be_taken_back(
    visit: Visit, service: Service, stripe: StripeServer, account: str
) -> None:
    visit.enter(account)
    page = visit.go(f"/accounts/{account}/billing")
    page.get_by_role("link", name="Cancel the subscription").click()
    expect(page.get_by_text("The subscription stays until")).to_be_visible()
    page.get_by_label("Why?").fill("Too dear")
    page.get_by_role("button", name="Cancel the subscription").click()
    expect(page.get_by_text("It ends on")).to_be_visible()
    has(service, account, "cancel_at", (now_of(service, account) or {})["current_period_end"])
    page.locator("[data-part=plan]").get_by_role("link", name="Reactivate").click()
    page.get_by_role("button", name="Keep the subscription").click()
    expect(page.get_by_text("It renews on")).to_be_visible()
    has(service, account, "cancel_at", None)
    assert stripe.carried_out == ["cancel", "resume"]


def test_a_downgrade_waits_for_the_end(new_visit: NewVisit, service: Service, account: str) -> None:
    """Without a script, and by an operator."""
    operating = new_visit(java_script_enabled=False)
    operating.enter_as_operator()
    page = operating.go(f"/accounts/{account}/subscription/upgrade?plan=pro")
    page.get_by_role("button", name="Upgrade now").click()
    has(service, account, "plan", "pro")
    page = operating.go(f"/accounts/{account}/plans")
    page.get_by_role("link", name="Downgrade to Lite").click()
    expect(page.get_by_text("Nothing changes until")).to_be_visible()
    page.get_by_role("button", name="Change at the end of the period").click()
    has(service, account, "next_plan", "lite")
    page = operating.go(f"/accounts/{account}/billing")
    expect(page.locator("[data-part=plan]").get_by_text("as Lite")).to_be_visible()
    page.get_by_role("link", name="Keep the present plan").click()
    page.get_by_role("button", name="Keep the subscription").click()
    has(service, account, "next_plan", None)


def test_invoices_are_on_a_page_of_the_provider(visit: Visit, account: str) -> None:
    visit.enter(account)
    page = visit.go(f"/accounts/{account}/billing")
    page.get_by_role("button", name="Payment methods and invoices").click()
    assert page.get_by_role("link", name="Open the page").get_attribute("href") == PORTAL


def test_nothing_keeps_anybody_out(new_visit: NewVisit, account: str) -> None:
    visit = new_visit(PHONE)
    visit.enter(account)
    for path in ("", "/plans", "/billing", "/subscription/upgrade?plan=pro", "/subscription/cancel"):
        page = visit.go(f"/accounts/{account}{path}")
        picture(page, path.strip("/").partition("?")[0].replace("/", "-") or "overview")
        assert barriers_at(page, PHONE, DESK) == "", path


def test_a_form_of_anybody_else_changes_nothing(service: Service, stripe: StripeServer, account: str) -> None:
    """Another account's holder, a form without its token, a page of another site, a key that may only read."""
    path = f"{ROOT}/accounts/{account}/subscription"
    holder, other = person(service, account), person(service, service.open_account())
    form = holder.get(f"{path}/cancel")
    good = {"csrf": token_in(form), "key": "one"}
    for name in ("cancel", "upgrade?plan=pro", "downgrade?plan=lite", "reactivate"):
        assert other.get(f"{path}/{name}").status_code == 404
    for name in ("cancel", "upgrade", "downgrade", "reactivate", "portal"):
        assert other.post(f"{path}/{name}", data={**good, "plan": "pro"}).status_code == 404
        assert holder.post(f"{path}/{name}", data={"key": "one", "plan": "pro"}).status_code == 403
        evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert holder.post(f"{path}/{name}", data=good, headers=evil).status_code == 403
        assert status_without_session(service, f"{path}/{name}") == 401
    reader = operator(service, create_key(service.conninfo, "reader", ["ledger:read"]))
    assert reader.get(f"{path}/cancel").status_code == 403
    assert holder.post(f"{path}/upgrade", data={**good, "plan": "staff"}).status_code == 404
    assert stripe.carried_out == []
    assert holder.post(f"{path}/cancel", data=good).status_code == 200
    assert holder.post(f"{path}/cancel", data=good).status_code == 200
    assert stripe.carried_out == ["cancel"]


def status_without_session(service: Service, path: str) -> int:
    return guest(service).post(path, data={"key": "one"}).status_code
