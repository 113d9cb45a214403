"""Pages of people who sign in at the provider of the product, with a provider that others have written."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from tests.api.stage import eventually
from tests.dashboard.acting import done, newest_event, path_of
from tests.dashboard.browsing import PHONE, barriers_in_light_and_dark, fits
from tests.dashboard.conftest import NewVisit
from tests.dashboard.forms_elsewhere import sent_back
from tests.dashboard.guests import ROOT, guest, token_in
from tests.dashboard.selling import shot
from tests.postgres import TestServers, owner
from tests.service import Service, free_port, service_here

START, CALLBACK = f"{ROOT}/oidc/start", f"{ROOT}/oidc/callback"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The address of a provider that lets everybody in. It uses what is deprecated, so it has a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        issuer = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(issuer))
        yield issuer
        process.terminate()


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/.well-known/openid-configuration", trust_env=False).is_success
    except httpx.ConnectError:
        return False


@pytest.fixture(scope="module")
def service(servers: TestServers, provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that knows this provider."""
    server = servers.get("embedded")
    assert server is not None
    settings = {
        "CREDIT_LEDGER_OIDC_ISSUER": provider,
        "CREDIT_LEDGER_OIDC_CLIENT_ID": "credits",
        "CREDIT_LEDGER_OIDC_CLIENT_SECRET": "a secret",
        "CREDIT_LEDGER_OIDC_OPERATOR": "groups:readers",
        "CREDIT_LEDGER_OIDC_ADMIN": "groups:admins",
    }
    folder = tmp_path_factory.mktemp("provider")
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as running:
        yield running


def known_there(provider: str, subject: str, **claims: object) -> None:
    """The provider says this about somebody."""
    assert httpx.put(f"{provider}/users/{subject}", json=claims, trust_env=False).status_code == 204


def back(service: Service, client: httpx.Client, subject: str) -> str:
    """The way back of somebody who goes through the provider."""
    started = client.get(START, follow_redirects=False)
    assert started.status_code == 303
    with httpx.Client(trust_env=False) as browser:
        return sent_back(browser, started.headers["location"], service.url, sub=subject)


def test_somebody_comes_in_once_and_leaves(service: Service, provider: str) -> None:
    client = guest(service)
    page = client.get(f"{ROOT}/sign-in")
    assert f'href="{START}"' in page.text
    assert client.head(START).status_code == 204
    place = back(service, client, "ada")
    assert client.head(place).status_code == 204, "looking takes nothing"
    home = client.get(place)
    assert (home.status_code, home.url.path) == (200, f"{ROOT}/accounts/ada")
    assert "100" in home.text
    assert client.cookies.get("credit_ledger_provider") is None
    stranger = guest(service)
    stranger.get(START, follow_redirects=False)
    for other in (client, stranger, guest(service)):
        again = other.get(place, follow_redirects=False)
        assert again.status_code == 401
        assert "You are not signed in" in again.text
    out = client.post(f"{ROOT}/sign-out", data={"csrf": token_in(client.get(f"{ROOT}/accounts/ada"))})
    assert "You are signed out" in out.text
    assert client.get(f"{ROOT}/accounts/ada").url.path == f"{ROOT}/sign-in"
    [way_out] = re.findall(r'href="([^"]*/end_session[^"]*)"', out.text)
    with httpx.Client(trust_env=False) as browser:
        there = browser.get(unescape(way_out))
        assert "id_token_hint" in there.text
        assert "not set" not in there.text, "it has all that it recommends"
        assert sent_back(browser, unescape(way_out), service.url) == f"{service.url}{ROOT}/sign-in"


def test_whoever_comes_from_an_invitation_goes_on_with_it(service: Service, provider: str) -> None:
    """And nobody goes anywhere else. The address of the way there is made by the page on which people sign in."""
    for query, landed in {
        "?invitation=an_Invitation-1": f"{ROOT}/invitation/an_Invitation-1",
        "?to=settings": f"{ROOT}/settings",
        "?invitation=//evil.example": f"{ROOT}/accounts/ada",
        "?invitation=a%2Fb": f"{ROOT}/accounts/ada",
        "?to=https://evil.example": f"{ROOT}/accounts/ada",
        "?to=team.team_00000000000000000000": f"{ROOT}/accounts/ada",
    }.items():
        client = guest(service)
        [start] = re.findall(rf'href="({START}[^"]*)"', client.get(f"{ROOT}/sign-in{query}").text)
        begun = client.get(unescape(start), follow_redirects=False)
        with httpx.Client(trust_env=False) as browser:
            place = sent_back(browser, begun.headers["location"], service.url, sub="ada")
        assert client.get(place, follow_redirects=False).headers["location"] == landed, query


