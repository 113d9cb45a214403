"""Keys of accounts over HTTP: people and services make them, and they act on their account alone, in its name."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.contract.people.own_routes import OWN, OWN_OF_PEOPLE
from api.contract.scopes import PEOPLE, ROUTES
from people.api_keys import OWN_SCOPES, create_key
from tests.api.club import Club
from tests.api.company import Company
from tests.api.conftest import under_contract
from tests.api.stage import OPERATIONS, asks, fresh, refused, staged
from tests.keys import prefix_of
from tests.postgres import TestServers
from tests.service import Service, service_here

NAME = {"name": "Production"}


@pytest.fixture(scope="module")
def club(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("keys")
    settings = {"CREDIT_LEDGER_REGISTRATION": "open", "CREDIT_LEDGER_KEY_BRAND": "luna_sk"}
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as service:
        under_contract(service)
        yield Club(service, folder / "data" / "mail")


@pytest.fixture(scope="module")
def ada(club: Club) -> str:
    """The token of a person."""
    return str(club.join("ada")["token"])


def asked(club: Club, key: str, method: str, path: str, **options: Any) -> httpx.Response:
    """A request with a key."""
    return club.ask(method, path, key, **options)


def deduction(club: Club, key: str, account: str, **body: Any) -> httpx.Response:
    return asked(club, key, "POST", f"/v1/accounts/{account}/deductions", json={"amount": 1, **body})


def made(service: Service, account: str, **body: Any) -> dict[str, Any]:
    """A key of an account, made by the product."""
    answer = service.post("/v1/keys", {"account_id": account, **NAME, **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def until_refused(ask: Any, status: int = 401) -> float:
    """The seconds after which a request is answered 401, or with another status."""
    begun = time.monotonic()
    while ask().status_code != status:
        assert time.monotonic() - begun < 20
        time.sleep(0.02)
    return time.monotonic() - begun


# People ---------------------------------------------------------------------------------------------------------------


def test_a_person_makes_uses_changes_rotates_and_revokes_a_key(club: Club, ada: str) -> None:
    """In the shapes of the document that front ends expect."""
    answer = club.ask("POST", "/api/keys", ada, json={**NAME, "scopes": ["read", "write"], "expires_in_days": 365})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    key = answer.json()
    account = key["account_id"]
    assert key["key"].startswith(f"{key['key_prefix']}")
    assert key["key_prefix"] == f"luna_sk_{prefix_of(key['key'])}"
    ends = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=364, hours=23) < ends <= timedelta(days=365)
    [listed] = club.ask("GET", "/api/keys", ada).json()["keys"]
    assert listed == {name: value for name, value in key.items() if name != "key"}
    assert {"id", "name", "scopes", "is_active", "last_used_at", "created_at"} <= listed.keys()

    spent = deduction(club, key["key"], account, task_id="t")
    assert spent.status_code == 201
    events = club.service.get(f"/v1/accounts/{account}/events").json()["events"]
    assert events[-1]["metadata"]["actor"] == f"key:{key['id']}"
    assert events[-1]["data"]["usage"] == {"key": key["id"]}
    assert asked(club, key["key"], "GET", f"/v1/accounts/{account}/balance").json()["available"] == 99

    path = f"/api/keys/{key['id']}"
    changed = club.ask("PATCH", path, ada, json={"name": "Updated", "is_active": False}).json()
    assert (changed["id"], changed["name"], changed["is_active"], changed["state"]) == (
        key["id"],
        "Updated",
        False,
        "disabled",
    )
    assert until_refused(lambda: deduction(club, key["key"], account, task_id="t")) < 2
    assert club.ask("PATCH", path, ada, json={"is_active": True}).json()["is_active"]
    rotated = club.ask("POST", f"{path}/rotation", ada, json={"grace_seconds": 0}).json()
    assert (rotated["id"], rotated["name"]) == (key["id"], "Updated")
    assert deduction(club, rotated["key"], account, task_id="u").status_code == 201
    until_refused(lambda: deduction(club, key["key"], account, task_id="t"))
    assert club.ask("DELETE", path, ada).json() == {"message": "API key revoked successfully"}
    assert until_refused(lambda: deduction(club, rotated["key"], account, task_id="u")) < 2
    assert club.ask("GET", "/api/keys", ada).json()["keys"][0]["state"] == "revoked"


def test_keys_of_others_are_not_there(club: Club, ada: str) -> None:
    bob = club.join("bob")["token"]
    key = club.ask("POST", "/api/keys", bob, json=NAME).json()
    for method, end, body in (("PATCH", "", {}), ("DELETE", "", None), ("POST", "/rotation", {})):
        answer = club.ask(method, f"/api/keys/{key['id']}{end}", ada, json=body)
        refused(answer, 404, "key_not_found", key_id=key["id"])
    refused(club.ask("GET", "/api/keys", ada, params={"account_id": key["account_id"]}), 404, "account_not_found")
    refused(club.ask("POST", "/api/keys", ada, json={**NAME, "scopes": []}), 422, "validation_failed")
    assert all(one["id"] != key["id"] for one in club.ask("GET", "/api/keys", ada).json()["keys"])


def test_people_make_keys_of_their_team(club: Club) -> None:
    """A key is what its maker is: one of an admin shows no more than a member's, a second after they are one."""
    company = Company(club.service, club.mail)
    company.enter("dora", "emil", "fay", "gus")
    team = company.team("keys", "dora", emil="admin", fay="member")
    of_team = {"params": {"account_id": team}}
    keys = {name: company.ask(name, "POST", "/api/keys", NAME, **of_team).json() for name in ("emil", "fay")}
    for name, key in keys.items():
        person = company.ids[name]
        assert (key["account_id"], key["member"], key["made_by"]) == (team, person, person)
    for name, count in (("dora", 2), ("emil", 2), ("fay", 1)):
        assert len(company.ask(name, "GET", "/api/keys", **of_team).json()["keys"]) == count, name
    path = f"/api/keys/{keys['emil']['id']}"
    refused(company.ask("fay", "DELETE", path, **of_team), 404, "key_not_found")
    refused(company.ask("fay", "POST", "/api/keys", {**NAME, "scopes": ["admin"]}, **of_team), 403, "missing_scope")
    for method, body in (("GET", None), ("POST", NAME)):
        answer = company.ask("gus", method, "/api/keys", body, **of_team)
        refused(answer, 404, "account_not_found", account_id=team)

    below = f"/v1/accounts/{team}"
    assert asked(club, keys["emil"]["key"], "GET", f"{below}/history").status_code == 200
    refused(asked(club, keys["fay"]["key"], "GET", f"{below}/history"), 403, "missing_scope", scope="admin")
    member = f"/api/teams/{team}/members/{company.ids['emil']}"
    assert company.ask("dora", "PATCH", member, {"role": "member"}).status_code == 200
    assert until_refused(lambda: asked(club, keys["emil"]["key"], "GET", f"{below}/history"), 403) < 2
    assert asked(club, keys["emil"]["key"], "GET", f"{below}/balance").status_code == 200
    assert company.ask("dora", "PATCH", member, {"status": "suspended"}).status_code == 200
    assert until_refused(lambda: asked(club, keys["emil"]["key"], "GET", f"{below}/balance")) < 2


