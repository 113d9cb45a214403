"""Teams in a real browser: one founds a team, invites another, sets a limit, and reads who spent what."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.api.company import Company
from tests.dashboard.browsing import DESK, PHONE, Visit, barriers_in_light_and_dark, fits
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT
from tests.dashboard.selling import shot
from tests.postgres import TestServers
from tests.service import Service, service_here


@pytest.fixture(scope="module")
def company(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("browser-teams")
    settings = {"CREDIT_LEDGER_REGISTRATION": "open"}
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as service:
        yield Company(service, folder / "data" / "mail")


@pytest.fixture(scope="module")
def service(company: Company) -> Service:
    return company.service


def signed_in(company: Company, visit: Visit, name: str) -> Page:
    """The first page of somebody who signed in."""
    cookie = company.cookie(name)
    visit.context.add_cookies(
        [{"name": "credit_ledger_session", "value": cookie, "domain": "127.0.0.1", "path": ROOT, "httpOnly": True}]
    )
    return visit.go("/")


def looked_at(page: Page, name: str) -> None:
    """A page has no barriers, and is kept as a picture."""
    assert barriers_in_light_and_dark(page) == "", name
    assert fits(page), name
    shot(page, name)


@pytest.mark.parametrize(("size", "script"), [(PHONE, True), (DESK, False)], ids=["phone", "desk without script"])
def test_a_team_from_its_founding_to_who_spent_what(
    new_visit: NewVisit, company: Company, size: tuple[int, int], *, script: bool
) -> None:
    names = [f"{name}{size[0]}" for name in ("ada", "bob")]
    company.enter(*names)
    visit = new_visit(size, java_script_enabled=script)
    visit.expected |= {"status of 409", "status of 422"}
    page, look = signed_in(company, visit, names[0]), looked_at if script else shot
    page.get_by_role("link", name="My accounts").click()
    page.get_by_label("Name", exact=True).fill("The Lovelaces")
    page.get_by_label("Short name").fill(f"lovelaces-{size[0]}")
    look(page, f"teams-{size[0]}-accounts")
    page.get_by_role("button", name="Make the team").click()
    expect(page).to_have_url(re.compile(r"/accounts/team_[0-9a-f]{20}$"))
    team = page.url.rpartition("/")[2]

    page.get_by_role("link", name="Team", exact=True).click()
    page.get_by_label("Email address").fill(f"{names[1]}@example.com")
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_text(f"{names[1]}@example.com").first).to_be_visible()
    look(page, f"teams-{size[0]}-team")

    page.get_by_role("link", name="Keys", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Production")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_label("The key", exact=True)).to_have_value(re.compile(r"^clu_\w{42}$"))
    if script:
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy the key").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert re.fullmatch(r"clu_\w{42}", page.evaluate("navigator.clipboard.readText()"))
    look(page, f"teams-{size[0]}-keys")
    page.get_by_role("link", name="Team", exact=True).click()

    other = new_visit(size, java_script_enabled=script)
    guest = signed_in(company, other, names[1])
    other.go(f"/invitation/{company.link(names[1])}")
    look(guest, f"teams-{size[0]}-invitation")
    guest.get_by_role("button", name="Join the team").click()
    expect(guest.get_by_text("What you can use now")).to_be_visible()

    page.get_by_role("link", name="Limit of each member").click()
    page.get_by_label("Credits", exact=True).fill("40")
    page.get_by_role("button", name="Set the limit").click()
    grant = {"kind": "permanent", "amount": 100}
    assert company.service.post(f"/v1/accounts/{team}/grants", grant, key="g").status_code == 201
    use = {"amount": 35, "usage": {"member": company.ids[names[1]], "metric": "rag_query"}}
    used = company.service.post(f"/v1/accounts/{team}/deductions", use, key="d")
    assert used.status_code == 201
    page.reload()
    expect(page.get_by_text("35 of 40 used")).to_be_visible()
    expect(page.get_by_text("nearly used up")).to_be_visible()
    look(page, f"teams-{size[0]}-limits")

    days = {"from": "2026-01-01", "to": "2026-01-01", "min_position": used.json()["position"]}
    company.service.get(f"/v1/accounts/{team}/usage", **days)
    page.get_by_role("link", name="Usage by member").click()
    row = page.get_by_role("row", name=re.compile(names[1].title()))
    expect(row).to_contain_text("35")
    look(page, f"teams-{size[0]}-usage")

    guest.reload()
    expect(guest.get_by_text("the limit “Each member, each month” leaves no more")).to_be_visible()
    look(guest, f"teams-{size[0]}-member")
    guest.get_by_role("link", name="Team", exact=True).click()
    expect(guest.get_by_text("@example.com")).to_have_count(0)
    guest.get_by_role("button", name="Leave the team").click()
    expect(guest).to_have_url(re.compile(company.ids[names[1]]))