def test_a_user_has_a_link_to_settings_only_where_there_are_any(service: Service, provider: str) -> None:
    """Whoever has a verified address there is a user here; without passwords here there is nothing to set."""
    known_there(provider, "carol", email="carol@example.com", email_verified=True)
    client = guest(service)
    home = client.get(back(service, client, "carol"))
    assert home.url.path == f"{ROOT}/accounts/carol"
    with psycopg.connect(owner(service.conninfo)) as connection:
        assert connection.execute("SELECT email FROM people.users").fetchall() == [("carol@example.com",)]
    for path in set(re.findall(rf'href="({ROOT}/[^"#?]*)', home.text)):
        assert client.get(path).status_code == 200, path


def test_the_session_before_ends(service: Service, provider: str) -> None:
    client, thief = guest(service), guest(service)
    client.get(back(service, client, "eve"))
    thief.cookies.set("credit_ledger_session", client.cookies["credit_ledger_session"], path=ROOT)
    assert thief.get(f"{ROOT}/accounts/eve").status_code == 200
    client.get(back(service, client, "eve"))
    assert thief.get(f"{ROOT}/accounts/eve").status_code == 401


def test_operators_act_as_their_claim_says(service: Service, provider: str) -> None:
    customer = service.open_account(permanent=7)
    client = guest(service)
    for subject, group, status in (("rita", "readers", 403), ("andy", "admins", 200)):
        known_there(provider, subject, groups=["others", group])
        client = guest(service)
        assert client.get(back(service, client, subject)).url.path == f"{ROOT}/accounts"
        assert client.get(path_of(customer)).status_code == 200
        assert client.get(path_of(customer, "grant")).status_code == status
    assert done(client, path_of(customer, "grant"), amount="5", reason="thanks").status_code == 200
    assert newest_event(service, customer)["metadata"]["actor"] == "oidc:andy"
    with psycopg.connect(owner(service.conninfo)) as connection:
        found = connection.execute("SELECT action, actor FROM people.audit WHERE actor LIKE 'oidc:%'").fetchall()
    assert found == [("operator.signed_in", "oidc:rita"), ("operator.signed_in", "oidc:andy")]


def test_what_the_provider_refuses_is_a_page_with_a_way_on(service: Service, provider: str) -> None:
    client = guest(service)
    started = client.get(START, follow_redirects=False)
    [state] = re.findall("state=([^&]+)", started.headers["location"])
    refused = client.get(f"{CALLBACK}?error=access_denied&error_description=%3Cscript%3E&state={state}")
    assert refused.status_code == 401
    assert "script>" not in re.sub(r"<script type.*?</script>", "", refused.text)
    assert f'href="{ROOT}/sign-in"' in refused.text
    for query in ("", "?state=", "?code=a", f"?code={'a' * 5_000}&state=b", "?state=%00"):
        assert client.get(CALLBACK + query).status_code in {401, 404, 414}, query
    assert client.get(f"{CALLBACK}?state=a&state=b").status_code in {400, 422}


def test_a_provider_that_is_away_is_a_page_and_operators_still_come_in(
    servers: TestServers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = servers.get("embedded")
    assert server is not None
    settings = {"CREDIT_LEDGER_OIDC_ISSUER": "http://127.0.0.1:1", "CREDIT_LEDGER_OIDC_CLIENT_ID": "credits"}
    folder = tmp_path_factory.mktemp("away")
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as alone:
        client = guest(alone)
        away = client.get(START)
        assert (away.status_code, away.headers["retry-after"]) == (503, "60")
        assert "127.0.0.1:1 does not answer as it should" in away.text
        assert client.get(f"{ROOT}/sign-in").status_code == 200
        assert client.get(f"{ROOT}/join/none").status_code == 410
        assert "nobody can sign in at the provider" in alone.log.read_text()


def test_without_a_provider_there_are_no_such_pages(
    servers: TestServers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("none")) as plain:
        client = guest(plain)
        for path in (START, CALLBACK, f"{ROOT}/join/none"):
            assert client.get(path).status_code == 404, path
        assert START not in client.get(f"{ROOT}/sign-in").text


def test_in_a_browser_the_button_leads_there_and_back(new_visit: NewVisit, service: Service, provider: str) -> None:
    """No policy of ours keeps a browser from the provider, and its answer arrives with the cookie."""
    visit = new_visit(PHONE)
    visit.expected |= {"a third party was asked", "ERR_NAME_NOT_RESOLVED"}
    page = visit.go("/sign-in")
    assert barriers_in_light_and_dark(page) == ""
    assert fits(page)
    shot(page, "people-provider")
    page.get_by_role("link", name=re.compile("^Sign in at 127")).click()
    page.locator("input[name=sub]").fill("bob")
    page.locator("button").first.click()
    expect(page).to_have_url(re.compile("/dashboard/accounts/bob$"))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
