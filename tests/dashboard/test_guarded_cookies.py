"""Where browsers come over https, only this host can have set the cookies; sessions of before go on."""

import re
from collections.abc import Iterator
from time import thread_time

import httpx
import pytest
from starlette.requests import Request

from api.dashboard.cookies import session_cookie
from tests.dashboard.browsing import Visit
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, guest, person, signing_in
from tests.postgres import TestServers
from tests.service import ADMIN_KEY, Service, service_here

PUBLIC = "https://credits.example"
SESSION = "credit_ledger_session"


@pytest.fixture(scope="module")
def before(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """A database, an account, and the cookie of a session that began while the service was reached over http."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo:
        with service_here(conninfo, tmp_path_factory.mktemp("http")) as service:
            account = service.open_account(permanent=5)
            cookie = person(service, account).cookies[SESSION]
        yield conninfo, account, cookie


@pytest.fixture(scope="module")
def service(before: tuple[str, str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same service with a public address over https, as its proxy reaches it."""
    settings = {"CREDIT_LEDGER_PUBLIC_URL": PUBLIC}
    with service_here(before[0], tmp_path_factory.mktemp("https"), settings=settings) as running:
        yield running


def link_to(service: Service, account: str) -> str:
    """A portal link, at the address of the test."""
    url: str = service.post("/v1/portal_sessions", {"account_id": account}).json()["url"]
    assert url.startswith(f"{PUBLIC}{ROOT}/portal/")
    return service.url + url.removeprefix(PUBLIC)


def cookies_set(answer: httpx.Response) -> dict[str, str]:
    """What an answer sets, by name: the value with its attributes."""
    return {header.partition("=")[0]: header.partition("=")[2] for header in answer.headers.get_list("set-cookie")}


def test_a_session_begins_with_a_cookie_of_this_host(service: Service, before: tuple[str, str, str]) -> None:
    opened = guest(service).get(link_to(service, before[1]), follow_redirects=False)
    [(name, cookie)] = cookies_set(opened).items()
    assert name == f"__Host-{SESSION}"
    value, *attributes = cookie.split("; ")
    assert value.startswith("host.")
    assert {*attributes} >= {"HttpOnly", "Path=/", "SameSite=lax", "Secure"}
    assert "domain" not in cookie.lower()
    # Under a name that another host may set, the session is not accepted.
    homes = [
        guest(service)
        .get(f"{ROOT}/", headers={"Cookie": f"{name}={value}"}, follow_redirects=False)
        .headers["location"]
        for name in (f"__Host-{SESSION}", f"__Secure-{SESSION}", SESSION)
    ]
    assert homes == [f"{ROOT}/accounts/{before[1]}", f"{ROOT}/sign-in", f"{ROOT}/sign-in"]


def test_the_form_of_the_sign_in_has_a_cookie_of_this_host(service: Service) -> None:
    [name] = cookies_set(guest(service).get(f"{ROOT}/sign-in"))
    assert name == "__Host-credit_ledger_form"


def test_a_session_of_before_goes_on_and_ends(service: Service, before: tuple[str, str, str]) -> None:
    _, account, old = before
    page = guest(service).get(f"{ROOT}/accounts/{account}", headers={"Cookie": f"{SESSION}={old}"})
    assert page.status_code == 200
    token = re.findall(r'name="csrf" value="(\w+)"', page.text)[0]
    # It is no session of this host, and does not hide one.
    pretended = {"Cookie": f"__Host-{SESSION}={old}"}
    assert guest(service).get(f"{ROOT}/accounts/{account}", headers=pretended).url.path == f"{ROOT}/sign-in"
    left = guest(service).post(
        f"{ROOT}/sign-out", data={"csrf": token}, headers={"Cookie": f"{SESSION}={old}", "Origin": PUBLIC}
    )
    assert left.status_code == 200
    assert "Max-Age=0" in cookies_set(left)[SESSION]
    again = guest(service).get(f"{ROOT}/accounts/{account}", headers={"Cookie": f"{SESSION}={old}"})
    assert again.status_code == 401


def test_a_new_session_takes_the_place_of_one_of_before(service: Service, before: tuple[str, str, str]) -> None:
    headers = {"Cookie": f"{SESSION}=forgotten"}
    opened = guest(service).get(link_to(service, before[1]), headers=headers, follow_redirects=False)
    found = cookies_set(opened)
    assert found.keys() == {SESSION, f"__Host-{SESSION}"}
    assert "Max-Age=0" in found[SESSION]


def test_browsers_are_told_to_come_over_https(service: Service) -> None:
    client = guest(service)
    for path in (f"{ROOT}/sign-in", f"{ROOT}/nothing", "/docs", "/static-offline-docs/favicon.png"):
        assert client.get(path).headers["strict-transport-security"] == "max-age=31536000", path


@pytest.mark.parametrize(
    ("origin", "status"),
    [(PUBLIC, 200), (f"{PUBLIC}:443", 200), ("http://credits.example", 403), ("https://evil.example", 403)],
)
def test_forms_come_from_the_public_address(service: Service, origin: str, status: int) -> None:
    client = guest(service)
    page = client.get(f"{ROOT}/sign-in")
    cookies = "; ".join(f"{name}={value.partition(';')[0]}" for name, value in cookies_set(page).items())
    data = {"key": ADMIN_KEY, "csrf": re.findall(r'name="csrf" value="(\w+)"', page.text)[0]}
    headers = {"Cookie": cookies, "Origin": origin}
    answer = client.post(f"{ROOT}/sign-in", data=data, headers=headers, follow_redirects=False)
    assert answer.status_code == {200: 303}.get(status, status)


def test_a_browser_keeps_and_drops_the_cookie(
    service: Service, before: tuple[str, str, str], new_visit: NewVisit
) -> None:
    """Browsers count loopback as secure, so they take these cookies from the test over http."""
    visit: Visit = new_visit()
    page = visit.page
    page.goto(link_to(service, before[1]))
    assert page.url == f"{service.url}{ROOT}/accounts/{before[1]}"
    cookies = {cookie["name"]: cookie for cookie in visit.context.cookies()}
    kept = cookies[f"__Host-{SESSION}"]
    assert (kept["path"], kept["secure"], kept["httpOnly"]) == ("/", True, True)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="You are signed out").wait_for()
    assert {cookie["name"] for cookie in visit.context.cookies()} <= {"credit_ledger_zone", "__Host-credit_ledger_form"}
    assert signing_in(guest(service), ADMIN_KEY).status_code == 403  # this client sends no Secure cookie over http


def test_a_long_cookie_is_read_quickly() -> None:
    """The framework takes seconds for one that is quoted and has thousands of backslashes."""
    sent = b'a="' + b"\\" * 30_000 + b'"; credit_ledger_session=mine'
    request = Request({"type": "http", "headers": [(b"cookie", sent)]})
    began = thread_time()
    assert session_cookie(request) == "mine"
    assert thread_time() - began < 0.5