# What a key may do --------------------------------------------------------------------------------------------------


def test_a_key_of_an_account_uses_the_routes_of_its_table_alone(club: Club) -> None:
    """On its own account; on another it is told that there is none, whether there is one or not."""
    mine, other = staged(club.service), staged(club.service)
    keys = {
        scope: made(club.service, mine, scopes=[scope], rate_limit=9_999)["key"] for scope in ("read", "write", "admin")
    }
    values = {"operation": "deduct", "key": "stage", "hold_id": "hld_5", "deduction_id": "ded_4", "grant_id": "grt_3"}
    values |= dict.fromkeys(("payment_id", "transfer_id", "limit_id", "subscription_id", "plan_id"), "x")
    values |= dict.fromkeys(("package_id", "checkout_id", "webhook_id", "name", "month"), "x")
    values |= {"version": "1", "key_id": "00000000", "user_id": "usr_1", "team_id": "team_1", "invitation_id": "inv_1"}
    for name, scopes in ROUTES.items():
        method, path = name.split()
        if not scopes:
            continue
        for scope, key in keys.items():
            where = path.format(account_id=mine, **values)
            answer = asked(club, key, method, where, json=None if method in {"GET", "DELETE"} else {})
            if OWN.get(name) == scope:
                assert answer.status_code not in {401, 403, 404}, (name, scope, answer.text)
            else:
                refused(answer, 403, "missing_scope")
        if name in OWN and "{account_id}" in path:
            for account in (other, fresh()):
                body = None if method == "GET" else GOOD[name.split("/")[-1]]
                where = path.format(account_id=account, **values)
                answer = asked(club, keys[OWN[name]], method, where, json=body)
                refused(answer, 404, "account_not_found", account_id=account)


