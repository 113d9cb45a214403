"""The service behind a real nginx, below a path: no page, redirect, cookie, form or stream leaves the path."""

import json
import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote, urljoin, urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from tests.dashboard.acting import done
from tests.dashboard.browsing import Visit
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, guest, operator, portal_link, token_in
from tests.dashboard.histories import used_account
from tests.dashboard.proxies import (
    Certificate,
    example,
    nginx_program,
    running_nginx,
    server_at,
    with_the_path_taken_away,
)
from tests.postgres import TestServers
from tests.service import PLAIN, Service, free_port, running_service

PREFIX = "/ledger"
BELOW = PREFIX + ROOT
FORMS = {"passed on": example(), "taken away": with_the_path_taken_away(example())}
ODD = "50%41 & é? #1"
"""An id that must be encoded in every address."""
SLASHED = "org/project%2F|x"


@pytest.fixture(scope="module")
def proxied(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    """One service, reached through each form of the proxy."""
    program = nginx_program()
    if program is None:
        pytest.skip("no nginx here: nothing is looked at through a proxy (see scripts/test)")
    embedded = servers.get("embedded")
    assert embedded is not None
    folder = tmp_path_factory.mktemp("proxy")
    certificate = Certificate(folder)
    ports = {form: free_port() for form in FORMS}
    urls = {form: f"https://127.0.0.1:{port}{PREFIX}" for form, port in ports.items()}
    settings = {"CREDIT_LEDGER_PUBLIC_URL": urls["passed on"]}
    with embedded.database() as conninfo, running_service(conninfo, folder, settings=settings) as service:
        configured = {
            urls[form]: server_at(ports[form], server, service.port, certificate) for form, server in FORMS.items()
        }
        with running_nginx(program, folder, configured, certificate.trusted):
            reached = {form: service.reached_at(url, certificate.trusted) for form, url in urls.items()}
            yield reached
            for one in reached.values():
                one.client.close()


@pytest.fixture(params=FORMS)
def service(request: pytest.FixtureRequest, proxied: dict[str, Service]) -> Service:
    """The service behind this form of the proxy."""
    found: Service = proxied[request.param]
    return found


@pytest.fixture
def visit(new_visit: NewVisit) -> Visit:
    """A client that trusts the certificate of the proxy."""
    return new_visit(ignore_https_errors=True)


def link_through(service: Service, account: str) -> str:
    """A portal link for this form of the proxy: links have the address of the first form."""
    path = urlsplit(portal_link(service, account)).path
    assert path.startswith(f"{BELOW}/portal/")
    return urljoin(service.url, path)


def come_in(service: Service, account: str) -> httpx.Client:
    """The holder of an account, with a browser's cookies."""
    client = guest(service)
    assert client.get(link_through(service, account)).status_code == 200
    return client


def test_a_portal_link_begins_with_the_public_address(proxied: dict[str, Service]) -> None:
    for service in proxied.values():
        link = portal_link(service, service.open_account())
        assert link.startswith(f"{proxied['passed on'].url}{ROOT}/portal/")


def test_a_link_opens_once_with_a_cookie_of_the_dashboard_alone(service: Service) -> None:
    account = service.open_account(permanent=1_234)
    link = link_through(service, account)
    user = guest(service)
    opened = user.get(link, follow_redirects=False)
    assert (opened.status_code, opened.headers["location"]) == (303, f"{BELOW}/accounts/{account}")
    cookie = opened.headers["set-cookie"]
    assert f"Path={BELOW};" in cookie
    assert cookie.startswith("__Secure-credit_ledger_session=secure.")
    assert "; Secure" in cookie
    assert "HttpOnly" in cookie
    assert ">1,234<" in user.get(f"{ROOT}/").text
    assert guest(service).get(link).status_code == 410


def test_a_link_of_before_the_renaming_is_sent_on_and_not_spent(service: Service) -> None:
    link = link_through(service, service.open_account())
    old = link.replace("/portal/", "/come-in/")
    sent_on = guest(service).get(old, follow_redirects=False)
    assert (sent_on.status_code, sent_on.headers["location"]) == (308, urlsplit(link).path)
    assert guest(service).get(old).status_code == 200


def test_every_address_on_every_page_is_below_the_path_and_there(service: Service) -> None:
    account = used_account(service)
    assert service.post("/v1/accounts", {"account_id": ODD}).status_code in {200, 201}
    for user, pages in ((operator(service), 30), (come_in(service, account), 8), (come_in(service, ODD), 8)):
        found = crawled(user)
        assert {address: status for address, status in found.items() if status != 200} == {}
        assert len(found) >= pages
        assert len([address for address in found if "/static/" in address]) == 3


@pytest.mark.parametrize("service", ["passed on"], indirect=True)
def test_an_id_with_a_slash_comes_through(service: Service) -> None:
    """Where the proxy takes the path away, it decodes the rest: the manual says so."""
    assert service.post("/v1/accounts", {"account_id": SLASHED, "signup_credits": 5}).status_code in {200, 201}
    path = "/v1/accounts/" + quote(SLASHED, safe="")
    for account in (SLASHED, "org"):
        answer = service.post(f"/v1/accounts/{quote(account, safe='')}/deductions", {"amount": 1, "task_id": "t"})
        assert answer.status_code == (201 if account == SLASHED else 404)
    assert service.get(f"{path}/balance").json()["account_id"] == SLASHED
    assert [event["type"] for event in service.get(f"{path}/events").json()["events"]][-1] == "CreditsDeducted"
    assert service.get(f"{path}/../../accounts").status_code == 200, "the client takes dots away"
    found = crawled(come_in(service, SLASHED))
    assert {address: status for address, status in found.items() if status != 200} == {}
    assert len([address for address in found if "/accounts/org%2Fproject%252F" in address]) >= 3


_ADDRESS = re.compile(r'\b(?:href|action|src|data-updates|data-root)="([^"#][^"]*)"')


def crawled(user: httpx.Client) -> dict[str, int]:
    """Follow all links from the first page: the status of every page by its path."""
    statuses: dict[str, int] = {}
    waiting = {f"{BELOW}/"}
    while waiting:
        path = waiting.pop()
        answer = user.get(path.removeprefix(PREFIX))
        statuses[path] = answer.status_code
        if answer.headers["content-type"].startswith("text/html"):
            named = {urljoin(str(answer.url), unescape(one)) for one in _ADDRESS.findall(answer.text)}
            ours = {urlsplit(one).path for one in named if one.startswith(f"https://{answer.url.netloc.decode()}/")}
            assert {one for one in ours if not f"{one}/".startswith(f"{BELOW}/")} == set(), path
            waiting |= {one for one in ours - set(statuses) if not one.endswith(("/updates", "/sign-out"))}
    return statuses


def test_forms_are_taken_and_a_sign_out_takes_the_cookie_back(service: Service) -> None:
    account = service.open_account(permanent=10)
    clerk = operator(service)
    page = done(clerk, f"{ROOT}/accounts/{account}/deduct", amount="4", reason="A test")
    assert page.url.path == f"{BELOW}/accounts/{account}"
    assert service.get(f"/v1/accounts/{account}/balance").json()["total"] == 6
    left = clerk.post(f"{ROOT}/sign-out", data={"csrf": token_in(page)})
    assert f"Path={BELOW};" in left.headers["set-cookie"]
    assert "__Secure-credit_ledger_session" not in clerk.cookies
    assert clerk.get(f"{ROOT}/accounts/{account}").url.path == f"{BELOW}/sign-in"


def test_the_api_is_where_its_description_says(service: Service) -> None:
    page = service.get("/docs").text
    named = re.findall(r"[\"'](/[^\"'/][^\"']*)[\"']", page)
    assert {urlsplit(urljoin(service.url, path)).path.split("/")[1] for path in named} == {"ledger"}
    assert {service.client.get(urljoin(service.url, path)).status_code for path in named} == {200}
    document = service.get("/openapi.json").json()
    assert document["servers"] == [{"url": PREFIX}]
    account = service.open_account(permanent=3)
    described = urljoin(service.url, document["servers"][0]["url"] + f"/v1/accounts/{account}/deductions")
    assert service.client.post(described, json={"amount": 1, "task_id": "t"}).status_code == 201
    command = {"op": "deduct", "account_id": account, "amount": 1, "task_id": "t"}
    large = json.dumps({"commands": [command]}).encode().ljust(8 * 1024 * 1024)
    assert service.client.post("/v1/batch", content=large).json()["results"][0]["status"] == 200


def test_what_needs_no_key_stays_inside(service: Service) -> None:
    assert [service.get(path).status_code for path in ("/metrics", "/readyz", "/healthz")] == [404, 404, 200]


def test_the_service_itself_answers_without_the_path(proxied: dict[str, Service]) -> None:
    inside = f"http://127.0.0.1:{proxied['passed on'].port}"
    assert httpx.get(f"{inside}/readyz", trust_env=False, verify=PLAIN).status_code == 200
    assert httpx.get(f"{inside}/dashboard", trust_env=False, verify=PLAIN).headers["location"] == f"{BELOW}/"


# In a real browser --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["passed on"], indirect=True)
def test_a_person_comes_in_watches_credits_move_and_leaves(service: Service, visit: Visit) -> None:
    account = used_account(service)
    page = visit.page
    page.goto(link_through(service, account))
    expect(page).to_have_url(f"{service.url}{ROOT}/accounts/{account}")
    expect(page.get_by_text("Europe/Berlin")).to_be_visible()  # its script ran, and the cookie that it wrote came back
    before = service.get(f"/v1/accounts/{account}/balance").json()["total"]
    with page.expect_event("requestfinished", lambda request: request.url == page.url):
        service.post(f"/v1/accounts/{account}/deductions", {"amount": 7, "task_id": "live", "description": "Live"})
    expect(page.locator(".total .figure")).to_have_text(f"{before - 7:,}")
    cookies = {cookie["name"]: (cookie["path"], cookie["secure"]) for cookie in visit.context.cookies()}
    assert cookies["__Secure-credit_ledger_session"] == (BELOW, True)
    assert cookies["credit_ledger_zone"] == (BELOW, True)
    for name in ("Usage", "Billing"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")


@pytest.mark.parametrize("service", ["taken away"], indirect=True)
def test_an_operator_signs_in_acts_and_leaves(service: Service, visit: Visit) -> None:
    account = service.open_account(permanent=100)
    page = visit.sign_in()
    expect(page).to_have_url(f"{service.url}{ROOT}/accounts")
    page.get_by_label("Id begins with").fill(account)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=account, exact=True).click()
    page.get_by_role("link", name="Grant", exact=True).click()
    page.get_by_label("Credits", exact=True).fill("250")
    page.get_by_label("Reason").fill("Sorry for the outage")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Grant now").click()
    expect(page).to_have_url(re.compile(rf"^{re.escape(service.url)}{ROOT}/accounts/{account}\?done="))
    expect(page.locator(".total .figure")).to_have_text("350")
    page.get_by_role("link", name="Events", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Events")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
