"""The pages of API keys: a secret is shown once, a member sees their own keys, and operators see all."""

import re
from collections.abc import Iterator
from html import unescape

import httpx
import psycopg
import pytest

from people.api_keys import create_key
from tests.api.company import Company
from tests.api.stage import eventually
from tests.dashboard.acting import path_of
from tests.dashboard.guests import ROOT, guest, operator, person, token_in
from tests.keys import prefix_of
from tests.postgres import TestServers, owner
from tests.service import service_here


@pytest.fixture(scope="module")
def company(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("key-pages")
    settings = {"CREDIT_LEDGER_REGISTRATION": "open"}
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as service:
        made = Company(service, folder / "data" / "mail")
        made.enter("ada", "bob", "carol", "eve")
        yield made


def browser(company: Company, name: str, account: str | None = None) -> httpx.Client:
    """A browser in which somebody signed in, in an account of theirs."""
    client = guest(company.service)
    client.cookies.set("credit_ledger_session", company.cookie(name, account), domain="127.0.0.1", path=ROOT)
    return client


def decided(client: httpx.Client, path: str, decision: str, **fields: str) -> httpx.Response:
    """The answer to one of the forms of the page."""
    csrf = token_in(client.get(path))
    return client.post(path, data={"csrf": csrf, "decision": decision, **fields})


def secret_in(page: httpx.Response) -> str:
    """The new secret, in a field that one can select."""
    found = re.search(r'id="secret" value="(clu_\w+)" readonly', page.text)
    assert found is not None, page.text
    return found[1]


def status(company: Company, account: str, *keys: str) -> list[int]:
    """What the balance of an account answers to keys."""
    path = f"/v1/accounts/{account}/balance"
    bearers = [{"Authorization": f"Bearer {key}"} for key in keys]
    return [company.service.client.get(path, headers=bearer).status_code for bearer in bearers]


def test_a_person_makes_a_key_that_is_shown_once(company: Company) -> None:
    ada, account = browser(company, "ada"), company.ids["ada"]
    path = path_of(account, "keys")
    assert f'href="{path}"' in ada.get(path_of(account)).text, "the menu leads there"
    assert "There are no keys yet." in ada.get(path).text
    made = decided(ada, path, "make", name="<b>Production</b>", read="yes", write="yes", ends="30")
    secret = secret_in(made)
    assert made.headers["cache-control"] == "no-store"
    assert "data-updates" not in made.text, "no update takes the secret away"
    page = ada.get(path).text
    assert secret not in page
    key_id = prefix_of(secret)
    for words in ("&lt;b&gt;Production&lt;/b&gt;", key_id, "Never used.", "in 29 days"):
        assert words in page, words
    assert status(company, account, secret) == [200]

    second = secret_in(decided(ada, path, "rotate", key_id=key_id))
    assert status(company, account, secret, second) == [200, 200]
    assert "disabled" in decided(ada, path, "disable", key_id=key_id).text
    eventually(lambda: status(company, account, second) == [401])
    decided(ada, path, "enable", key_id=key_id)
    eventually(lambda: status(company, account, second) == [200])
    assert "revoked" in decided(ada, path, "revoke", key_id=key_id).text
    eventually(lambda: status(company, account, secret, second) == [401, 401])


def test_what_a_form_says_wrong_is_told(company: Company) -> None:
    bob, path = browser(company, "bob"), path_of(company.ids["bob"], "keys")
    for fields, sentence, field in (
        ({"name": "", "read": "yes"}, "The name of a key has 1 to 100 characters.", "name"),
        ({"name": "x" * 101, "read": "yes"}, "The name of a key has 1 to 100 characters.", "name"),
        ({"name": "xyz"}, "Choose at least one thing", "scopes"),
        ({"name": "xyz", "read": "yes", "rate": "0"}, "Enter a whole number of requests", "rate"),
        ({"name": "xyz", "read": "yes", "rate": "many"}, "Enter a whole number of requests", "rate"),
    ):
        answer = decided(bob, path, "make", **fields)
        assert (answer.status_code, sentence in answer.text) == (422, True), fields
        assert answer.text.count(f'aria-describedby="{field}-wrong"') == answer.text.count('aria-invalid="true"') == 1
        assert f'value="{fields["name"]}"' in answer.text, "what was typed is kept"
    assert decided(bob, path, "revoke", key_id="00000000").status_code == 404
    for fields in ({"name": "x", "read": "yes", "ends": "soon"}, {"name": "a\x01", "read": "yes"}):
        assert decided(bob, path, "make", **fields).status_code == 400, fields
    assert decided(bob, path, "sell").status_code == 400
    assert "There are no keys yet." in bob.get(path).text


def test_each_role_of_a_team_has_its_keys(company: Company) -> None:
    """A member makes keys without the scope admin, and sees no other's; an admin sees all, and ends them."""
    team = company.team("acme", "ada", bob="admin", carol="member")
    path = path_of(team, "keys")
    carol, bob = browser(company, "carol", team), browser(company, "bob", team)
    theirs = secret_in(decided(bob, path, "make", name="of-bob", read="yes", admin="yes"))
    own = secret_in(decided(carol, path, "make", name="of-carol", read="yes"))
    refused = decided(carol, path, "make", name="more", admin="yes")
    assert (refused.status_code, "cannot make a key with the scope admin" in refused.text) == (403, True)
    assert ('id="scope-admin"' in carol.get(path).text, 'id="scope-admin"' in bob.get(path).text) == (False, True)
    assert ("of-bob" in carol.get(path).text, "of-carol" in bob.get(path).text) == (False, True)
    assert decided(carol, path, "revoke", key_id=prefix_of(theirs)).status_code == 404
    assert status(company, team, own, theirs) == [200, 200]
    decided(bob, path, "revoke", key_id=prefix_of(own))
    eventually(lambda: status(company, team, own, theirs) == [401, 200])


def buttons(page: httpx.Response) -> dict[str, set[str]]:
    """The buttons of each key on a page, by its name."""
    found = re.findall(r">([\w ]+)<span class=\"unseen\"> ([\w-]+)</span></button>", page.text)
    return {name: {word for word, named in found if named == name} for _, name in found}


def test_a_key_has_the_buttons_that_do_something(company: Company) -> None:
    """In each role, and in each state; a key whose maker has no role is told to be of no use."""
    company.enter("olga", "andy", "mara")
    team = company.team("buttons", "olga", andy="admin", mara="member")
    path = path_of(team, "keys")
    browsers = {name: browser(company, name, team) for name in ("olga", "andy", "mara")}
    ids = {}
    for name, client in browsers.items():
        for state in ("active", "disabled"):
            made = secret_in(decided(client, path, "make", name=f"{name}-{state}", read="yes"))
            ids[name] = prefix_of(made)
        decided(client, path, "disable", key_id=ids[name])
    end = "Revoke for good"
    mine, others, off = {"Rotate", "Disable", end}, {"Disable", end}, {"Enable", end}
    for name, client in browsers.items():
        seen = (name,) if name == "mara" else tuple(browsers)
        expected = {f"{one}-active": mine if one == name else others for one in seen}
        assert buttons(client.get(path)) == expected | {f"{one}-disabled": off for one in seen}, name
    clerk = operator(company.service, create_key(company.service.conninfo, "keys", ["ledger:read", "people:write"]))
    assert buttons(clerk.get(path))["mara-active"] == mine
    assert decided(browsers["andy"], path, "rotate", key_id=ids["olga"]).status_code == 404
    with psycopg.connect(owner(company.service.conninfo)) as connection:
        gone = "UPDATE people.members SET status = 'suspended' WHERE user_id = %s"
        connection.execute(gone, [company.ids["mara"]])
    page = browsers["olga"].get(path)
    assert {name: buttons(page)[name] for name in ("mara-active", "mara-disabled")} == {
        "mara-active": {end}, "mara-disabled": {end},
    }  # fmt: skip
    assert page.text.count("Whoever made it may do nothing here now") == 2


def test_a_long_list_of_keys_has_pages(company: Company) -> None:
    """That of an account, and that of all for operators; a cursor belongs to its list."""
    account = company.service.open_account()
    with psycopg.connect(owner(company.service.conninfo)) as connection:
        connection.execute(MANY, [account])
    clerk = operator(company.service)
    for path in (path_of(account, "keys"), f"{ROOT}/keys"):
        names, there = list[str](), path
        while there:
            path_asked, page = there, clerk.get(there).text
            names += re.findall(r"<bdi>(many-\d+)</bdi></(?:h2|th)>", page)
            following = re.search(r'href="([^"]+)" rel="next"', page)
            there = unescape(following[1]) if following else ""
            assert ("First page" in page) == ("cursor=" in path_asked), path
        assert names == [f"many-{number}" for number in range(230, 0, -1)], path
    other = re.search(r'cursor=([^"]+)" rel="next"', clerk.get(f"{ROOT}/keys").text)
    assert other is not None
    assert clerk.get(path_of(account, "keys"), params={"cursor": other[1]}).status_code == 422


MANY = """
INSERT INTO people.api_keys (prefix, sha256, name, scopes, account_id, made_by, created_at)
SELECT lpad(n::text, 8, '0'), sha256(n::text::bytea), 'many-' || n, '{own:read}', %s, 'key:admin',
       now() + n * interval '1 microsecond'
FROM generate_series(1, 230) AS n
"""


def test_who_did_not_sign_in_here_has_no_page_of_keys(company: Company) -> None:
    account, eve = company.service.open_account(), browser(company, "eve")
    assert eve.get(path_of(account, "keys")).status_code == 404
    sent = person(company.service, account)
    assert sent.get(path_of(account, "keys")).status_code == 404
    assert f'"{path_of(account, "keys")}"' not in sent.get(path_of(account)).text
    assert eve.get(f"{ROOT}/keys").status_code == 404


def test_operators_find_people_and_teams(company: Company) -> None:
    """By a part of a name or an address, or by an id. Nobody else has such a page; no text breaks it."""
    team, clerk, page = company.team("finders", "ada", bob="admin"), operator(company.service), f"{ROOT}/people"
    ada, bob = company.ids["ada"], company.ids["bob"]
    for text, people, is_found in (
        ("ADA@exam", {ada}, True),
        ("bo", {bob}, False),
        (bob, {bob}, False),
        ("FINDERS", set(), True),
        (team, set(), True),
        ("%", set(), False),
        ("o'b--", set(), False),
    ):
        found = clerk.get(page, params={"q": text}).text
        assert set(re.findall(r"<bdi>(usr_\w+)</bdi>", found)) == people, text
        assert (f"<bdi>{team}</bdi>" in found) == is_found, text
    everybody = clerk.get(page).text
    assert f'href="{page}" aria-current="page"' in everybody
    assert {*company.ids.values()} <= set(re.findall(r"<bdi>(usr_\w+)</bdi>", everybody))
    company.enter("zoe")
    assert "disabled" not in clerk.get(page, params={"q": "zoe"}).text
    of_zoe = f"/v1/users/{company.ids['zoe']}"
    assert company.service.client.patch(of_zoe, json={"status": "disabled"}).status_code == 200
    assert "disabled" in clerk.get(page, params={"q": "zoe"}).text
    for text in ("x" * 255, "a\nb", "\0"):
        assert clerk.get(page, params={"q": text}).status_code == 422
    assert browser(company, "ada").get(page).status_code == 404
    looks = operator(company.service, create_key(company.service.conninfo, "looks at people", ["ledger:read"]))
    assert looks.get(page).status_code == 403
    assert f'href="{page}"' not in looks.get(f"{ROOT}/accounts").text


def test_operators_see_all_keys_and_revoke_any(company: Company) -> None:
    service = company.service
    account = service.open_account()
    key = service.post("/v1/keys", {"account_id": account, "name": "of a user"}).json()
    own = create_key(service.conninfo, "of a service", ["ledger:read"])
    clerk = operator(service)
    page = clerk.get(f"{ROOT}/keys").text
    assert all(text in page for text in ("of a user", "of a service", account, key["id"], prefix_of(own)))
    for key_id in (key["id"], prefix_of(own)):
        clerk.post(f"{ROOT}/keys", data={"csrf": token_in(clerk.get(f"{ROOT}/keys")), "key_id": key_id})
    eventually(lambda: status(company, account, key["key"], own) == [401, 401])
    for text, found in (
        ("F A USER", 1),
        (key["key"], 1),
        (f"clu_{key['id']}…", 1),
        (account, 1),
        ("of a", 2),
        ("x%", 0),
    ):
        rows = clerk.get(f"{ROOT}/keys", params={"q": text}).text
        assert rows.count("<code>") - 1 == found, text
    assert clerk.get(f"{ROOT}/keys", params={"q": "x" * 255}).status_code == 422
    unknown = {"csrf": token_in(clerk.get(path_of(account, "keys"))), "key_id": "00000000"}
    assert clerk.post(f"{ROOT}/keys", data=unknown).status_code == 404


def test_an_operator_acts_on_the_keys_of_an_account_with_the_scope_for_that(company: Company) -> None:
    service = company.service
    account = service.open_account()
    path = path_of(account, "keys")
    clerk = operator(service, create_key(service.conninfo, "keys", ["ledger:read", "people:write"]))
    secret = secret_in(decided(clerk, path, "make", name="for a user", read="yes"))
    assert status(company, account, secret) == [200]
    assert clerk.get(path_of("nobody", "keys")).status_code == 404
    looks = operator(service, create_key(service.conninfo, "looks", ["ledger:read"]))
    for client, there in ((looks, path), (looks, f"{ROOT}/keys"), (clerk, f"{ROOT}/keys")):
        assert client.get(there).status_code == 403, there
    assert f'"{path}"' not in looks.get(path_of(account)).text