GOOD: dict[str, Any] = {
    "deductions": {"amount": 1, "task_id": "x"},
    "holds": {"amount": 1},
    "captures": {},
    "extensions": {"expires_in_seconds": 3600},
    "release": {},
    "usage": {"quantity": 1, "task_id": "x", "usage": {"metric": "m"}},
}


def test_what_a_key_spends_is_in_its_name(club: Club) -> None:
    """In a batch too. A body that says otherwise is refused, and nothing is taken."""
    account = staged(club.service)
    key = made(club.service, account, member="ada")
    wanted = asks(account)
    results = asked(
        club,
        key["key"],
        "POST",
        "/v1/batch",
        json={"commands": [wanted[name].item(f"own-{name}") for name in ("deduct", "hold", "meter", "grant")]},
    ).json()["results"]
    assert [one["status"] for one in results] == [201, 201, 201, 403]
    other = {**wanted["deduct"].item("x"), "account_id": fresh()}
    [result] = asked(club, key["key"], "POST", "/v1/batch", json={"commands": [other]}).json()["results"]
    assert (result["status"], result["code"]) == (404, "account_not_found")
    events = club.service.get(f"/v1/accounts/{account}/events", after_version=8).json()["events"]
    for event in events:
        assert event["data"]["usage"].items() >= {"key": key["id"], "member": "ada"}.items()
        assert event["metadata"]["actor"] == f"key:{key['id']}"
    for name, value in (("key", "another"), ("member", "bob")):
        answer = deduction(club, key["key"], account, task_id="no", usage={name: value})
        refused(answer, 422, "usage_conflicts_with_key", field=f"usage.{name}", value=value)
    same = {"key": key["id"], "member": "ada", "model": "m"}
    assert deduction(club, key["key"], account, task_id="yes", usage=same).status_code == 201
    assert set(wanted) == set(OPERATIONS)


def test_a_key_of_a_member_ends_no_hold_of_another(club: Club) -> None:
    """Ids of holds are numbers: whoever has one of their own knows those of others."""
    service, account = club.service, club.service.open_account(permanent=100)
    holds = f"/v1/accounts/{account}/holds"
    secrets = [made(service, account, member=name)["key"] for name in ("bob", "carol")]
    bob, carol = ({"Authorization": f"Bearer {secret}"} for secret in secrets)
    body = {"amount": 10, "expires_in_seconds": 600}
    of_carol = service.post(holds, body, key="h", **carol).json()["hold_id"]
    of_nobody = service.post(holds, body, key="i").json()["hold_id"]
    acts = {"release": {}, "extensions": {"expires_in_seconds": 900}, "captures": {"amount": 1}}
    for hold in (of_carol, of_nobody):
        for act, said in acts.items():
            refused(service.post(f"{holds}/{hold}/{act}", said, key=f"{hold} {act}", **bob), 404, "hold_not_found")
    item = {"op": "release", "account_id": account, "hold_id": of_carol, "idempotency_key": "b"}
    [result] = service.post("/v1/batch", {"commands": [item]}, **bob).json()["results"]
    assert (result["status"], result["code"]) == (404, "hold_not_found")
    assert service.post(f"{holds}/{of_carol}/captures", {"amount": 1}, key="c", **carol).status_code == 201
    assert service.post(f"{holds}/{of_nobody}/release", key="s").status_code == 201


def test_a_limit_of_a_key_and_its_rate(club: Club) -> None:
    account = staged(club.service)
    key = made(club.service, account, rate_limit=3)
    limit = {"limit_id": "of-key", "amount": 1, "only": {"key": key["id"]}}
    club.service.post(f"/v1/accounts/{account}/limits", {"source": "team", "limits": [limit]}, key="l")
    rotated = club.service.post(f"/v1/keys/{key['id']}/rotation", {}).json()
    assert deduction(club, key["key"], account, task_id="1").status_code == 201
    answer = deduction(club, rotated["key"], account, task_id="2")
    assert refused(answer, 402, "limit_reached")["binding"]["limit_id"] == "of-key"
    assert asked(club, key["key"], "GET", f"/v1/accounts/{account}/balance").status_code == 200
    limited = refused(deduction(club, rotated["key"], account, task_id="3"), 429, "rate_limited", limit=3, remaining=0)
    assert datetime.fromisoformat(limited["resets_at"]) > datetime.now(UTC) + timedelta(seconds=50)


