"""Users and teams, managed by the service of a product: `/v1/users` and `/v1/teams`."""

from collections.abc import Iterator

import httpx
import pytest

from people.api_keys import create_key
from tests.api.company import Company
from tests.api.conftest import under_contract
from tests.api.stage import Json, eventually, field_errors, refused
from tests.keys import prefix_of
from tests.postgres import TestServers
from tests.service import Service, service_here

NOBODY = "usr_00000000000000000000"
NO_TEAM = "team_00000000000000000000"


@pytest.fixture(scope="module")
def company(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """People who sign in here, and `key`, the service of their product."""
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("directory")
    settings = {"CREDIT_LEDGER_REGISTRATION": "open", "CREDIT_LEDGER_SEATS": "3"}
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as service:
        under_contract(service)
        made = Company(service, folder / "data" / "mail")
        made.enter("ada", "bob", "carol")
        made.tokens["key"] = create_key(conninfo, "the product", ["people:write"])
        made.tokens["reader"] = create_key(conninfo, "a report", ["people:read"])
        yield made


def made(company: Company, name: str, **more: str) -> Json:
    """A user whom the product makes."""
    body = {"email": f"{name}@Example.com", "email_verified": True, "name": name.title(), **more}
    answer = company.ask("key", "POST", "/v1/users", body)
    assert answer.status_code == 201, answer.text
    user: Json = answer.json()
    return user


def team_of(company: Company, owner_id: str, slug: str) -> str:
    """A team that the product makes for a user."""
    body = {"name": slug.title(), "slug": slug, "owner_id": owner_id}
    answer = company.ask("key", "POST", "/v1/teams", body)
    assert answer.status_code == 201, answer.text
    team: str = answer.json()["id"]
    return team


def actions(company: Company, account_id: str) -> list[tuple[str, str]]:
    """What the audit log says of an account, the oldest first, and who did it."""
    entries = company.service.get("/v1/audit", account_id=account_id).json()["entries"]
    return [(one["action"], one["actor"]) for one in reversed(entries)]


# Users --------------------------------------------------------------------------------------------------------------


def test_a_user_from_their_making_to_their_end(company: Company) -> None:
    user = made(company, "dora", external_id="auth0|dora")
    path = f"/v1/users/{user['id']}"
    expected = {"external_id": "auth0|dora", "email": "dora@example.com", "name": "Dora", "status": "active"}
    assert user == {**user, **expected, "last_login_at": None, "deletion_at": None}
    assert company.ask("reader", "GET", path).json() == user
    for which in ({"email": "DORA@example.com"}, {"external_id": "auth0|dora"}):
        assert company.ask("reader", "GET", "/v1/users", params=which).json() == {"users": [user], "next_cursor": None}

    changed = company.ask("key", "PATCH", path, {"name": "Dora D.", "external_id": "okta|dora"}).json()
    assert (changed["name"], changed["external_id"], changed["email"]) == ("Dora D.", "okta|dora", "dora@example.com")
    asked = company.ask("key", "DELETE", path)
    again = company.ask("key", "DELETE", path)
    assert (asked.status_code, again.json()["deletion_at"]) == (202, asked.json()["deletion_at"])
    company.link("dora", kind="deletion", path="keep")
    assert company.ask("reader", "GET", path).json()["deletion_at"] == asked.json()["deletion_at"]
    assert company.ask("key", "POST", f"{path}/keep").json() == {"message": "The user stays."}
    refused(company.ask("key", "POST", f"{path}/keep"), 404, "not_found")
    key = f"key:{prefix_of(company.tokens['key'])}"
    done = ("created", "profile_changed", *["deletion_requested"] * 2, "deletion_taken_back")
    assert actions(company, user["id"]) == [(f"user.{what}", key) for what in done]


def test_a_repetition_makes_no_other_user(company: Company) -> None:
    body = {"email": "erin@example.com", "email_verified": True, "external_id": "erin"}
    first, again = (company.ask("key", "POST", "/v1/users", body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    others: list[tuple[Json, str]] = [
        ({"external_id": "another"}, "email"),
        ({"external_id": None}, "email"),
        ({"email": "erin2@example.com"}, "external_id"),
    ]
    for more, field in others:
        refused(company.ask("key", "POST", "/v1/users", {**body, **more}), 409, "user_exists", field=field)
    other = made(company, "eric")
    taken = company.ask("key", "PATCH", f"/v1/users/{other['id']}", {"external_id": "erin"})
    refused(taken, 409, "user_exists", field="external_id")


def test_an_address_that_nobody_vouches_for_makes_no_user(company: Company) -> None:
    for vouched in ({}, {"email_verified": False}):
        answer = company.ask("key", "POST", "/v1/users", {"email": "fay@example.com", **vouched})
        assert list(field_errors(answer)) == ["email_verified"]
    assert company.ask("key", "GET", "/v1/users", params={"email": "fay@example.com"}).json()["users"] == []


def test_who_is_disabled_has_no_session_and_signs_in_nowhere(company: Company) -> None:
    """Nor do their keys open anything, until they are enabled again."""
    own = company.ask("bob", "POST", "/api/keys", {"name": "bob's"}).json()["key"]
    balance = f"/v1/accounts/{company.ids['bob']}/balance"
    of_key = {"Authorization": f"Bearer {own}"}
    assert company.service.client.get(balance, headers=of_key).status_code == 200
    path = f"/v1/users/{company.ids['bob']}"
    for _ in range(2):
        assert company.ask("key", "PATCH", path, {"status": "disabled"}).json()["status"] == "disabled"
    refused(company.ask("bob", "GET", "/api/user/profile"), 401, "unauthenticated")
    refuses(company, balance, of_key, 401)
    assert company.ask(None, "POST", "/api/auth/link", {"email": "bob@example.com"}).status_code == 202
    link = company.link("bob", kind="link", path="link")
    refused(company.ask(None, "POST", "/api/auth/link/confirm", {"token": link}), 403, "user_disabled")

    assert company.ask("key", "PATCH", path, {"status": "active"}).json()["status"] == "active"
    signed_in = company.ask(None, "POST", "/api/auth/link/confirm", {"token": link})
    assert signed_in.status_code == 200, "a refusal uses no link up"
    company.tokens["bob"] = signed_in.json()["token"]
    refuses(company, balance, of_key, 200)
    told = [action for action, _ in actions(company, company.ids["bob"]) if action in {"user.disabled", "user.enabled"}]
    assert told == ["user.disabled", "user.enabled"]


def refuses(company: Company, path: str, headers: dict[str, str], status: int) -> None:
    """Wait until a key is answered so, which other processes know within a second."""
    eventually(lambda: company.service.client.get(path, headers=headers).status_code == status)


# Teams --------------------------------------------------------------------------------------------------------------


def test_a_team_from_its_making_to_its_end(company: Company) -> None:
    gina, hal = made(company, "gina"), made(company, "hal")
    team = team_of(company, gina["id"], "gina")
    path = f"/v1/teams/{team}"
    found = company.ask("reader", "GET", path).json()
    assert (found["owner_id"], found["member_count"], found["slug"]) == (gina["id"], 1, "gina")
    added = company.ask("key", "POST", f"{path}/members", {"user_id": hal["id"]})
    assert (added.status_code, added.json()["role"], added.json()["email"]) == (201, "member", "hal@example.com")
    again = company.ask("key", "POST", f"{path}/members", {"user_id": hal["id"]})
    refused(again, 409, "already_member", member_status="active")
    of_hal = f"{path}/members/{hal['id']}"
    assert company.ask("key", "PATCH", of_hal, {"role": "admin"}).json()["role"] == "admin"
    assert company.ask("key", "PATCH", path, {"name": "Gina & Hal"}).json()["name"] == "Gina & Hal"

    refused(company.ask("key", "DELETE", f"{path}/members/{gina['id']}"), 409, "last_owner")
    refused(company.ask("key", "DELETE", f"/v1/users/{gina['id']}"), 409, "owns_a_team", teams=1)
    handed = company.ask("key", "POST", f"{path}/owner", {"user_id": hal["id"]})
    assert handed.json()["owner_id"] == hal["id"]
    assert company.ask("key", "DELETE", f"{path}/members/{gina['id']}").status_code == 200
    grant = {"kind": "permanent", "amount": 70}
    assert company.service.post(f"/v1/accounts/{team}/grants", grant, key="g").status_code == 201
    assert company.ask("key", "DELETE", path).status_code == 200
    for method, below in (("GET", ""), ("DELETE", ""), ("GET", "/members"), ("GET", "/invitations"), ("GET", "/usage")):
        refused(company.ask("key", method, path + below), 404, "not_found")
    assert company.service.get(f"/v1/accounts/{hal['id']}/balance").json()["available"] >= 70
    key = f"key:{prefix_of(company.tokens['key'])}"
    done = ("team.created", "member.added", "member.role_changed", "team.renamed", "team.owner_changed")
    assert actions(company, team) == [(what, key) for what in (*done, "member.removed", "team.deleted")]


def test_nobody_is_added_beyond_the_seats_but_a_plan_may_have_more(company: Company) -> None:
    """Whoever is invited and then added takes one seat."""
    team = team_of(company, company.ids["ada"], "seats")
    path = f"/v1/teams/{team}"
    for name in ("bob", "kim"):
        body = {"email": f"{name}@example.com"}
        assert company.ask("key", "POST", f"{path}/invitations", body).status_code == 201
    ivy = made(company, "ivy")
    refused(company.ask("key", "POST", f"{path}/members", {"user_id": ivy["id"]}), 409, "seats_taken", max_members=3)
    assert company.ask("key", "POST", f"{path}/members", {"user_id": company.ids["bob"]}).status_code == 201
    seats = company.ask("reader", "GET", f"{path}/members").json()["seats"]
    assert seats == {"max_members": 3, "members": 2, "invited": 1}

    of_plan = {"source": "plan", "limits": [{"limit_id": "seats", "amount": 4, "unit": "seats"}]}
    assert company.service.post(f"/v1/accounts/{team}/limits", of_plan, key="s").status_code == 201
    assert company.ask("key", "POST", f"{path}/members", {"user_id": ivy["id"]}).status_code == 201
    own = {"limits": [{"limit_id": "more", "amount": 99, "unit": "seats"}]}
    assert company.ask("ada", "PUT", f"/api/teams/{team}/limits", own).status_code == 200
    assert company.ask("ada", "GET", f"/api/teams/{team}/members").json()["seats"]["max_members"] == 4
    spent = company.service.post(f"/v1/accounts/{team}/usage", {"quantity": 9, "usage": {"metric": "query"}}, key="u")
    assert spent.status_code == 201, "no usage counts against seats"


def test_invitations_of_a_service(company: Company) -> None:
    path = f"/v1/teams/{team_of(company, company.ids['ada'], 'invited')}/invitations"
    invited = company.ask("key", "POST", path, {"email": "carol@example.com", "role": "admin"}).json()
    first = company.link("carol")
    assert company.ask("reader", "GET", path).json()["invitations"] == [invited]
    assert company.ask("key", "POST", f"{path}/{invited['id']}/resend").status_code == 200
    link = company.link("carol", first)
    joined = company.ask("carol", "POST", f"/api/invitations/{link}/acceptance").json()
    assert joined["role"] == "admin"
    other = company.ask("key", "POST", path, {"email": "jo@example.com"}).json()
    assert company.ask("key", "DELETE", f"{path}/{other['id']}").status_code == 200
    refused(company.ask("key", "DELETE", f"{path}/{other['id']}"), 404, "not_found")
    refused(company.ask("key", "POST", f"{path}/{other['id']}/resend"), 404, "not_found")


def test_the_usage_of_a_team_by_member(company: Company) -> None:
    team = team_of(company, company.ids["ada"], "usage")
    service, usage = company.service, {"metric": "rag_query", "quantity": 3, "member": company.ids["ada"]}
    assert service.post(f"/v1/accounts/{team}/grants", {"kind": "permanent", "amount": 9}, key="g").status_code == 201
    spent = service.post(f"/v1/accounts/{team}/deductions", {"amount": 4, "usage": usage}, key="d").json()
    at = {"min_position": spent["position"], "period": "day"}
    found = company.ask("reader", "GET", f"/v1/teams/{team}/usage", params=at).json()
    [of_ada] = found["member_breakdown"]
    assert (found["total_credits"], of_ada["name"], of_ada["credits"]) == (4, "Ada", 4)


def test_what_is_not_there(company: Company) -> None:
    body = {"name": "x", "slug": "nobodys", "owner_id": NOBODY}
    refused(company.ask("key", "POST", "/v1/teams", body), 404, "not_found")
    refused(
        company.ask("key", "POST", "/v1/teams", {**body, "owner_id": company.ids["ada"], "slug": "usage"}),
        409,
        "slug_taken",
    )
    team = team_of(company, company.ids["ada"], "empty")
    refused(company.ask("key", "POST", f"/v1/teams/{team}/members", {"user_id": NOBODY}), 404, "not_found")
    refused(company.ask("key", "PATCH", f"/v1/teams/{team}/members/{NOBODY}", {}), 404, "not_found")
    refused(company.ask("key", "POST", f"/v1/teams/{team}/owner", {"user_id": NOBODY}), 404, "not_found")
    for path in (f"/v1/users/{NOBODY}", f"/v1/teams/{NO_TEAM}"):
        for method, sent in (("GET", None), ("PATCH", {}), ("DELETE", None)):
            refused(company.ask("key", method, path, sent), 404, "not_found")


# Lists, and who may ask ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["users", "teams"])
def test_a_list_is_the_same_page_by_page(company: Company, what: str) -> None:
    for slug in ("first", "second", "third"):
        if what == "teams":
            team_of(company, company.ids["carol"], f"of-carol-{slug}")
    which = {"user_id": company.ids["carol"]} if what == "teams" else {}
    path = f"/v1/{what}"
    whole = company.ask("reader", "GET", path, params={"limit": 1000, **which}).json()
    found: list[Json] = []
    cursor = None
    while cursor is not None or not found:
        page = company.ask("reader", "GET", path, params={"limit": 2, **which} | ({"cursor": cursor} if cursor else {}))
        found, cursor = found + page.json()[what], page.json()["next_cursor"]
    assert found == whole[what]
    assert len(found) >= 3
    assert [one["created_at"] for one in found] == sorted(one["created_at"] for one in found)
    other = {"email": "ada@example.com"} if what == "users" else {"slug": "first"}
    first = company.ask("reader", "GET", path, params={"limit": 2, **which}).json()["next_cursor"]
    assert list(field_errors(company.ask("reader", "GET", path, params={"cursor": first, **other}))) == ["cursor"]


def test_who_only_reads_changes_nothing(company: Company) -> None:
    asked: list[httpx.Response] = [
        company.ask("reader", "POST", "/v1/users", {"email": "k@example.com", "email_verified": True}),
        company.ask("reader", "PATCH", f"/v1/users/{company.ids['ada']}", {"name": "x"}),
        company.ask("reader", "POST", "/v1/teams", {"name": "x", "slug": "x", "owner_id": company.ids["ada"]}),
        company.ask("reader", "GET", "/v1/keys"),
    ]
    for answer in asked:
        refused(answer, 403, "missing_scope", scope="people:write")


def test_where_nobody_signs_in_a_product_has_users_and_teams(service: Service) -> None:
    """They come by portal links. Nobody could accept an invitation, and no mail tells of a deletion."""
    body = {"email": "lea@example.com", "email_verified": True}
    user = service.post("/v1/users", body).json()["id"]
    team = service.post("/v1/teams", {"name": "Lea", "slug": "lea", "owner_id": user}).json()["id"]
    invited = service.post(f"/v1/teams/{team}/invitations", {"email": "max@example.com"})
    refused(invited, 403, "registration_closed")
    link = service.post("/v1/portal_sessions", {"account_id": team, "role": "owner", "member": user})
    assert link.status_code == 201
    assert service.client.delete(f"/v1/teams/{team}").status_code == 200
    assert service.client.delete(f"/v1/users/{user}").status_code == 202
    assert service.post(f"/v1/users/{user}/keep").status_code == 200
