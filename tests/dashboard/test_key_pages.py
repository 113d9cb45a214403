"""The pages of API keys: a secret is shown once, a member sees their own keys, and operators see all."""

import re
from collections.abc import Iterator
from html import unescape
from uuid import uuid4

import httpx
import psycopg
import pytest

from people.api_keys import create_key
from tests.api.company import Company
from tests.api.stage import eventually
from tests.dashboard.acting import path_of
from tests.dashboard.guests import ROOT, guest, operator, person, token_in
from tests.keys import prefix_of
from tests.people.letters import PASSWORD
from tests.postgres import TestServers, owner
from tests.service import ADMIN_KEY, service_here


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
    for words in ("&lt;b&gt;Production&lt;/b&gt;", key_id, "Never used.", "in 29 days</time>, on "):
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


def spent(company: Company, account: str, secret: str, amount: int) -> int:
    """The status of a deduction with a key."""
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": uuid4().hex}
    path = f"/v1/accounts/{account}/deductions"
    return company.service.client.post(path, json={"amount": amount}, headers=headers).status_code


def limits_of(company: Company, account: str) -> list[tuple[str, str, int]]:
    """The limits of an account: their sources, what they count, and their amounts."""
    found = company.service.get(f"/v1/accounts/{account}/limits").json()["limits"]
    return [(one["source"], one["only"].get("key", ""), one["amount"]) for one in found]


def test_a_key_gets_a_credit_limit_on_the_page(company: Company) -> None:
    """When it is made and later; another key's stays. What is typed wrong is told, and it ends with the key."""
    company.enter("lena")
    lena, account = browser(company, "lena"), company.ids["lena"]
    path = path_of(account, "keys")
    granted = company.service.post(f"/v1/accounts/{account}/grants", {"kind": "permanent", "amount": 100}, key="g")
    assert granted.status_code == 201
    made = [
        secret_in(decided(lena, path, "make", name=f"up to {most}", read="yes", write="yes", amount=most, period="day"))
        for most in ("5", "9")
    ]
    first = made[0]
    ids = [prefix_of(secret) for secret in made]
    assert limits_of(company, account) == [(f"key:{ids[0]}", ids[0], 5), (f"key:{ids[1]}", ids[1], 9)]
    assert [spent(company, account, first, amount) for amount in (5, 1)] == [201, 402]
    assert spent(company, account, ADMIN_KEY, 1) == 422, "usage that names no key is refused"
    page = lena.get(path).text
    assert ("Spent 5 of 5 credits, each day" in page, "used up" in page) == (True, True)
    assert "Key up to 5, each day" in lena.get(path_of(account, "limits")).text
    decided(lena, path, "limit", key_id=ids[0], amount="7", period="day")
    assert "Spent 5 of 7 credits, each day" in lena.get(path).text, "the counter goes on"
    for typed in ("-1", "1.5", "many", "1" * 17, "9" * 16):
        for decision, field in (("limit", f"amount-{ids[0]}"), ("make", "amount")):
            fields = {"key_id": ids[0], "amount": typed, "period": "day", "name": "x", "read": "yes"}
            answer = decided(lena, path, decision, **fields)
            assert (answer.status_code, f'aria-describedby="{field}-wrong"' in answer.text) == (422, True), typed
            assert f'value="{typed}"' in answer.text
    decided(lena, path, "limit", key_id=ids[0], amount="", period="day")
    assert limits_of(company, account) == [(f"key:{ids[1]}", ids[1], 9)]
    assert spent(company, account, first, 20) == 201
    decided(lena, path, "limit", key_id=ids[0], amount="3", period="")
    decided(lena, path, "revoke", key_id=ids[0])
    assert company.service.client.delete(f"/v1/keys/{ids[1]}").status_code == 200
    assert limits_of(company, account) == []


def test_no_key_is_made_whose_limit_is_refused(company: Company) -> None:
    company.enter("luca")
    luca, account = browser(company, "luca"), company.ids["luca"]
    path = path_of(account, "keys")
    many = [{"limit_id": f"l{number}", "amount": 1} for number in range(50)]
    set_now = company.service.post(f"/v1/accounts/{account}/limits", {"source": "plan", "limits": many}, key="l")
    assert set_now.status_code == 201
    refused = decided(luca, path, "make", name="one more", read="yes", amount="1", period="day")
    assert (refused.status_code, 'role="alert"' in refused.text, 'id="secret"' in refused.text) == (422, True, False)
    assert [key["state"] for key in company.service.get("/v1/keys", account_id=account).json()["keys"]] == ["revoked"]


