"""The pages and actions of operators in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from people.api_keys import create_key
from tests.dashboard.browsing import DESK, PHONE, Visit, barriers_at
from tests.dashboard.conftest import NewVisit
from tests.dashboard.histories import used_account
from tests.service import Service

PAGES = ["/accounts", "/statistics", "/uncollected", "/revenue", "/revenue/deferred", "/disputes", "/service", "/keys"]
OF_AN_ACCOUNT = ["", "/usage", "/billing", "/keys", "/events", "/update", "/grant", "/deduct", "/freeze", "/grants"]


@pytest.fixture(scope="module")
def used(service: Service) -> str:
    return used_account(service, 5)


def test_a_wrong_key_does_not_come_in(visit: Visit) -> None:
    visit.expected.add("401")
    page = visit.sign_in("clk_nothing_of_ours")
    expect(page.get_by_role("alert")).to_have_text("This key is unknown, expired or revoked.")
    expect(page.get_by_label("API key")).to_have_value("")


def test_an_account_is_found_and_seen_as_its_holder_sees_it(visit: Visit, used: str) -> None:
    page = visit.sign_in()
    page.get_by_role("searchbox").or_(page.get_by_label(re.compile("begins? with", re.IGNORECASE))).first.fill(used)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=used, exact=True).click()
    expect(page.locator(".total .figure")).to_be_visible()
    for name in ("Usage", "Billing", "Events"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)


def grant(page: Page, amount: str, reason: str) -> None:
    """Fill in the form, and preview it."""
    page.get_by_role("link", name="Grant", exact=True).click()
    page.get_by_label("Credits", exact=True).fill(amount)
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Preview").click()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_grant_with_a_reason_and_a_preview(new_visit: NewVisit, service: Service, *, script: bool) -> None:
    account = service.open_account(permanent=100)
    visit = new_visit(java_script_enabled=script)
    visit.sign_in()
    page = visit.go(f"/accounts/{account}")
    grant(page, "250", "Sorry for the outage")
    ahead = page.get_by_role("row", name=re.compile("^Total"))
    expect(ahead).to_contain_text("100")
    expect(ahead).to_contain_text("+250")
    expect(ahead).to_contain_text("350")
    assert service.get(f"/v1/accounts/{account}/balance").json()["total"] == 100  # nothing is done yet
    page.locator("main form").get_by_role("button").last.or_(
        page.get_by_role("button", name=re.compile("confirm|grant", re.IGNORECASE))
    ).first.dblclick()
    expect(page).to_have_url(re.compile(f"/accounts/{account}\\?done="))
    expect(page.get_by_text("250 permanent credits were granted").first).to_be_visible()
    assert service.get(f"/v1/accounts/{account}/balance").json()["total"] == 350
    events = service.get(f"/v1/accounts/{account}/events").json()["events"]
    assert [event["metadata"]["actor"] for event in events][-1] == "key:admin"
    assert events[-1]["data"]["description"] == "Sorry for the outage"
    assert len(events) == 3


def test_a_whole_key_that_is_looked_for_gets_into_no_address(new_visit: NewVisit, service: Service) -> None:
    """A script cuts it to what may be shown; without one, the browser does not send it."""
    secret = create_key(service.conninfo, "found in a log", ["ledger:read"])
    for script in (True, False):
        visit = new_visit(java_script_enabled=script)
        visit.sign_in()
        page = visit.go("/keys")
        page.get_by_role("searchbox").fill(f" {secret}")
        page.get_by_role("button", name="Search").click()
        if script:
            expect(page).to_have_url(re.compile(rf"/keys\?q=[+ ]?{secret[:12]}$"))
            expect(page.get_by_role("row", name="found in a log")).to_be_visible()
        else:
            expect(page).to_have_url(re.compile("/keys$"))
            assert page.get_by_role("searchbox").evaluate("field => field.validity.patternMismatch")


def test_an_account_with_a_slash_in_its_id_is_edited_and_its_page_follows(visit: Visit, service: Service) -> None:
    """Every link, form, redirect and stream of its pages encodes the slash."""
    account = "org/50%2F é"
    assert service.post("/v1/accounts", {"account_id": account, "signup_credits": 100}).status_code == 201
    visit.enter_as_operator()
    page = visit.go("/accounts")
    page.get_by_label("Id begins with").fill("org/")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=account, exact=True).click()
    expect(page).to_have_url(re.compile(r"/accounts/org%2F50%252F%20%C3%A9$"))
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Labels").fill("plan=pro")
    page.get_by_label("Reason").fill("upgraded")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Update now").click()
    expect(page.get_by_text("label plan is pro").first).to_be_visible()
    path = "/v1/accounts/org%2F50%252F%20%C3%A9"
    assert service.get(path).json()["labels"] == {"plan": "pro"}
    service.post(f"{path}/deductions", {"amount": 7, "task_id": "live"})
    expect(page.locator(".total .figure")).to_have_text("93")
    for name in ("Usage", "Billing", "Events"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
    visit.go("/accounts?labels=plan%3Dpro&standing=active")
    expect(page.get_by_role("link", name=account, exact=True)).to_be_visible()


def test_who_may_only_look_has_nothing_to_press(visit: Visit, service: Service, used: str) -> None:
    visit.expected.add("403")
    visit.enter_as_operator(create_key(service.conninfo, "looking", ["ledger:read"]))
    page = visit.go(f"/accounts/{used}")
    expect(page.locator(".total .figure")).to_be_visible()
    expect(page.get_by_role("navigation", name="Actions")).to_have_count(0)
    page = visit.go(f"/accounts/{used}/grant")
    expect(page.get_by_text("lacks the scope ledger:manage")).to_be_visible()


def test_nothing_keeps_anybody_out(new_visit: NewVisit, used: str) -> None:
    visit = new_visit(PHONE)
    assert barriers_at(visit.go("/sign-in"), PHONE, DESK) == ""
    visit.enter_as_operator()
    for path in [*PAGES, *(f"/accounts/{used}{below}" for below in OF_AN_ACCOUNT)]:
        assert barriers_at(visit.go(path), PHONE, DESK) == "", path
