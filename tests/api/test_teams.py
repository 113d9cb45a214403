"""Teams over HTTP: their shapes, what each code is the answer to, and every route by every kind of caller."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest

from api.contract.problems import STATUSES
from api.contract.scopes import PEOPLE
from tests.api.company import Company
from tests.api.conftest import under_contract
from tests.api.stage import refused
from tests.postgres import TestServers, owner
from tests.service import ADMIN_KEY, service_here

NOBODY = "usr_00000000000000000000"
NO_INVITATION = "inv_00000000000000000000"
EACH_MEMBER = {"limit_id": "each-member", "amount": 50, "each": ["member"]}


@pytest.fixture(scope="module")
def company(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("company")
    settings = {"CREDIT_LEDGER_REGISTRATION": "open", "CREDIT_LEDGER_SEATS": "5"}
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as service:
        under_contract(service)
        made = Company(service, folder / "data" / "mail")
        made.enter("ada", "bob", "carol", "dave", "eve", "frank")
        made.tokens["key"] = ADMIN_KEY
        yield made


def test_a_team_from_its_founding_to_its_end(company: Company) -> None:
    """In the shapes of the document."""
    made = company.ask("ada", "POST", "/api/teams", {"name": "My Team", "slug": "my-team"}).json()
    team = made["id"]
    expected = {"id": team, "name": "My Team", "slug": "my-team", "role": "owner", "member_count": 1, "tier": "free"}
    assert made == {**expected, "created_at": made["created_at"]}
    assert made in company.ask("ada", "GET", "/api/teams").json()["teams"]
    assert company.service.get(f"/v1/accounts/{team}/balance").json()["total"] == 0

    body = {"email": "Carol@Example.com", "role": "admin"}
    invited = company.ask("ada", "POST", f"/api/teams/{team}/members", body)
    assert invited.status_code == 201
    assert invited.json().items() >= {"email": "carol@example.com", "role": "admin", "status": "invited"}.items()
    listed = company.ask("ada", "GET", f"/api/teams/{team}/invitations").json()["invitations"]
    assert listed == [invited.json()]
    first = company.link("carol")
    resent = company.ask("ada", "POST", f"/api/teams/{team}/invitations/{listed[0]['id']}/resend")
    assert resent.status_code == 200
    refused(company.ask(None, "GET", f"/api/invitations/{first}"), 410, "token_spent")
    link = company.link("carol", first)
    shown = company.ask(None, "GET", f"/api/invitations/{link}").json()
    assert (shown["team"], shown["email"]) == ({"id": team, "name": "My Team"}, "carol@example.com")
    joined = company.ask("carol", "POST", f"/api/invitations/{link}/acceptance").json()
    assert (joined["id"], joined["role"], joined["member_count"]) == (team, "admin", 2)

    members = company.ask("carol", "GET", f"/api/teams/{team}/members").json()
    assert members["seats"] == {"max_members": 5, "members": 2, "invited": 0}
    assert [(one["user_id"], one["role"], one["status"], one["email"]) for one in members["members"]] == [
        (company.ids["ada"], "owner", "active", "ada@example.com"),
        (company.ids["carol"], "admin", "active", "carol@example.com"),
    ]
    carol = f"/api/teams/{team}/members/{company.ids['carol']}"
    assert company.ask("ada", "PATCH", carol, {"role": "member"}).json()["role"] == "member"
    told = company.ask("carol", "GET", f"/api/teams/{team}/members").json()["members"]
    assert [one["email"] for one in told] == [None, None]
    handed = company.ask("ada", "POST", f"/api/teams/{team}/owner", {"user_id": company.ids["carol"]})
    assert handed.json()["role"] == "admin"
    renamed = company.ask("ada", "PATCH", f"/api/teams/{team}", {"name": "Ours"}).json()
    assert (renamed["name"], renamed["slug"]) == ("Ours", "my-team")
    ada = f"/api/teams/{team}/members/{company.ids['ada']}"
    assert company.ask("ada", "DELETE", ada).status_code == 200
    refused(company.ask("ada", "GET", f"/api/teams/{team}/members"), 404, "not_found")
    assert company.ask("carol", "DELETE", f"/api/teams/{team}").status_code == 200
    assert company.ask("carol", "GET", "/api/teams").json() == {"teams": []}


def test_what_was_done_in_a_team_is_for_those_who_manage_it(company: Company) -> None:
    """A member is answered as for a team that is not there; a cursor is of one list."""
    team = company.team("audited", "ada", bob="admin", carol="member")
    assert company.ask("bob", "PATCH", f"/api/teams/{team}", {"name": "Watched"}).status_code == 200
    found = company.ask("bob", "GET", "/api/audit", params={"account_id": team, "limit": 1}).json()
    assert [(one["action"], one["actor"]) for one in found["entries"]] == [("team.renamed", company.ids["bob"])]
    rest = {"account_id": team, "cursor": found["next_cursor"]}
    assert [one["action"] for one in company.ask("ada", "GET", "/api/audit", params=rest).json()["entries"]] == [
        "team.created"
    ]
    nothing = company.ask("eve", "GET", "/api/audit", params={"account_id": "team_00000000000000000000"})
    refused(nothing, 404, "not_found")
    for name in ("carol", "frank"):
        answer = company.ask(name, "GET", "/api/audit", params={"account_id": team})
        refused(answer, 404, "not_found")
        assert answer.json()["detail"] == nothing.json()["detail"]
    refused(company.ask("ada", "GET", "/api/audit", params={"account_id": company.ids["bob"]}), 404, "not_found")
    assert company.ask("ada", "GET", "/api/audit", params={"cursor": found["next_cursor"]}).status_code == 422


def test_who_spent_what_and_nobody_gets_past_a_limit(company: Company) -> None:
    """By name or without one: an unnamed member is refused as soon as there is a limit for each."""
    team = company.team("spenders", "ada", bob="admin", carol="member")
    service, ids = company.service, company.ids
    assert service.post(f"/v1/accounts/{team}/grants", {"kind": "permanent", "amount": 500}, key="g").status_code == 201

    def spend(member: str | None, amount: int, key: str, metric: str = "rag_query") -> httpx.Response:
        usage = {"metric": metric, "quantity": 2} | ({"member": ids[member]} if member else {})
        return service.post(f"/v1/accounts/{team}/deductions", {"amount": amount, "usage": usage}, key=key)

    assert spend(None, 10, "d0").status_code == 201
    limits = company.ask("bob", "PUT", f"/api/teams/{team}/limits", {"limits": [EACH_MEMBER]})
    assert limits.status_code == 200
    refused(spend(None, 1, "d1"), 422, "usage_required")
    assert spend("carol", 50, "d2").status_code == 201
    refused(spend("carol", 1, "d3"), 402, "limit_reached")
    assert spend("ada", 30, "d4", "agent").status_code == 201
    allowance = f"/api/teams/{team}/limits/each-member/allowances/{ids['carol']}"
    assert company.ask("ada", "PUT", allowance, {"amount": 60}).status_code == 200
    last = spend("carol", 10, "d5")
    assert last.status_code == 201
    refused(spend("carol", 1, "d6"), 402, "limit_reached")

    own = company.ask("carol", "GET", f"/api/teams/{team}/limits").json()
    assert (own["spendable"], own["binding"]) == (0, "each-member")
    assert [one["value"] for one in own["limits"][0]["counters"]] == [ids["carol"]]
    assert own["limits"][0]["allowances"] == {ids["carol"]: 60}
    assert company.ask("ada", "PUT", allowance.replace(ids["carol"], ids["bob"]), {"amount": 7}).status_code == 200
    own = company.ask("carol", "GET", f"/api/teams/{team}/limits")
    assert ids["bob"] not in own.text, "what others may use is not told"
    assert own.headers["cache-control"] == "no-store"
    by_key = {"limit_id": "each-key", "amount": 50, "each": ["key"]}
    of_key = {"limit_id": "one-key", "amount": 50, "only": {"key": "of-bob"}}
    body = {"source": "operator", "limits": [{**by_key, "used": {"of-bob": 3}}, of_key]}
    assert company.service.post(f"/v1/accounts/{team}/limits", body, key="by-key").status_code == 201
    own = company.ask("carol", "GET", f"/api/teams/{team}/limits")
    assert [one["limit_id"] for one in own.json()["limits"]] == ["each-member", "each-key"]
    assert "of-bob" not in own.text, "keys of others are not told"
    assert "of-bob" in company.ask("bob", "GET", f"/api/teams/{team}/limits").text
    gone = company.service.post(f"/v1/accounts/{team}/limits", {**body, "limits": []}, key="gone")
    assert gone.status_code == 201
    every = company.ask("bob", "GET", f"/api/teams/{team}/limits").json()
    assert {one["value"] for one in every["limits"][0]["counters"]} == {ids["carol"], ids["ada"], ids["bob"]}

    at = {"params": {"min_position": last.json()["position"]}}
    found = company.ask("bob", "GET", f"/api/teams/{team}/usage", **at).json()
    assert found["total_credits"] == 100
    assert found["usage"] == {"rag_query": 6, "agent": 2}
    assert (found["total_usage"]["rag_queries"], found["member_breakdown"][0]["rag_queries"]) == (6, 4)
    told = {one["user_id"]: (one["name"], one["credits"], one["usage"]) for one in found["member_breakdown"]}
    assert told == {
        ids["carol"]: ("Carol", 60, {"rag_query": 4}),
        ids["ada"]: ("Ada", 30, {"agent": 2}),
        None: (None, 10, {"rag_query": 2}),
        ids["bob"]: ("Bob", 0, {}),
    }
    assert company.ask("ada", "PUT", allowance, {"amount": None}).status_code == 200
    refused(spend("carol", 1, "d7"), 402, "limit_reached")


def test_a_team_changes_no_limit_of_its_plan_or_an_operator(company: Company) -> None:
    team = company.team("limited", "ada")
    body = {"source": "plan", "limits": [EACH_MEMBER]}
    assert company.service.post(f"/v1/accounts/{team}/limits", body, key="l").status_code == 201
    allowance = f"/api/teams/{team}/limits/each-member/allowances/{company.ids['ada']}"
    refused(company.ask("ada", "PUT", allowance, {"amount": 9_999}), 404, "limit_not_found")
    again = company.ask("ada", "PUT", f"/api/teams/{team}/limits", {"limits": [{**EACH_MEMBER, "amount": 9_999}]})
    assert again.status_code == 422
    kept = company.ask("ada", "PUT", f"/api/teams/{team}/limits", {"limits": []}).json()["limits"]
    assert [(one["source"], one["amount"]) for one in kept] == [("plan", 50)]
    event = company.service.get(f"/v1/accounts/{team}/events").json()["events"][-1]
    assert event["metadata"]["actor"] == company.ids["ada"]


# Codes --------------------------------------------------------------------------------------------------------------


def _missing_role(company: Company) -> httpx.Response:
    return company.ask("bob", "PATCH", f"/api/teams/{company.team('r', 'ada', bob='member')}", {"name": "x"})


def _another_address(company: Company) -> httpx.Response:
    team = company.team("a", "ada")
    company.ask("ada", "POST", f"/api/teams/{team}/members", {"email": "frank@example.com"})
    return company.ask("eve", "POST", f"/api/invitations/{company.link('frank')}/acceptance")


def _slug_taken(company: Company) -> httpx.Response:
    company.team("s", "ada")
    return company.ask("bob", "POST", "/api/teams", {"name": "x", "slug": "s"})


def _already_member(company: Company) -> httpx.Response:
    return company.ask("ada", "POST", f"/api/teams/{company.team('m', 'ada')}/members", {"email": "ada@example.com"})


def _seats_taken(company: Company) -> httpx.Response:
    team = company.team("f", "ada", bob="member", carol="member", dave="member", eve="suspended")
    return company.ask("ada", "POST", f"/api/teams/{team}/members", {"email": "frank@example.com"})


def _last_owner(company: Company) -> httpx.Response:
    return company.ask("ada", "DELETE", f"/api/teams/{company.team('o', 'ada')}/members/{company.ids['ada']}")


def _team_in_use(company: Company) -> httpx.Response:
    return company.ask("ada", "DELETE", f"/api/teams/{busy(company, 'u')}")


def _owns_a_team(company: Company) -> httpx.Response:
    company.team("w", "ada")
    return company.ask("ada", "DELETE", "/api/user/profile", {"password": "correct horse battery"})


def _deletion_requested(company: Company) -> httpx.Response:
    company.enter("ivy")
    team, deleted = company.team("h", "ada", ivy="member"), {"password": "correct horse battery"}
    assert company.ask("ivy", "DELETE", "/api/user/profile", deleted).status_code == 202
    assert company.ask("ivy", "POST", "/api/teams", {"name": "x", "slug": "of-ivy"}).status_code == 409
    return company.ask("ada", "POST", f"/api/teams/{team}/owner", {"user_id": company.ids["ivy"]})


def _user_disabled(company: Company) -> httpx.Response:
    company.enter("hal")
    company.ask(None, "POST", "/api/auth/link", {"email": "hal@example.com"})
    token = company.link("hal", kind="link", path="link")
    company.ask("key", "PATCH", f"/v1/users/{company.ids['hal']}", {"status": "disabled"})
    return company.ask(None, "POST", "/api/auth/link/confirm", {"token": token})


def _user_exists(company: Company) -> httpx.Response:
    return company.ask("key", "POST", "/v1/users", {"email": "ada@example.com", "email_verified": True})


def _too_many_teams(company: Company) -> httpx.Response:
    company.enter("gus")
    made = [company.ask("gus", "POST", "/api/teams", {"name": "x", "slug": f"gus-{number}"}) for number in range(21)]
    assert [one.status_code for one in made[:20]] == [201] * 20
    return made[20]


def _stale_sign_in(company: Company) -> httpx.Response:
    """Frank has no password, and signed in an hour ago."""
    with psycopg.connect(owner(company.service.conninfo)) as connection:
        stale = "UPDATE people.sessions SET created_at = created_at - interval '1 hour' WHERE user_id = %s"
        connection.execute(stale, (company.ids["frank"],))
    return company.ask("frank", "DELETE", "/api/user/profile", {})


IN_TEAMS: dict[str, Callable[[Company], httpx.Response]] = {
    "missing_role": _missing_role,
    "invitation_for_another_address": _another_address,
    "slug_taken": _slug_taken,
    "user_disabled": _user_disabled,
    "user_exists": _user_exists,
    "already_member": _already_member,
    "seats_taken": _seats_taken,
    "last_owner": _last_owner,
    "owns_a_team": _owns_a_team,
    "deletion_requested": _deletion_requested,
    "team_in_use": _team_in_use,
    "teams_limit_exceeded": _too_many_teams,
    "fresh_sign_in_required": _stale_sign_in,
}


def busy(company: Company, slug: str, **roles: str) -> str:
    """A team with credits on hold, which cannot be deleted now."""
    team = company.team(slug, "ada", **roles)
    grant = company.service.post(f"/v1/accounts/{team}/grants", {"kind": "permanent", "amount": 9}, key="g")
    hold = company.service.post(f"/v1/accounts/{team}/holds", {"amount": 1}, key="h")
    assert (grant.status_code, hold.status_code) == (201, 201)
    return team


@pytest.mark.parametrize("code", IN_TEAMS)
def test_a_refusal_is_answered_with(company: Company, code: str) -> None:
    refused(IN_TEAMS[code](company), STATUSES[code][0], code)


# Every route by every kind of caller --------------------------------------------------------------------------------

MEMBER, ADMIN, OWNER = ("ada", "bob", "carol"), ("ada", "bob"), ("ada",)


class Row(NamedTuple):
    """Who may ask a route, with which body, and what they are answered: something that changes nothing."""

    who: tuple[str, ...]
    status: int
    body: Any = None


OF_A_TEAM: dict[str, Row] = {
    "PATCH /api/teams/{team_id}": Row(ADMIN, 200, {}),
    "DELETE /api/teams/{team_id}": Row(OWNER, 409),
    "GET /api/teams/{team_id}/members": Row(MEMBER, 200),
    "POST /api/teams/{team_id}/members": Row(ADMIN, 409, {"email": "ada@example.com"}),
    "PATCH /api/teams/{team_id}/members/{user_id}": Row(ADMIN, 409, {"role": "member"}),
    "DELETE /api/teams/{team_id}/members/{user_id}": Row(ADMIN, 409),
    "POST /api/teams/{team_id}/owner": Row(OWNER, 404, {"user_id": NOBODY}),
    "GET /api/teams/{team_id}/invitations": Row(ADMIN, 200),
    "POST /api/teams/{team_id}/invitations/{invitation_id}/resend": Row(ADMIN, 404),
    "DELETE /api/teams/{team_id}/invitations/{invitation_id}": Row(ADMIN, 404),
    "GET /api/teams/{team_id}/usage": Row(ADMIN, 200),
    "GET /api/teams/{team_id}/limits": Row(MEMBER, 200),
    "PUT /api/teams/{team_id}/limits": Row(ADMIN, 200, {"limits": []}),
    "PUT /api/teams/{team_id}/limits/{limit_id}/allowances/{user_id}": Row(ADMIN, 404, {"amount": 1}),
}
OF_ANYBODY = {
    "GET /api/teams": Row((), 200),
    "POST /api/teams": Row((), 409, {"name": "x", "slug": "matrix"}),
    "GET /api/invitations/{token}": Row((), 410),
    "POST /api/invitations/{token}/acceptance": Row((), 410),
}


@pytest.fixture(scope="module")
def team(company: Company) -> str:
    """Ada owns it, Bob is an admin, Carol a member; Dave was removed, Eve is suspended, Frank owns another one."""
    company.team("another", "frank")
    return busy(company, "matrix", bob="admin", carol="member", dave="removed", eve="suspended")


def asked(company: Company, name: str, row: Row, team: str, who: str | None) -> httpx.Response:
    method, path = name.split()
    ids = {"team_id": team, "user_id": company.ids["ada"], "invitation_id": NO_INVITATION, "limit_id": "x"}
    return company.ask(who, method, path.format(**ids, token="unknown"), row.body)


def test_the_matrix_has_every_route_of_teams() -> None:
    """The table of scopes is compared with the OpenAPI document elsewhere."""
    assert {*OF_A_TEAM, *OF_ANYBODY} == {name for name in PEOPLE if "/api/teams" in name or "/api/invitations" in name}


@pytest.mark.parametrize("name", OF_A_TEAM)
def test_every_route_of_a_team_by_every_kind_of_caller(company: Company, team: str, name: str) -> None:
    """404 and not 403 for what is none of theirs."""
    row = OF_A_TEAM[name]
    for who in ("ada", "bob", "carol"):
        answer = asked(company, name, row, team, who)
        if who in row.who:
            assert answer.status_code == row.status, (who, answer.text)
            assert answer.status_code != 404 or "team" not in answer.json()["detail"], "what they named is not there"
        else:
            refused(answer, 403, "missing_role")
    for who in ("dave", "eve", "frank"):
        told = refused(asked(company, name, row, team, who), 404, "not_found")
        assert told["detail"] == "You have no such team.", who
    absent = asked(company, name, row, "team_00000000000000000000", "ada")
    assert refused(absent, 404, "not_found")["detail"] == "You have no such team."
    refused(asked(company, name, row, team, None), 401, "unauthenticated")
    refused(asked(company, name, row, team, "key"), 401, "unauthenticated")


@pytest.mark.parametrize("name", OF_ANYBODY)
def test_what_everybody_who_signed_in_may_ask(company: Company, team: str, name: str) -> None:
    row = OF_ANYBODY[name]
    for who in ("ada", "carol", "eve", "frank"):
        assert asked(company, name, row, team, who).status_code == row.status, who
    nobody = asked(company, name, row, team, None)
    assert nobody.status_code == (401 if PEOPLE[name] else row.status)