def test_a_new_password_asks_about_the_keys_of_its_person(company: Company) -> None:
    """On the page Settings, and on that of a mailed link, without a session; what is ticked stays ticked."""
    company.enter("olaf")
    olaf, account = browser(company, "olaf"), company.ids["olaf"]
    settings, box = f"{ROOT}/settings", 'name="revoke_keys"'
    assert box not in olaf.get(settings).text, "there is nothing to ask"
    secret = secret_in(decided(olaf, path_of(account, "keys"), "make", name="<i>Laptop</i>", read="yes"))

    def answered(path: str, **fields: str) -> httpx.Response:
        client = olaf if path.startswith(settings) else guest(company.service)
        return client.post(path, data={"csrf": token_in(client.get(path.removesuffix("/password"))), **fields})

    weak = answered(f"{settings}/password", new_password="password123", revoke_keys="yes")
    assert (weak.status_code, 'name="revoke_keys" value="yes" checked' in weak.text) == (422, True)
    assert "&lt;i&gt;Laptop&lt;/i&gt;" in weak.text
    assert status(company, account, secret) == [200]
    company.ask(None, "POST", "/api/auth/reset", {"email": "olaf@example.com"})
    link = f"{ROOT}/reset/{company.link('olaf', kind='reset', path='reset')}"
    page = guest(company.service).get(link).text
    assert (box in page, "&lt;i&gt;Laptop&lt;/i&gt;" in page, "checked" in page) == (True, True, False)
    assert "Your API keys go on" in answered(link, password=PASSWORD).text
    assert status(company, account, secret) == [200]
    spent = guest(company.service).get(link)
    assert (spent.status_code, "Laptop" in spent.text) == (410, False)

    company.ask(None, "POST", "/api/auth/reset", {"email": "olaf@example.com"})
    link = f"{ROOT}/reset/{company.link('olaf', link.rpartition('/')[2], kind='reset', path='reset')}"
    assert "Your API keys are revoked" in answered(link, password=f"{PASSWORD} 2", revoke_keys="yes").text
    eventually(lambda: status(company, account, secret) == [401])


def test_who_may_not_set_limits_sets_none_of_keys(company: Company) -> None:
    """A member of a team for their own key, and operators without the scope that sets limits."""
    company.enter("nina", "nils")
    team = company.team("limited", "nina", nils="member")
    path = path_of(team, "keys")
    clerk = operator(company.service, create_key(company.service.conninfo, "clerk", ["ledger:read", "people:write"]))
    key_id = ""
    for client in (browser(company, "nils", team), clerk):
        key_id = prefix_of(secret_in(decided(client, path, "make", name="mine", read="yes")))
        assert 'name="amount"' not in client.get(path).text
        for fields in ({"key_id": key_id}, {"name": "more", "read": "yes"}):
            decision = "limit" if "key_id" in fields else "make"
            assert decided(client, path, decision, amount="1", period="day", **fields).status_code == 403
    nina = browser(company, "nina", team)
    assert decided(nina, path, "limit", key_id=key_id, amount="1", period="week").status_code == 200
    assert limits_of(company, team) == [(f"key:{key_id}", key_id, 1)]
    assert decided(nina, path, "limit", key_id="00000000", amount="1", period="week").status_code == 404


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
        (f"clu_{key['id']}…", 1),
        (account, 1),
        ("of a", 2),
        ("x%", 0),
    ):
        rows = clerk.get(f"{ROOT}/keys", params={"q": text}).text
        assert rows.count("<code>") - 1 == found, text
    assert clerk.get(f"{ROOT}/keys", params={"q": "x" * 255}).status_code == 422
    for client, page in ((clerk, f"{ROOT}/keys"), (clerk, f"{ROOT}/people"), (service.client, "/v1/keys")):
        refused = client.get(page, params={"q": f" {key['key']} "})
        assert (refused.status_code, key["key"] in f"{refused.text} {refused.headers}") == (422, False), page
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
