"""People in a real browser: a newcomer registers, opens the link in the mail, signs out and in, and comes back."""

import re
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.api.club import PASSWORD, Club
from tests.dashboard.browsing import DESK, PHONE, barriers_at
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, guest, token_in
from tests.dashboard.selling import shot
from tests.postgres import TestServers, owner
from tests.service import PATIENCE, Service, service_here


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("people")


@pytest.fixture(scope="module")
def service(servers: TestServers, folder: Path) -> Iterator[Service]:
    """A service at which people sign in."""
    server = servers.get("embedded")
    assert server is not None
    settings = {"CREDIT_LEDGER_REGISTRATION": "open"}
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as running:
        yield running


def mailed(folder: Path, to: str, kind: str) -> str:
    """The path of the link in the newest mail of a kind to somebody, as soon as it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for file in sorted((folder / "data" / "mail").glob(f"*-{kind}.eml"), reverse=True):
            message = message_from_bytes(file.read_bytes(), policy=default)
            if message["to"] == to and (found := re.search(rf"{ROOT}(/\w+/\S+)", message.get_content())):
                return found[1]
        time.sleep(0.05)
    raise AssertionError(f"there is no mail {kind} to {to}")


def filled(page: Page, button: str, **fields: str) -> None:
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " ")).fill(value)
    page.get_by_role("button", name=button, exact=True).click()


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def looked_at(page: Page, name: str, *sizes: tuple[int, int]) -> None:
    """A page has no barriers in windows of these sizes, and is kept as a picture."""
    assert barriers_at(page, *sizes) == "", name
    shot(page, name)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_newcomer_registers_and_comes_back(
    new_visit: NewVisit, service: Service, folder: Path, *, script: bool
) -> None:
    email = f"ada-{script}@example.com".lower()
    visit = new_visit(java_script_enabled=script)
    visit.expected |= {"status of 401", "status of 410", "status of 422"}
    page = visit.go("/register")
    filled(page, "Register", Email_address=email, Name="Ada", New_password="password123")
    expect(page.get_by_role("alert")).to_contain_text("tried first")
    expect(page.get_by_label("Email address")).to_have_value(email)
    expect(page.get_by_label("New password")).to_be_focused()
    filled(page, "Register", New_password=PASSWORD)
    heading(page, "Look into your mail")

    link = mailed(folder, email, "verification")
    visit.go(link)
    filled(page, "Confirm", Password="not this one")
    expect(page.get_by_role("alert")).to_contain_text("not the password")
    filled(page, "Confirm", Password=PASSWORD)
    expect(page).to_have_url(re.compile(r"/dashboard/accounts/usr_[0-9a-f]{20}$"))
    expect(page.get_by_text("100").first).to_be_visible()
    visit.go(link)
    heading(page, "This link is of no use any more")

    visit.go("/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in again").click()
    filled(page, "Sign in", Email_address=email, Password=PASSWORD)
    expect(page).to_have_url(re.compile("/accounts/usr_"))


def test_an_expired_person_is_told_so_and_finds_the_way_back(
    new_visit: NewVisit, service: Service, folder: Path
) -> None:
    visit = new_visit()
    visit.expected |= {"status of 401"}
    page = visit.go("/register")
    filled(page, "Register", Email_address="bob@example.com", New_password=PASSWORD)
    visit.go(mailed(folder, "bob@example.com", "verification"))
    filled(page, "Confirm", Password=PASSWORD)
    expect(page).to_have_url(re.compile("/accounts/usr_"))
    [cookie] = [one for one in visit.context.cookies() if one["name"] == "credit_ledger_session"]
    assert cookie["expires"] > time.time() + 29 * 86_400
    with psycopg.connect(owner(service.conninfo)) as connection:
        connection.execute("UPDATE people.sessions SET expires_at = begun_at WHERE user_id IS NOT NULL")
    page.reload()
    heading(page, "This session is over")
    shot(page, "people-session-over")
    page.get_by_role("link", name="Sign in again").click()

    page.get_by_role("link", name="Sign in by mail").click()
    filled(page, "Mail me a link", Email_address="bob@example.com")
    visit.go(mailed(folder, "bob@example.com", "link"))
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(re.compile("/accounts/usr_"))

    visit.go("/reset")
    filled(page, "Mail me a link", Email_address="bob@example.com")
    visit.go(mailed(folder, "bob@example.com", "reset"))
    filled(page, "Change the password", New_password="another good password")
    heading(page, "Your password is changed")
    visit.go("/")
    heading(page, "This session is over")


def test_the_forms_have_no_barriers_and_fit(new_visit: NewVisit, service: Service, folder: Path) -> None:
    visit, sizes = new_visit(PHONE), (PHONE, DESK)
    visit.expected |= {"status of 401", "status of 410", "status of 422"}
    looked_at(visit.go("/sign-in"), "people-sign-in", *sizes)
    looked_at(visit.go("/register"), "people-register", *sizes)
    filled(visit.page, "Register", Email_address="forms@example.com", New_password="password123")
    looked_at(visit.page, "people-refused", *sizes)
    filled(visit.page, "Register", New_password=PASSWORD)
    looked_at(visit.page, "people-mailed", *sizes)
    looked_at(visit.go(mailed(folder, "forms@example.com", "verification")), "people-verify", *sizes)
    looked_at(visit.go("/reset"), "people-reset", *sizes)
    looked_at(visit.go("/link/unknown"), "people-spent", *sizes)


def test_a_sign_in_replaces_the_session_before_and_needs_the_token_of_the_form(service: Service, folder: Path) -> None:
    """Whoever planted a cookie in a browser does not get the session that begins there."""
    user = guest(service)
    data = {"email": "eve@example.com", "password": PASSWORD, "name": "Eve"}
    assert user.post(f"{ROOT}/register", data=data).status_code == 403
    token = token_in(user.get(f"{ROOT}/register"))
    assert user.post(f"{ROOT}/register", data={**data, "csrf": token}).status_code == 202
    place = ROOT + mailed(folder, "eve@example.com", "verification")
    for _ in range(2):
        assert user.head(place).status_code == user.get(place).status_code == 200, "looking takes nothing"
    made = user.post(place, data={"password": PASSWORD, "csrf": token_in(user.get(place))}, follow_redirects=False)
    first = user.cookies["credit_ledger_session"]
    assert made.status_code == 303
    token = token_in(user.get(f"{ROOT}/sign-in"))
    user.post(f"{ROOT}/sign-in/password", data={**data, "csrf": token}, follow_redirects=False)
    assert user.cookies["credit_ledger_session"] != first
    thief = guest(service)
    thief.cookies.set("credit_ledger_session", first, path=ROOT)
    assert thief.get(f"{ROOT}/").status_code == 401


def test_where_nobody_signs_in_there_are_no_such_pages(servers: TestServers, tmp_path: Path) -> None:
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path) as closed:
        user = guest(closed)
        for path in ("/register", "/reset", "/link/a", "/verify/a", "/sign-in/link"):
            assert user.get(ROOT + path).status_code == 404, path
        assert "<details" not in user.get(f"{ROOT}/sign-in").text


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_somebody_settles_in_and_leaves(new_visit: NewVisit, service: Service, folder: Path, *, script: bool) -> None:
    """Their profile, their sessions, what they did, a copy of everything, and a deletion that is taken back."""
    name = f"gina-{script}".lower()
    Club(service, folder / "data" / "mail").join(name)
    visit = new_visit(java_script_enabled=script)
    visit.expected |= {"status of 401", "status of 422"}
    page = visit.go("/sign-in")
    filled(page, "Sign in", Email_address=f"{name}@example.com", Password=PASSWORD)
    page.get_by_role("link", name="Settings").click()
    heading(page, "Settings")
    filled(page, "Save the profile", Name="Gina", Time_zone="Mars/Base")
    expect(page.get_by_role("alert")).to_contain_text("no such time zone")
    expect(page.get_by_label("Time zone")).to_have_value("Mars/Base")
    expect(page.get_by_label("Time zone")).to_be_focused()
    page.get_by_label("Numbers as in").select_option("de-CH")
    filled(page, "Save the profile", Time_zone=" america/new york ")
    expect(page.get_by_label("Time zone")).to_have_value("America/New_York")
    filled(page, "Save the profile", Time_zone="Asia/Tokyo")
    expect(page.get_by_role("main").get_by_role("status")).to_contain_text("Your profile is changed")
    page.get_by_label("when somebody joins or leaves a team").uncheck()
    page.get_by_role("button", name="Save the mails").click()
    expect(page.get_by_label("when somebody joins or leaves a team")).not_to_be_checked()
    if script:
        looked_at(page, "settings", DESK)
    page.get_by_role("button", name=re.compile("^End the session of")).click()
    expect(page.get_by_role("main").get_by_role("status")).to_contain_text("session is ended")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download a copy").click()
    assert download.value.suggested_filename.endswith(".zip")
    page.get_by_label("Password", exact=True).last.fill("not this one")
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("alert")).to_contain_text("The password is wrong")
    page.get_by_label("Password", exact=True).last.fill(PASSWORD)
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("heading", level=2).first).to_contain_text("You will be erased on ")
    page.get_by_role("button", name="Keep my account").click()
    expect(page.get_by_role("main").get_by_role("status")).to_contain_text("Your account stays")
    page.get_by_role("link", name="Back to your account").click()
    page.get_by_role("link", name="Audit").click()
    heading(page, "Audit log")
    expect(page.get_by_text("Times are in Asia/Tokyo")).to_be_visible()
    for done in ("User deletion taken back", "User export requested", "Session ended", "User profile changed"):
        expect(page.get_by_role("cell", name=done).first).to_be_visible()
    if script:
        looked_at(page, "audit", DESK)
