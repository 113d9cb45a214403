"""The limits page in a real browser: bars, words, resets in local time, and the forms of operators."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browsing import PHONE, Visit, barriers_in_light_and_dark, fits
from tests.dashboard.conftest import NewVisit
from tests.service import Service

TITLES = {
    "month": "All usage, each month",
    "daily": "All usage, each day",
    "member-month": "Each member, each month",
    "images": "image, in total",
    "first-use": "Model gpt-5, each 5 hours",
}
MONTH = {"every": "month", "zone": "Asia/Tokyo", "starts": 1}


@pytest.fixture(scope="module")
def limited(service: Service) -> str:
    """An account with a limit of each state: much left, near, used up, and over."""
    account = service.open_account(permanent=10_000)
    limits = [
        {"limit_id": "month", "amount": 1_000, "period": MONTH},
        {"limit_id": "daily", "amount": 250, "period": {"every": "day"}},
        {"limit_id": "member-month", "amount": 200, "each": ["member"], "period": MONTH},
        {"limit_id": "images", "amount": 10, "unit": "image", "hard": False},
        {"limit_id": "first-use", "amount": 500, "only": {"model": "gpt-5"}, "period": {"seconds": 18_000}},
    ]
    body = {"source": "plan", "limits": limits}
    assert service.post(f"/v1/accounts/{account}/limits", body, key="l").status_code == 201
    for member, amount in (("ada", 200), ("bob", 30)):
        usage = {"member": member, "model": "other"}
        used = service.post(f"/v1/accounts/{account}/deductions", {"amount": amount, "usage": usage}, key=member)
        assert used.status_code == 201, used.text
    metered = {"quantity": 12, "usage": {"metric": "image", "member": "ada", "model": "other"}}
    assert service.post(f"/v1/accounts/{account}/usage", metered, key="m").status_code == 201
    return account


def limits_page(visit: Visit, account: str) -> Page:
    visit.enter(account)
    return visit.go(f"/accounts/{account}/limits")


def card(page: Page, name: str) -> Any:
    """The limit that has a name, which the page says below what the limit is about."""
    return page.locator("section.limit").filter(has_text=re.compile(rf"Its name is {re.escape(name)}\."))


def test_each_limit_says_how_much_is_left_and_when_it_resets(visit: Visit, limited: str) -> None:
    page = limits_page(visit, limited)
    expect(page.get_by_text("1,000 credits. It resets every month, on the 1st, in Asia/Tokyo.")).to_be_visible()
    for name, title in TITLES.items():
        expect(card(page, name).get_by_role("heading")).to_have_text(title)
    expect(card(page, "month")).to_contain_text("230 of 1,000 used")
    expect(card(page, "month")).to_contain_text("770 left")
    expect(card(page, "month")).to_contain_text(re.compile(r"Resets in \d+ \w+, on \d+ \w+ \d{4}, 1[67]:00"))
    expect(card(page, "daily")).to_contain_text("nearly used up 20 left")
    assert card(page, "daily").locator(".level").get_attribute("class") == "level near"
    ada, bob = card(page, "member-month").locator(".bars li").all()
    expect(ada).to_contain_text("ada 200 of 200 used")
    expect(ada).to_contain_text("used up Nothing more is accepted.")
    assert ada.locator(".level").get_attribute("class") == "level reached"
    expect(bob).to_contain_text("bob 30 of 200 used")
    expect(card(page, "images")).to_contain_text("2 over")
    expect(card(page, "first-use")).to_contain_text("It resets 5 hours after the first use.")
    now = re.compile(r"can be used now\s*20\s*the limit “All usage, each day”")
    expect(page.locator("[data-part=now]")).to_contain_text(now)
    expect(page.get_by_role("link", name="Set a limit")).to_have_count(0)


def test_the_overview_warns_of_what_is_nearly_used_up(visit: Visit, limited: str) -> None:
    visit.enter(limited)
    page = visit.go(f"/accounts/{limited}")
    expect(page.get_by_role("note").filter(has_text="each day")).to_contain_text(
        "Little is left of the limit “All usage, each day”: 20 of"
    )
    page.get_by_role("link", name="All limits").first.click()
    expect(page).to_have_url(re.compile("/limits$"))


def test_an_account_without_limits_says_so(visit: Visit, service: Service) -> None:
    page = limits_page(visit, service.open_account(permanent=5))
    expect(page.get_by_text("No limits are set.")).to_be_visible()


def test_it_fits_a_phone_and_can_be_used_by_everybody(new_visit: NewVisit, limited: str) -> None:
    visit = new_visit(PHONE)
    page = limits_page(visit, limited)
    assert fits(page)
    assert barriers_in_light_and_dark(page) == ""


def test_without_scripts(new_visit: NewVisit, limited: str) -> None:
    visit = new_visit(PHONE, java_script_enabled=False)
    page = limits_page(visit, limited)
    expect(card(page, "daily")).to_contain_text("20 left")


def test_an_operator_sets_changes_and_removes_a_limit(new_visit: NewVisit, service: Service) -> None:
    """The others of operators stay, and those of other sources are not touched."""
    account, visit = service.open_account(permanent=100), new_visit()
    plan = {"source": "plan", "limits": [{"limit_id": "plan", "amount": 70}]}
    service.post(f"/v1/accounts/{account}/limits", plan, key="p")
    visit.enter_as_operator()
    page = visit.go(f"/accounts/{account}/limits")
    for name, amount in (("team", "500"), ("daily", "20")):
        page.get_by_role("link", name="Set a limit").click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Amount", exact=True).fill(amount)
        page.get_by_label("Counts", exact=True).select_option("Each member")
        page.get_by_label("Resets", exact=True).select_option("Every day")
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_text("The limits of operator were set")).to_be_visible()
        page.get_by_role("button", name="Set now").click()
        expect(page.locator("[data-part=notices]")).to_contain_text("Done.")
    expect(card(page, "team")).to_contain_text("500 credits for each member. It resets every day, in Europe/Berlin.")
    expect(card(page, "plan")).to_contain_text("set by plan")
    expect(card(page, "plan").get_by_role("link", name="Change")).to_have_count(0)
    card(page, "team").get_by_role("link", name="Set an allowance").click()
    page.get_by_label("For", exact=True).fill("ada")
    page.get_by_label("Amount", exact=True).fill("0")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Set now").click()
    expect(card(page, "team")).to_contain_text("ada 0 of 0 used")
    card(page, "team").get_by_role("link", name="Change team").click()
    expect(page.get_by_label("Amount", exact=True)).to_have_value("500")
    page.get_by_label("Amount", exact=True).fill("600")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Set now").click()
    expect(card(page, "team")).to_contain_text("600 credits for each member")
    expect(card(page, "team")).to_contain_text("ada 0 of 0 used")
    card(page, "daily").get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Remove now").click()
    expect(card(page, "daily")).to_have_count(0)
    expect(card(page, "team")).to_have_count(1)


def test_what_no_limit_can_be_is_said_at_its_field(new_visit: NewVisit, service: Service) -> None:
    account, visit = service.open_account(permanent=100), new_visit(PHONE)
    visit.expected.add("422")
    visit.enter_as_operator()
    page = visit.go(f"/accounts/{account}/limit")
    page.get_by_label("Name", exact=True).fill("x")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Enter a number.")).to_be_visible()
    page.get_by_label("Amount", exact=True).fill("5")
    page.get_by_label("Only for", exact=True).fill("member")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Enter one on each line, such as model=gpt-5.")).to_be_visible()
    assert fits(page)
    assert barriers_in_light_and_dark(page) == ""
