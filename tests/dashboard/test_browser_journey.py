"""The whole way of a newcomer in a real browser, by what the pages and the mails say and nothing else: they register,
found a team, buy credits, invite a colleague, cap everybody, make a key, spend with it, and read who spent what."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.api.club import PASSWORD
from tests.dashboard.browsing import DESK, PHONE, Visit, barriers_in_light_and_dark, fits, resize
from tests.dashboard.conftest import NewVisit
from tests.dashboard.selling import credits, selling, shot
from tests.dashboard.test_browser_people import filled, heading, mailed
from tests.postgres import TestServers
from tests.service import ADMIN_KEY, Service, wait_for

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journey")


@pytest.fixture(scope="module")
def service(servers: TestServers, folder: Path) -> Iterator[Service]:
    """A service at which people sign in, which sells credits and plays payments."""
    yield from selling(servers, folder, manual="test", registration="open")


def seen(page: Page, name: str) -> None:
    """A page has no barriers, fits a desk and a phone, and is kept as a picture of both."""
    for what, size in {"phone": PHONE, "desk": DESK}.items():
        resize(page, size)
        assert fits(page), (name, what)
        shot(page, f"journey-{name}-{what}")
    assert barriers_in_light_and_dark(page) == "", name


def registered(visit: Visit, folder: Path, email: str, name: str) -> Page:
    """Whoever is on the page on which people register fills it in, and opens the link in their mail."""
    page = visit.page
    filled(page, "Register", Email_address=email, Name=name, New_password=PASSWORD)
    heading(page, "Look into your mail")
    visit.go(mailed(folder, email, "verification"))
    filled(page, "Confirm", Password=PASSWORD)
    return page


def new_key(page: Page, name: str) -> str:
    """Make a key on the page of keys; it is shown this once."""
    page.get_by_role("link", name="Keys", exact=True).click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Make the key").click()
    shown = page.get_by_label("The key", exact=True)
    expect(shown).to_have_value(re.compile(r"^clu_\w{42}$"))
    return shown.input_value()


def spend(service: Service, team: str, key: str, amount: int, task: str) -> httpx.Response:
    """What a program does that has a key."""
    body: dict[str, Any] = {"amount": amount, "task_id": task, "usage": {"model": "large", "metric": "rag_query"}}
    headers = {"Authorization": f"Bearer {key}"}
    return service.client.post(f"/v1/accounts/{team}/deductions", json=body, headers=headers)


def test_a_newcomer_finds_the_way_to_who_spent_what(new_visit: NewVisit, service: Service, folder: Path) -> None:
    own, other = new_visit(), new_visit()
    page = own.go("/sign-in")
    page.get_by_role("link", name="Register").click()
    seen(page, "01-register")
    registered(own, folder, ADA, "Ada")
    expect(page).to_have_url(re.compile(r"/accounts/usr_[0-9a-f]{20}$"))
    seen(page, "02-overview")

    page.get_by_role("link", name="My accounts").click()
    page.get_by_label("Name", exact=True).fill("Analytical Engines")
    page.get_by_role("button", name="Make the team").click()
    expect(page).to_have_url(re.compile(r"/accounts/team_[0-9a-f]{20}$"))
    team = page.url.rpartition("/")[2]
    seen(page, "03-empty-team")

    page.get_by_role("link", name="Plans", exact=True).click()
    page.get_by_role("button", name="Buy Pack").click()
    page.get_by_role("button", name="Pay", exact=True).click()
    expect(page.get_by_text("It is paid.")).to_be_visible()
    wait_for(lambda: credits(service, team) == 500)
    page.get_by_role("link", name="Go to the balance").click()
    expect(page.locator(".total .figure")).to_have_text("500")
    seen(page, "04-paid")

    page.get_by_role("link", name="Team", exact=True).click()
    page.get_by_label("Email address").fill(BOB)
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_text(BOB).first).to_be_visible()
    seen(page, "05-invited")

    guest = other.go(mailed(folder, BOB, "invitation"))
    seen(guest, "06-invitation")
    guest.get_by_role("link", name="Register").click()
    registered(other, folder, BOB, "Bob")
    heading(guest, "Join Analytical Engines")
    seen(guest, "07-back-at-the-invitation")
    guest.get_by_role("button", name="Join the team").click()
    expect(guest.get_by_text("What you can use now")).to_be_visible()

    page.get_by_role("link", name="Team", exact=True).click()
    page.get_by_role("link", name="Limit of each member").click()
    page.get_by_label("Credits", exact=True).fill("40")
    page.get_by_role("button", name="Set the limit").click()
    expect(page.get_by_text("0 of 40 used")).to_have_count(2)
    seen(page, "08-capped")

    keys = {"ada": new_key(page, "Production"), "bob": new_key(guest, "Notebook")}
    seen(page, "09-key")
    for who, amount, task in (("ada", 25, "a"), ("bob", 30, "b")):
        assert spend(service, team, keys[who], amount, task).status_code == 201
    refused = spend(service, team, keys["bob"], 11, "too much")
    assert (refused.status_code, refused.json()["code"]) == (402, "limit_reached")
    last = spend(service, team, keys["bob"], 8, "c")
    assert last.status_code == 201

    days = {"from": "2026-01-01", "to": "2026-01-01", "min_position": last.json()["position"]}
    service.get(f"/v1/accounts/{team}/usage", **days)
    page.get_by_role("link", name="Team", exact=True).click()
    page.get_by_role("link", name="Usage by member").click()
    for name, used in (("Ada", "25"), ("Bob", "38")):
        expect(page.get_by_role("row", name=re.compile(name))).to_contain_text(used)
    seen(page, "10-who-spent-what")
    page.get_by_role("link", name="Audit", exact=True).click()
    expect(page.get_by_role("cell", name="Member joined")).to_be_visible()
    seen(page, "11-audit")
    page.get_by_role("link", name="Usage", exact=True).click()
    seen(page, "12-usage")

    guest.get_by_role("link", name="Overview", exact=True).click()
    expect(guest.get_by_text("the limit “Each member, each month” leaves no more")).to_be_visible()
    seen(guest, "13-overview-of-a-member")

    own.go(mailed(folder, ADA, "joined"))
    heading(page, "Analytical Engines")
    page.get_by_role("link", name="Settings").click()
    seen(page, "14-settings")


def test_an_operator_finds_the_newcomers(new_visit: NewVisit, service: Service) -> None:
    """Whoever registered is found by a part of their address, with their account and their teams."""
    page = new_visit().go("/sign-in")
    page.get_by_text("Sign in as an operator").click()
    page.get_by_label("API key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Sign in with the key").click()
    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_label("Name, address or id").fill("ada@")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("row", name=re.compile(ADA))).to_have_count(2)
    expect(page.get_by_role("cell", name=BOB)).to_have_count(0)
    seen(page, "15-people-for-operators")
    page.get_by_role("link", name="Analytical Engines").click()
    heading(page, "Analytical Engines")
