"""The pages of teams, and what each role sees of an account: by the table of the docs, and in what is done there."""

import re
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.api.company import Company
from tests.api.requests.test_scopes import BY_PAGE, TWICE, VALUES
from tests.dashboard.acting import path_of
from tests.dashboard.guests import ROOT, guest, operator, person, portal_link, token_in
from tests.people.letters import PASSWORD
from tests.postgres import TestServers
from tests.service import Service, service_here

SPENT = {"carol": 30, "bob": 20}
OF_ACCOUNTS = [name for name in BY_PAGE if "{account_id}" in name]
HOLDERS = {"ada": "signed-in owner", "bob": "signed-in admin", "carol": "signed-in member", "portal": "account holder"}


@pytest.fixture(scope="module")
def company(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("team-pages")
    settings = {"CREDIT_LEDGER_REGISTRATION": "invited"}
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as service:
        made = Company(service, folder / "data" / "mail")
        made.enter("ada", "bob", "carol", "dave", "eve", "frank")
        yield made


@pytest.fixture(scope="module")
def service(company: Company) -> Service:
    return company.service


@pytest.fixture(scope="module")
def team(company: Company) -> str:
    """Ada owns it, Bob is an admin, Carol a member; Dave was removed, Eve is suspended, Frank owns another one."""
    company.team("another", "frank")
    made = company.team("acme", "ada", bob="admin", carol="member", dave="removed", eve="suspended")
    spend(company, made)
    return made


def spend(company: Company, team: str) -> None:
    """Credits of a team, of which Carol and Bob use some, and nobody in particular one."""
    service = company.service
    assert service.post(f"/v1/accounts/{team}/grants", {"kind": "permanent", "amount": 500}, key="g").status_code == 201
    for name, amount in SPENT.items():
        usage = {"member": company.ids[name], "model": f"model-of-{name}"}
        body = {"amount": amount, "usage": usage, "description": f"work of {name}"}
        assert service.post(f"/v1/accounts/{team}/deductions", body, key=name).status_code == 201
    last = service.post(f"/v1/accounts/{team}/deductions", {"amount": 1}, key="nobody")
    service.get(
        f"/v1/accounts/{team}/usage", **{"from": "2026-01-01", "to": "2026-01-01"}, min_position=last.json()["position"]
    )


def browser(company: Company, name: str, account: str | None = None) -> httpx.Client:
    """A browser in which somebody signed in, in an account of theirs."""
    client = guest(company.service)
    client.cookies.set("credit_ledger_session", company.cookie(name, account), domain="127.0.0.1", path=ROOT)
    return client


def done(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """What comes of a form of a page."""
    return client.post(path, data={**fields, "csrf": token_in(client.get(f"{ROOT}/my/accounts"))})


def test_every_page_of_an_account_by_every_kind_of_holder(company: Company, team: str) -> None:
    """Against the table: 422 is the answer to an address that says something twice, after whoever asks was let in."""
    visitors = {name: browser(company, name, team) for name in ("ada", "bob", "carol")}
    visitors["portal"] = person(company.service, team)
    strangers = {name: browser(company, name) for name in ("dave", "eve", "frank")}
    portal_member = person(company.service, team, role="member", member=company.ids["carol"])
    for name in OF_ACCOUNTS:
        method, path = name.split()
        url = ROOT + path.format(account_id=team, **VALUES) + TWICE
        for who, client in visitors.items():
            expected = 422 if BY_PAGE[name][HOLDERS[who]] else 404
            assert client.request(method, url).status_code == expected, (name, who)
        for who, client in strangers.items():
            assert client.request(method, url).status_code == 404, (name, who)
        both = BY_PAGE[name]["signed-in member"] and BY_PAGE[name]["account holder"]
        assert portal_member.request(method, url).status_code == (422 if both else 404), name


def test_a_session_whose_person_left_is_over(company: Company, team: str) -> None:
    for name in ("dave", "eve", "frank"):
        answer = browser(company, name, team).get(path_of(team))
        assert (answer.status_code, "This session is over" in answer.text) == (401, True), name


def test_a_member_sees_their_own(company: Company, team: str) -> None:
    """Whatever the address says; and what is left to them."""
    for client in (
        browser(company, "carol", team),
        person(company.service, team, role="member", user={"user_id": company.ids["carol"]}),
    ):
        overview = client.get(path_of(team))
        assert "What you can use now" in overview.text
        assert ">449<" in overview.text
        assert ">30<" in overview.text
        for query in ("", f"?member={company.ids['bob']}", "?member=", "?show=all"):
            page = client.get(path_of(team, "usage") + query).text
            assert "work of carol" in page
            assert not [word for word in ("work of bob", "model-of-bob", company.ids["bob"]) if word in page], query
            lines = client.get(path_of(team, "usage.csv") + query).text
            assert ("carol" in lines, "bob" in lines) == (True, False), query
        assert "/billing" not in overview.text
        assert "/plans" not in overview.text
    called = person(company.service, team, role="member", user={"user_id": "x", "name": "C. Arol"})
    assert "C. Arol" in called.get(path_of(team)).text
    manager = browser(company, "bob", team).get(path_of(team, "usage")).text
    assert "work of carol" in manager
    assert "work of bob" in manager
    nobody = person(company.service, team, role="member").get(path_of(team, "usage")).text
    assert "work of" not in nobody


def test_who_spent_what(company: Company, team: str) -> None:
    page = browser(company, "bob", team).get(path_of(team, "team", "usage")).text
    row = r'<th scope="row"><bdi>(.*?)</bdi>.*?<td class="number" data-name="credits">(\d+)</td>'
    rows = re.findall(row, page, re.DOTALL)
    assert rows == [("Carol", "30"), ("Bob", "20"), ("Nobody named", "1"), ("Ada", "0"), ("Eve", "0")]


def test_a_person_goes_from_account_to_account(company: Company, team: str) -> None:
    """With a new cookie; what was open under the old one ends, and a form from before acts on nothing."""
    client = browser(company, "bob")
    own = company.ids["bob"]
    listed = client.get(f"{ROOT}/my/accounts").text
    assert "Acme" in listed
    assert "admin" in listed
    assert "Another" not in listed
    before, old = token_in(client.get(f"{ROOT}/my/accounts")), client.cookies["credit_ledger_session"]
    assert client.get(path_of(team)).url.path == f"{ROOT}/my/accounts", "the session is in another account"
    opened = done(client, f"{ROOT}/my/accounts", account_id=team)
    assert opened.url.path == path_of(team)
    assert client.cookies["credit_ledger_session"] != old
    assert client.get(path_of(own)).url.path == f"{ROOT}/my/accounts"
    stale = client.post(path_of(team, "team"), data={"csrf": before, "act": "leave"})
    assert stale.status_code == 403
    again = guest(company.service)
    again.cookies.set("credit_ledger_session", old, domain="127.0.0.1", path=ROOT)
    landed = again.get(path_of(own, "usage")).url
    assert (landed.path, landed.params["to"]) == (f"{ROOT}/sign-in", f"usage.{own}")
    for other in (company.ids["ada"], "team_00000000000000000000", "nobody", ""):
        assert done(client, f"{ROOT}/my/accounts", account_id=other).status_code == 404, other
    assert done(client, f"{ROOT}/my/accounts", account_id=own).url.path == path_of(own)


def test_a_stream_ends_when_its_person_is_removed(company: Company) -> None:
    team = company.team("streams", "ada", carol="member")
    client, ended = browser(company, "carol", team), threading.Event()

    def listen() -> None:
        with client.stream("GET", path_of(team, "updates"), headers={"Accept": "text/event-stream"}) as stream:
            started.set()
            for _ in stream.iter_raw():
                pass
        ended.set()

    started = threading.Event()
    listener = threading.Thread(target=listen)
    listener.start()
    assert started.wait(20)
    assert company.ask("ada", "DELETE", f"/api/teams/{team}/members/{company.ids['carol']}").status_code == 200
    assert ended.wait(20)
    listener.join()


def test_the_team_page_does_what_its_forms_say(company: Company) -> None:
    team = company.team("forms", "ada", bob="member", carol="member")
    client, place = browser(company, "ada", team), path_of(team, "team")
    ids = company.ids

    def act(act: str, status: int = 200, **fields: str) -> str:
        answer = done(client, place, act=act, **fields)
        assert answer.status_code == status, (act, answer.text)
        return answer.text

    assert "dave@example.com" in act("invite", email="dave@example.com", role="admin")
    assert "is invited already" in act("invite", 409, email="dave@example.com", role="admin")
    assert "no email address" in act("invite", 422, email="dave", role="admin")
    invited = re.search(r'name="invitation_id" value="(inv_\w+)"', client.get(place).text)
    assert invited is not None
    act("resend", invitation_id=invited[1])
    assert "dave@example.com" not in act("withdraw", invitation_id=invited[1])
    act("role", user_id=ids["bob"], role="admin")
    assert ">suspended<" in act("suspend", user_id=ids["carol"])
    assert ">suspended<" not in act("reinstate", user_id=ids["carol"])
    assert "carol@example.com" not in act("remove", user_id=ids["carol"])
    assert "Ours" in act("rename", name="Ours", slug="ours")
    assert "characters" in act("rename", 422, name="", slug="ours")
    assert "always has one owner" in act("leave", 409)
    act("nothing", 400)
    act("delete", 422, slug="wrong")
    act("hand_over", user_id=ids["bob"])
    assert "Delete the team" not in client.get(place).text
    gone = done(client, place, act="leave")
    assert gone.url.path == path_of(ids["ada"]), "the session goes on in their own account"
    bob = browser(company, "bob", team)
    deleted = done(bob, place, act="delete", slug="ours")
    assert deleted.url.path == path_of(ids["bob"])
    assert "Ours" not in bob.get(f"{ROOT}/my/accounts").text


def test_an_invitation_is_accepted_on_its_page(company: Company) -> None:
    team = company.team("invited", "ada")
    body = {"email": "frank@example.com", "role": "member"}
    assert company.ask("ada", "POST", f"/api/teams/{team}/members", body).status_code == 201
    link = f"{ROOT}/invitation/{company.link('frank')}"
    nobody = guest(company.service).get(link)
    assert "Sign in or register" in nobody.text
    assert "frank@example.com" in nobody.text
    eve, frank = browser(company, "eve"), browser(company, "frank")
    assert done(eve, link).status_code == 403
    assert frank.get(link).status_code == 200
    assert done(frank, link).url.path == path_of(team)
    assert frank.get(link).status_code == 410


def test_who_is_invited_registers_and_comes_back_to_the_invitation(company: Company) -> None:
    """One link of the invitation, one of the registration, and they are in the team. Nobody else registers."""
    team = company.team("newcomers", "ada")
    for name in ("grace", "heidi"):
        body = {"email": f"{name}@example.com", "role": "member"}
        assert company.ask("ada", "POST", f"/api/teams/{team}/members", body).status_code == 201
    secret = company.link("grace")
    back = f"?invitation={secret}"
    form = {"email": "grace@example.com", "password": PASSWORD, "name": "Grace"}
    client = guest(company.service)
    page = client.get(f"{ROOT}/invitation/{secret}")
    assert f'href="{ROOT}/register{back}"' in page.text
    assert f'action="{ROOT}/sign-in/password{back}"' in client.get(f"{ROOT}/sign-in{back}").text
    csrf = {"csrf": token_in(client.get(f"{ROOT}/register{back}"))}
    for query in ("", "?invitation=x", "?invitation=%22%3E", f"?invitation={company.link('heidi')}"):
        assert client.post(f"{ROOT}/register{query}", data=form | csrf).status_code == 403, query
    assert client.post(f"{ROOT}/register{back}", data=form | csrf).status_code == 202
    opened = f"{ROOT}/verify/{company.link('grace', kind='verification', path='verify')}"
    assert opened.endswith(back)
    client = guest(company.service)
    csrf = {"csrf": token_in(client.get(opened))}
    landed = client.post(opened, data={"password": PASSWORD} | csrf)
    assert (landed.url.path, landed.status_code) == (f"{ROOT}/invitation/{secret}", 200)
    assert done(client, landed.url.path).url.path == path_of(team)


def test_first_steps_are_ticked_by_facts_and_hidden_on_request(company: Company) -> None:
    company.enter("ivan", "judy")
    ivan, own = browser(company, "ivan"), company.ids["ivan"]
    assert first_steps(ivan, own) == ["Confirm your address"]
    assert company.ask("ivan", "POST", "/api/keys", {"name": "first"}).status_code == 201
    assert first_steps(ivan, own) == ["Confirm your address", "Make an API key"]
    spent = company.service.post(f"/v1/accounts/{own}/deductions", {"amount": 1}, key="first-step").json()
    ivan.headers["x-position"] = str(spent["position"])
    assert first_steps(ivan, own) == ["Confirm your address", "Make an API key", "Use credits"]
    team = company.team("steps", "ivan", judy="member")
    assert first_steps(ivan, own) is None, "all are done"
    assert first_steps(browser(company, "judy", team), team) is None, "members have none"
    assert first_steps(operator(company.service), own) is None
    judy, hers = browser(company, "judy"), company.ids["judy"]
    assert first_steps(judy, hers) == ["Confirm your address", "Share with a teammate"]
    assert done(judy, f"{ROOT}/settings/first_steps").url.path == path_of(hers)
    assert first_steps(judy, hers) is None


def first_steps(client: httpx.Client, account: str) -> list[str] | None:
    """Those that the overview ticks; None without a list of them."""
    page = client.get(path_of(account))
    assert page.status_code == 200
    shown = "First steps" in page.text
    return re.findall(r"([\w ]+)<span class=\"unseen\">: done", page.text) if shown else None


def test_the_limit_of_each_member(company: Company) -> None:
    team = company.team("limits", "ada", bob="member")
    spend(company, team)
    client, place = browser(company, "ada", team), path_of(team, "team", "limits")
    assert "51 credits of the last 30 days name no member" not in client.get(place).text
    assert re.search(r"1 credit of the last 30 days", client.get(place).text)
    for wrong in ("", "ten", "-1", "1" * 17):
        assert done(client, place, act="set", amount=wrong, period="month").status_code == 422, wrong
    page = done(client, place, act="set", amount="100", period="month").text
    assert page.count("0 of 100 used") == 2
    assert "0 of 7 used" in done(client, place, act="allow", user_id=company.ids["bob"], amount="7").text
    assert done(client, place, act="allow", user_id=company.ids["bob"], amount="").text.count("0 of 100 used") == 2
    refused = company.service.post(f"/v1/accounts/{team}/deductions", {"amount": 1}, key="x")
    assert refused.json()["code"] == "usage_required"
    assert "No limit for each member" in done(client, place, act="remove").text
    assert done(client, place, act="remove").status_code == 422
    assert done(client, place, act="allow", user_id="x", amount="7").status_code == 422
    assert done(client, place, act="x").status_code == 400


def test_pages_say_what_accounts_and_people_are_called(company: Company, team: str) -> None:
    """Teams and members by their names, where people signed in; the id where the product sends them."""
    bob, carol, own = browser(company, "bob", team), browser(company, "carol", team), browser(company, "bob")
    allowances = {company.ids["carol"]: 800}
    limits = {"limits": [{"limit_id": "each", "amount": 900, "each": ["member"], "allowances": allowances}]}
    assert company.ask("ada", "PUT", f"/api/teams/{team}/limits", limits).status_code == 200
    for client, below, called in ((bob, "usage", "Carol"), (bob, "limits", "Carol"), (carol, "limits", "Carol")):
        page = client.get(path_of(team, below)).text
        assert ">Acme</p>" in page
        assert f"<bdi>{called}</bdi>" in page or f">{called}</option>" in page, below
        assert f">{company.ids['carol']}<" not in page, below
    assert ">Your account</p>" in own.get(path_of(company.ids["bob"])).text
    assert f">{team}</p>" in person(company.service, team).get(path_of(team)).text
    clerk = operator(company.service)
    assert "Bob, bob@example.com" in clerk.get(path_of(company.ids["bob"])).text
    assert company.ask("ada", "PUT", f"/api/teams/{team}/limits", {"limits": []}).status_code == 200


def test_a_team_needs_no_short_name(company: Company) -> None:
    """It is made of the name; one that another team has, or that cannot be made, is asked for."""
    client, page = browser(company, "frank"), f"{ROOT}/my/teams"
    assert "caf-nord-2" not in done(client, page, name="Café Nord 2!").text
    for name, status, slug in (("cafe nord 2", 409, "cafe-nord-2"), ("株式会社", 422, "")):
        refused = done(browser(company, "frank"), page, name=name)
        assert (refused.status_code, f'value="{slug}" aria-invalid="true"' in refused.text) == (status, True), name


def test_operators_see_teams_and_act_with_their_scope(company: Company, team: str) -> None:
    clerk = operator(company.service)
    page = clerk.get(path_of(team, "team"))
    assert "carol@example.com" in page.text
    assert "Delete the team" in page.text
    form = {"csrf": token_in(page), "act": "role", "user_id": company.ids["carol"]}
    assert clerk.post(path_of(team, "team"), data={**form, "role": "member"}).status_code == 200
    assert clerk.post(path_of(team, "team"), data={**form, "act": "leave"}).status_code == 409
    assert clerk.get(f"{ROOT}/my/accounts").status_code == 404
    own = company.ids["ada"]
    assert clerk.get(path_of(own, "team")).status_code == 404
    assert browser(company, "ada").get(path_of(own, "team")).status_code == 404


def test_who_signed_in_here_is_asked_before_a_link_moves_them_elsewhere(company: Company) -> None:
    """Whoever sends them a link into an account of their own would have them pay there."""
    ada, elsewhere = browser(company, "ada"), company.service.open_account()
    link = portal_link(company.service, elsewhere)
    asked = ada.get(link)
    assert "Stay signed in</a>" in asked.text
    assert ada.get(path_of(company.ids["ada"])).status_code == 200
    moved = ada.post(link, data={"csrf": token_in(asked)})
    assert (moved.status_code, moved.url.path) == (200, path_of(elsewhere))