# At /api --------------------------------------------------------------------------------------------------------------


def own_keys(company: Company, who: str, account: str, *scopes: str) -> dict[str, Any]:
    """A key that somebody makes for themselves."""
    body = {**NAME, "scopes": list(scopes), "rate_limit": 9_999}
    answer = company.ask(who, "POST", "/api/keys", body, params={"account_id": account})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_key_uses_the_routes_of_people_in_its_table_alone(club: Club) -> None:
    """With the scope of the table; all others need the session of its maker. What is wrong is told after that."""
    company = Company(club.service, club.mail)
    company.enter("hana")
    team = company.team("of-hana", "hana")
    values = {"team_id": team, "user_id": company.ids["hana"], "key_id": "00000000", "session_id": "1", "limit_id": "x"}
    values |= {"export_id": "x", "invitation_id": "inv_00000000000000000000", "token": "x"}
    for account in (company.ids["hana"], team):
        keys = {scope: own_keys(company, "hana", account, scope)["key"] for scope in OWN_SCOPES}
        for name in (name for name, needs_session in PEOPLE.items() if needs_session):
            method, path = name.split()
            for scope, key in keys.items():
                answer = asked(club, key, method, path.format(**values) + "?colour=red&colour=green")
                if name not in OWN_OF_PEOPLE:
                    refused(answer, 401, "unauthenticated")
                elif OWN_OF_PEOPLE[name] != scope:
                    refused(answer, 403, "missing_scope", scope=OWN_OF_PEOPLE[name])
                else:
                    assert answer.status_code in {400, 422}, (name, scope, answer.text)
    assert OWN_OF_PEOPLE.keys() < PEOPLE.keys()


def test_a_key_asks_about_its_account_and_no_other(club: Club) -> None:
    """That of a team is none of the person's own, and the other way round; a service makes keys for nobody here."""
    company = Company(club.service, club.mail)
    company.enter("ines", "jack")
    own, team = company.ids["ines"], company.team("of-ines", "ines", jack="member")
    mine, ours = (own_keys(company, "ines", account, "read", "admin") for account in (own, team))
    member = own_keys(company, "jack", team, "read")
    for path in ("/api/usage/current", "/api/usage/history?start_date=2026-01-01&end_date=2026-01-02", "/api/keys"):
        assert asked(club, mine["key"], "GET", path).json() == company.ask("ines", "GET", path).json()
    for key in (ours, member):
        refused(asked(club, key["key"], "GET", "/api/usage/current"), 404, "account_not_found")
    for key, account in ((mine, own), (ours, team)):
        plan = company.ask("ines", "GET", "/api/subscription", params={"account_id": account}).json()
        assert plan["tier"] == "free"
        assert asked(club, key["key"], "GET", "/api/subscription").json() == plan
    refused(asked(club, member["key"], "GET", "/api/subscription"), 403, "missing_role")
    elsewhere = asked(club, mine["key"], "GET", "/api/subscription", params={"account_id": team})
    refused(elsewhere, 404, "account_not_found")
    for path in (f"/api/teams/{team}/{what}" for what in ("limits", "usage", "members")):
        assert asked(club, ours["key"], "GET", path).status_code == 200, path
        refused(asked(club, mine["key"], "GET", path), 404, "not_found")
    assert asked(club, member["key"], "GET", f"/api/teams/{team}/limits").status_code == 200
    refused(asked(club, mine["key"], "GET", "/api/keys", params={"account_id": team}), 404, "account_not_found")
    assert len(asked(club, ours["key"], "GET", "/api/keys").json()["keys"]) == 2
    service_key = made(club.service, own, scopes=["read"])
    refused(asked(club, service_key["key"], "GET", "/api/usage/current"), 403, "missing_scope")
    refused(asked(club, mine["key"][:-1] + "?", "GET", "/api/usage/current"), 401, "unauthenticated")


