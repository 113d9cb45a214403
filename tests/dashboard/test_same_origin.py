"""What changes something is taken from our own pages only, and nobody's session is replaced without being asked."""

import re
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Route, expect

from api.contract.scopes import PAGES
from people.api_keys import key_hash
from people.sessions import OPERATOR_LASTS, make_link
from tests.dashboard.acting import filled_in, path_of, sent
from tests.dashboard.browsing import Visit, barriers
from tests.dashboard.guests import ROOT, guest, operator, person, portal_link, token_in
from tests.service import ADMIN_KEY, Service

EVIL = "http://evil.example"
FOREIGN = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {"Origin": "null", "Host": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
]
OWN = [
    {},
    {"Origin": "{own}"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none", "Origin": "{own}"},
    # Without a public address, a proxy may have changed the Host header.
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://credits.example"},
]


def headers(service: Service, written: dict[str, str]) -> dict[str, str]:
    return {name: value.format(own=service.url) for name, value in written.items()}


CHANGES = [name.removeprefix("POST ") for name in PAGES if not name.startswith("GET ")]


def test_no_page_that_changes_something_is_taken_from_elsewhere(service: Service) -> None:
    stranger = guest(service)
    for path in CHANGES:
        filled = path.format(account_id="a", grant_id="grt_1", limit_id="l", token="t", upload_id="u", checkout_id="c")
        for written in FOREIGN:
            answer = stranger.post(ROOT + filled, data={"csrf": "0"}, headers=headers(service, written))
            assert answer.status_code == 403, (path, written)
            assert "not sent from a page of this dashboard" in answer.text, (path, written)


def test_a_form_that_names_two_origins_is_refused(service: Service) -> None:
    for name in ("Origin", "Sec-Fetch-Site"):
        values = [service.url, EVIL] if name == "Origin" else ["same-origin", "cross-site"]
        clerk = guest(service)
        token = token_in(clerk.get(f"{ROOT}/sign-in"))
        form = {"key": ADMIN_KEY, "csrf": token}
        answer = clerk.post(f"{ROOT}/sign-in", data=form, headers=[(name, value) for value in values])
        assert answer.status_code in {400, 403, 422}, (name, answer.status_code)


def test_a_good_token_does_not_help_elsewhere(service: Service) -> None:
    account = service.open_account(permanent=10)
    clerk = operator(service)
    path = path_of(account, "deduct")
    ahead = filled_in(clerk, path, amount="4", reason="A test")
    for written in FOREIGN:
        clerk.headers.update(given := headers(service, written))
        assert sent(clerk, path, ahead, "confirm").status_code == 403
        for name in given:
            del clerk.headers[name]
    assert service.get(f"/v1/accounts/{account}/balance").json()["total"] == 10
    clerk.headers.update(headers(service, OWN[1]))
    assert sent(clerk, path, ahead, "confirm").status_code == 200
    assert service.get(f"/v1/accounts/{account}/balance").json()["total"] == 6


def test_our_own_pages_are_taken(service: Service) -> None:
    user = person(service, service.open_account())
    token = token_in(user.get(f"{ROOT}/"))
    cookies = "; ".join(f"{name}={value}" for name, value in user.cookies.items())
    for written in OWN:  # the cookie is sent again after the first sign-out: its form is still its form
        given = {"Cookie": cookies, **headers(service, written)}
        assert user.post(f"{ROOT}/sign-out", data={"csrf": token}, headers=given).status_code == 200, written


def test_a_browser_says_where_a_form_comes_from(service: Service, visit: Visit) -> None:
    """A page of another site signs nobody out, and signs nobody in."""
    visit.expected |= {EVIL, "403"}
    page = visit.open_portal_link(service.open_account())
    home = page.url
    cookies = {cookie["name"]: cookie["value"] for cookie in visit.context.cookies()}

    def foreign_page(route: Route) -> None:
        form = f'<form method="post" action="{service.url}{ROOT}/sign-out"><button>Win a prize</button></form>'
        route.fulfill(body=form, content_type="text/html")

    visit.context.route(f"{EVIL}/**", foreign_page)
    page.goto(f"{EVIL}/")
    page.get_by_role("button").click()
    expect(page.get_by_text("not sent from a page of this dashboard")).to_be_visible()
    page.goto(home)
    expect(page).to_have_url(home)
    assert visit.context.cookies()[0]["value"] in cookies.values()


# Somebody's link ----------------------------------------------------------------------------------------------------


@pytest.fixture
def clerk(service: Service) -> httpx.Client:
    return operator(service)


def test_an_operator_is_asked_before_their_session_is_replaced(service: Service, visit: Visit) -> None:
    account = service.open_account(permanent=3)
    link = portal_link(service, account)
    page = visit.sign_in()
    expect(page).to_have_url(f"{service.url}{ROOT}/accounts")
    old = visit.context.cookies()
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Open this link?")
    expect(page.get_by_text(account)).to_be_visible()
    assert barriers(page) == ""
    page.get_by_role("link", name="Stay signed in").click()
    expect(page).to_have_url(f"{service.url}{ROOT}/accounts")
    page.goto(link)
    page.get_by_role("button", name="Open the link").click()
    expect(page).to_have_url(f"{service.url}{ROOT}/accounts/{account}")
    visit.go("/accounts")
    expect(page.get_by_role("heading", level=1)).to_have_text("This page does not exist")
    visit.expected.add("404")
    assert guest(service).get(link).status_code == 410
    kept = {cookie["name"]: cookie["value"] for cookie in old}
    thief = guest(service)
    thief.cookies.update(kept)
    assert thief.get(f"{ROOT}/accounts").status_code == 401  # the operator's session has ended


def test_a_link_that_opens_nothing_replaces_nothing(service: Service, clerk: httpx.Client) -> None:
    link = portal_link(service, service.open_account())
    asked = clerk.get(link)
    assert guest(service).get(link).status_code == 200  # somebody else was quicker
    late = clerk.post(link, data={"csrf": token_in(asked)})
    assert (late.status_code, clerk.get(f"{ROOT}/accounts").status_code) == (410, 200)
    assert clerk.get(link).status_code == 410
    assert clerk.get(f"{ROOT}/portal/never-made").status_code == 410
    assert clerk.get(f"{ROOT}/accounts").status_code == 200


def test_the_answer_needs_the_token_of_its_page(service: Service, clerk: httpx.Client) -> None:
    link = portal_link(service, service.open_account())
    clerk.get(link)
    assert clerk.post(link, data={"csrf": "0" * 64}).status_code == 403
    assert clerk.get(f"{ROOT}/accounts").status_code == 200
    assert guest(service).get(link).status_code == 200


def test_an_operators_own_link_is_asked_about_too(service: Service, clerk: httpx.Client) -> None:
    made = make_link(service.conninfo, datetime.now(UTC), OPERATOR_LASTS, key_sha256=key_hash(ADMIN_KEY))
    asked = clerk.get(f"{ROOT}/portal/{made.token}")
    assert "signs you in with another API key" in asked.text
    opened = clerk.post(f"{ROOT}/portal/{made.token}", data={"csrf": token_in(asked)})
    assert opened.url.path == f"{ROOT}/accounts"


# The description of the API -----------------------------------------------------------------------------------------


def test_the_description_of_the_api_has_the_headers_of_the_dashboard(service: Service) -> None:
    client = guest(service)
    pages = [client.get(path).headers for path in (f"{ROOT}/sign-in", "/docs", "/docs")]
    policies = [re.sub(r"nonce-[\w-]+", "nonce", page["content-security-policy"]) for page in pages]
    assert policies[0] == policies[1]
    assert len({page["content-security-policy"] for page in pages}) == 3  # no nonce twice
    names = {"x-content-type-options", "referrer-policy", "cache-control", "permissions-policy"}
    names |= {"cross-origin-opener-policy", "cross-origin-resource-policy"}
    assert {name: pages[1][name] for name in names} == {name: pages[0][name] for name in names}
    assert "strict-transport-security" not in pages[1]  # reached over http, here


def test_the_description_of_the_api_works_in_a_browser(service: Service, visit: Visit) -> None:
    """No script, style or image of it is refused: a refused one would be an error of the page."""
    page = visit.page
    page.goto(f"{service.url}/docs")
    expect(page.get_by_role("heading", name="Credit ledger")).to_be_visible()
    operation = page.locator("[id*=get_health]").first
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
