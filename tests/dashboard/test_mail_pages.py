"""Pages that people come to from mails: back to the invitation or the settings, and no more mails of one kind. And what
whoever has no password does in their settings."""

import re
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.api.company import Company
from tests.dashboard.acting import path_of
from tests.dashboard.guests import ROOT, guest, token_in
from tests.people.letters import PASSWORD
from tests.postgres import TestServers, owner
from tests.service import service_here

SETTINGS = f"{ROOT}/settings"


@pytest.fixture(scope="module")
def company(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("mail-pages")
    settings = {"CREDIT_LEDGER_REGISTRATION": "invited"}
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as service:
        made = Company(service, folder / "data" / "mail")
        made.enter("ada", "bob", "carol", "dave", "fay", "gus")
        yield made


def invited(company: Company, name: str, slug: str) -> tuple[str, str]:
    """A team of Ada's, and the secret of an invitation into it."""
    team = company.team(slug, "ada")
    body = {"email": f"{name}@example.com", "role": "member"}
    assert company.ask("ada", "POST", f"/api/teams/{team}/members", body).status_code == 201
    return team, company.link(name)


def sent(client: httpx.Client, page: str, **fields: str) -> httpx.Response:
    """What comes of the form of a page."""
    return client.post(page, data={**fields, "csrf": token_in(client.get(page))})


def test_a_mailed_link_leads_back_to_the_invitation(company: Company) -> None:
    team, secret = invited(company, "bob", "links")
    back, client = f"?invitation={secret}", guest(company.service)
    page = client.get(f"{ROOT}/sign-in{back}")
    for way in ("sign-in/link", "reset", "register"):
        assert f'href="{ROOT}/{way}{back}"' in page.text
    assert sent(client, f"{ROOT}/sign-in/link{back}", email="bob@example.com").status_code == 202
    link = company.link("bob", kind="link", path="link")
    assert link.endswith(back)
    landed = sent(client, f"{ROOT}/link/{link}")
    assert landed.url.path == f"{ROOT}/invitation/{secret}"
    assert sent(client, landed.url.path).url.path == path_of(team)


def test_a_new_password_leads_back_to_the_invitation(company: Company) -> None:
    _, secret = invited(company, "carol", "resets")
    back, client = f"?invitation={secret}", guest(company.service)
    assert sent(client, f"{ROOT}/reset{back}", email="carol@example.com").status_code == 202
    done = sent(client, f"{ROOT}/reset/{company.link('carol', kind='reset', path='reset')}", password=PASSWORD)
    assert f'href="{ROOT}/sign-in{back}"' in done.text
    form = {"email": "carol@example.com", "password": PASSWORD, "csrf": token_in(client.get(f"{ROOT}/sign-in{back}"))}
    landed = client.post(f"{ROOT}/sign-in/password{back}", data=form)
    assert landed.url.path == f"{ROOT}/invitation/{secret}"


def test_the_link_of_a_mail_to_a_team_leads_there(company: Company) -> None:
    """Through a sign-in by mail; from another account with a button; and nobody else anywhere."""
    team = company.team("pages", "ada", fay="admin")
    page, back, client = path_of(team, "team"), f"?to=team.{team}", guest(company.service)
    assert str(client.get(page).url).endswith(f"{ROOT}/sign-in{back}")
    assert f'href="{ROOT}/sign-in/link{back}"' in client.get(page).text
    for name in ("fay", "gus"):
        assert sent(client, f"{ROOT}/sign-in/link{back}", email=f"{name}@example.com").status_code == 202
    link = company.link("fay", kind="link", path="link")
    assert link.endswith(back)
    landed = sent(client, f"{ROOT}/link/{link}")
    assert (landed.url.path, landed.status_code) == (page, 200)

    none_of_it = company.link("gus", kind="link", path="link")
    assert "?" not in none_of_it, "a stranger chooses nothing that others read"
    home = path_of(company.ids["gus"])
    stranger = guest(company.service)
    assert sent(stranger, f"{ROOT}/link/{none_of_it}{back}").url.path == home
    assert stranger.get(page).status_code == 404

    own = guest(company.service)
    own.cookies.set("credit_ledger_session", company.cookie("fay"), domain="127.0.0.1", path=ROOT)
    listed = own.get(page)
    assert str(listed.url).endswith(f"{ROOT}/my/accounts{back}")
    assert "in another account of yours" in listed.text
    form = {"account_id": team, "csrf": token_in(listed)}
    assert own.post(f"{ROOT}/my/accounts{back}", data=form).url.path == page
    with psycopg.connect(owner(company.service.conninfo)) as connection:
        connection.execute("UPDATE people.sessions SET expires_at = begun_at WHERE user_id = %s", [company.ids["fay"]])
    assert f'href="{ROOT}/sign-in{back}"' in own.get(page).text


def test_mails_of_a_kind_end_without_signing_in(company: Company) -> None:
    """A program that reads mail presses the button: it has no cookie and no token of a form."""
    _, secret = invited(company, "dave", "ended")
    assert company.ask("dave", "POST", f"/api/invitations/{secret}/acceptance").status_code == 200
    page = f"{ROOT}/mails/{company.link('ada', kind='joined', path='mails')}"
    client = guest(company.service)
    for _ in range(2):
        assert "you own" in client.get(page).text, "looking takes nothing"
    assert company.ask("ada", "GET", "/api/user/profile").json()["mails_off"] == []
    program = httpx.Client(base_url=company.service.url, trust_env=False, verify=company.service.verify)
    with program:
        assert program.post(page, content=b"x" * 20_000).status_code == 413
        assert program.post(page, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert company.ask("ada", "GET", "/api/user/profile").json()["mails_off"] == ["teams"]
    assert "switched off" in sent(client, page).text
    for wrong in (f"{page}x", f"{ROOT}/mails/none"):
        assert client.get(wrong).status_code == client.post(wrong).status_code == 410


def test_whoever_has_no_password_signs_in_again_to_confirm(company: Company) -> None:
    """The settings lead there and back, and have no form until then."""
    company.enter("erin")
    client = guest(company.service)
    client.cookies.set("credit_ledger_session", company.cookie("erin"), path=ROOT)
    fresh = client.get(SETTINGS).text
    assert 'name="password"' not in fresh
    assert 'name="new_password"' in fresh
    token = {"csrf": token_in(client.get(SETTINGS))}
    with psycopg.connect(owner(company.service.conninfo)) as connection:
        connection.execute("UPDATE people.sessions SET created_at = created_at - interval '1 hour'")
    stale = client.get(SETTINGS).text
    assert 'name="new_password"' not in stale
    assert stale.count(f'href="{ROOT}/sign-in/link?to=settings"') == 3
    for part, fields in (
        ("deletion", {}),
        ("email", {"email": "new@example.com"}),
        ("password", {"new_password": PASSWORD}),
    ):
        refused = client.post(f"{SETTINGS}/{part}", data=token | fields)
        assert refused.status_code == 403, part
        assert "You have no password. Sign in again" in refused.text
    assert sent(client, f"{ROOT}/sign-in/link?to=settings", email="erin@example.com").status_code == 202
    landed = sent(client, f"{ROOT}/link/{company.link('erin', kind='link', path='link')}")
    assert landed.url.path == SETTINGS
    leaving = client.post(f"{SETTINGS}/deletion", data={"csrf": token_in(landed)})
    assert re.search("You will be erased on", leaving.text)