def test_what_a_key_does_at_api_is_in_its_name(club: Club) -> None:
    """It sets limits and ends keys, as an admin may, itself at last."""
    company = Company(club.service, club.mail)
    company.enter("kim", "lea")
    team = company.team("of-kim", "kim", lea="member")
    key, member = own_keys(company, "kim", team, "admin"), own_keys(company, "lea", team, "read")
    limits = {"limits": [{"limit_id": "each", "amount": 5, "each": ["member"]}]}
    assert asked(club, key["key"], "PUT", f"/api/teams/{team}/limits", json=limits).status_code == 200
    path = f"/api/teams/{team}/limits/each/allowances/{company.ids['lea']}"
    assert asked(club, key["key"], "PUT", path, json={"amount": 9}).status_code == 200
    for one in (member, key):
        assert asked(club, key["key"], "DELETE", f"/api/keys/{one['id']}").status_code == 200
    until_refused(lambda: asked(club, key["key"], "GET", "/api/keys"))
    events = club.service.get(f"/v1/accounts/{team}/events").json()["events"]
    assert [one["metadata"]["actor"] for one in events[-2:]] == [f"key:{key['id']}"] * 2
    entries = club.service.get("/v1/audit", account_id=team, actor=f"key:{key['id']}").json()["entries"]
    done = [(one["action"], one["subject"]) for one in reversed(entries) if one["action"] != "key.first_used"]
    ended = [("key.revoked", f"key:{one['id']}") for one in (member, key)]
    assert done == [("limit.set", team), ("limit.set", team), *ended]


# Services -----------------------------------------------------------------------------------------------------------


def test_a_product_manages_keys_of_its_users(club: Club) -> None:
    account = staged(club.service)
    key = made(club.service, account, member="ada", expires_in_days=1)
    assert (key["member"], key["made_by"], key["rate_limit"]) == ("ada", "key:admin", 100)
    assert club.service.get("/v1/keys", account_id=account).json()["keys"][0]["id"] == key["id"]
    assert club.service.get("/v1/keys", account_id=account, member="bob").json()["keys"] == []
    path = f"/v1/keys/{key['id']}"
    changed = club.service.client.patch(path, json={"rate_limit": 7, "expires_in_days": 9}).json()
    assert (changed["rate_limit"], changed["expires_at"] > key["expires_at"]) == (7, True)
    assert club.service.client.delete(path).status_code == 200
    assert club.service.client.delete(path).status_code == 200
    refused(club.service.client.patch(path, json={}), 404, "key_not_found")
    refused(club.service.post(f"{path}/rotation", {}), 404, "key_not_found")
    refused(club.service.client.delete("/v1/keys/00000000"), 404, "key_not_found")
    refused(club.service.post("/v1/keys", {"account_id": fresh(), **NAME}), 404, "account_not_found")
    service_key = create_key(club.service.conninfo, "of a service", ["ledger:read"])
    refused(club.service.client.delete(f"/v1/keys/{prefix_of(service_key)}"), 404, "key_not_found")


def test_a_list_of_keys_has_pages(club: Club, ada: str) -> None:
    """For services and for people. A cursor belongs to its list."""
    account = staged(club.service)
    ids = [made(club.service, account)["id"] for _ in range(5)]
    found: list[str] = []
    cursors: list[str] = []
    while True:
        following = {"cursor": cursors[-1]} if cursors else {}
        page = club.service.get("/v1/keys", account_id=account, limit=2, **following).json()
        found += [one["id"] for one in page["keys"]]
        if page["next_cursor"] is None:
            break
        cursors.append(page["next_cursor"])
    assert (found, len(cursors)) == (ids[::-1], 2)
    assert club.service.get("/v1/keys", account_id=account).json()["next_cursor"] is None
    refused(club.service.get("/v1/keys", account_id=account, member="m", cursor=cursors[0]), 422, "validation_failed")
    refused(club.ask("GET", "/api/keys", ada, params={"cursor": cursors[0]}), 422, "validation_failed")
    for limit in ("0", "1001", "x"):
        refused(club.service.get("/v1/keys", limit=limit), 422, "validation_failed")


def test_whoever_finds_a_key_ends_it_without_another(club: Club) -> None:
    """The answer is the same for what is no key."""
    account = staged(club.service)
    key = made(club.service, account)["key"]
    service_key = create_key(club.service.conninfo, "found", ["ledger:read"])
    for text in (key, service_key, "nothing", key[:-1]):
        answer = club.ask("POST", "/v1/keys/revocations", json={"key": text})
        assert (answer.status_code, answer.json()) == (202, {"message": "If there is such a key, it is revoked."})
    assert until_refused(lambda: deduction(club, key, account, task_id="t")) < 2
    assert until_refused(lambda: asked(club, service_key, "GET", "/v1/statistics")) < 2
    refused(club.ask("POST", "/v1/keys/revocations", json={}), 422, "validation_failed")
