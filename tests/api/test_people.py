"""People over HTTP: they register, open the link in their mail, and sign in, in the shapes of the document."""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import httpx
import orjson
import pytest

from audit.statements.form import from_file
from audit.statements.verifying import check_statement
from ledger.proof.notes import VerifyingKey
from tests.api.club import PASSWORD, Club
from tests.api.conftest import under_contract
from tests.api.stage import field_errors, refused
from tests.api.subscribed import subscribe
from tests.dashboard.acting import path_of
from tests.dashboard.guests import ROOT, guest, operator, person, token_in
from tests.postgres import TestServers
from tests.service import Service, service_here

ADA = {"email": "Ada@Example.com", "password": PASSWORD, "name": "Ada"}


@pytest.fixture(scope="module")
def club(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    server = servers.get("embedded")
    assert server is not None
    folder = tmp_path_factory.mktemp("club")
    settings = {"CREDIT_LEDGER_REGISTRATION": "open"}
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as service:
        under_contract(service)
        yield Club(service, folder / "data" / "mail")


def test_a_person_registers_verifies_signs_in_and_out(club: Club) -> None:
    pending = club.post("/api/auth/register", **ADA)
    assert (pending.status_code, pending.headers["cache-control"]) == (201, "no-store")
    user = pending.json()["user"]
    assert user == {"id": user["id"], "email": "ada@example.com", "name": "Ada", "tier": "free"}
    refused(club.ask("GET", "/api/user/sessions", pending.json()["token"]), 403, "email_not_verified")
    refused(club.post("/api/auth/login", email=ADA["email"], password=PASSWORD), 401, "wrong_credentials")

    token = club.token("ada@example.com", "verification")
    refused(club.post("/api/auth/verification", token=token, password="not this one"), 401, "wrong_credentials")
    made = club.post("/api/auth/verification", token=token, password=PASSWORD)
    assert (made.status_code, made.json()["user"]) == (200, user)
    refused(club.post("/api/auth/verification", token=token, password=PASSWORD), 410, "token_spent")
    assert club.service.get(f"/v1/accounts/{user['id']}/balance").json()["available"] == 100

    signed_in = club.post("/api/auth/login", email=ADA["email"], password=PASSWORD).json()
    listed = club.ask("GET", "/api/user/sessions", signed_in["token"]).json()["sessions"]
    assert [(one["current"], one["kind"], one["client"]) for one in listed] == [
        (True, "token", "A phone"),
        (False, "token", "A phone"),
    ]
    ended = club.ask("DELETE", f"/api/user/sessions/{listed[1]['session_id']}", signed_in["token"])
    assert ended.status_code == 200
    refused(club.ask("GET", "/api/user/sessions", made.json()["token"]), 401, "unauthenticated")
    again = club.ask("DELETE", f"/api/user/sessions/{listed[1]['session_id']}", signed_in["token"])
    refused(again, 404, "not_found")
    assert club.ask("DELETE", "/api/user/sessions", signed_in["token"]).status_code == 200
    assert club.post("/api/auth/logout", signed_in["token"]).json() == {"message": "Logged out successfully"}
    refused(club.post("/api/auth/logout", signed_in["token"]), 401, "unauthenticated")


def test_passwords_and_addresses_are_changed_over_mail(club: Club) -> None:
    first = club.join("bob")
    assert club.post("/api/auth/link", email="bob@example.com").status_code == 202
    by_link = club.post("/api/auth/link/confirm", token=club.token("bob@example.com", "link")).json()
    assert by_link["user"] == first["user"]
    new = "another good password"
    changed = club.post("/api/user/password", by_link["token"], password=PASSWORD, new_password=new)
    assert changed.status_code == 200
    refused(club.ask("GET", "/api/user/sessions", first["token"]), 401, "unauthenticated")

    asked = club.post("/api/user/email", by_link["token"], email="bob@new.example.com", password=new)
    assert asked.status_code == 202
    confirmed = club.post("/api/auth/email/confirm", token=club.token("bob@new.example.com", "email"))
    assert confirmed.status_code == 200
    assert club.post("/api/auth/login", email="bob@new.example.com", password=new).status_code == 200
    kept = club.post("/api/auth/email/undo", token=club.token("bob@example.com", "email_changes"))
    assert kept.status_code == 200
    refused(club.post("/api/auth/login", email="bob@new.example.com", password=new), 401, "wrong_credentials")

    assert club.post("/api/auth/reset", email="bob@example.com").status_code == 202
    reset = club.token("bob@example.com", "reset")
    assert club.post("/api/auth/reset/confirm", token=reset, password=PASSWORD).status_code == 200
    refused(club.post("/api/auth/reset/confirm", token=reset, password=PASSWORD), 410, "token_spent")
    assert club.post("/api/auth/login", email="bob@example.com", password=PASSWORD).json()["user"] == first["user"]


def test_known_and_unknown_addresses_are_answered_with_the_same_bytes(club: Club) -> None:
    club.join("carol")
    asked = [
        ("/api/auth/register", {"password": PASSWORD, "name": "Carol"}),
        ("/api/auth/reset", {}),
        ("/api/auth/link", {}),
        ("/api/auth/verification/resend", {}),
        ("/api/auth/login", {"password": "a wrong password"}),
    ]
    for path, body in asked:
        known, unknown = (club.post(path, email=f"{name}@example.com", **body) for name in ("carol", "carlo"))
        told = [re.sub(r"usr_\w+|clr_[\w-]+|carol|carlo", "_", answer.text) for answer in (known, unknown)]
        assert (known.status_code, told[0]) == (unknown.status_code, told[1])
        heads = [{**answer.headers} for answer in (known, unknown)]
        for head in heads:
            head.pop("date"), head.pop("x-request-id", None)
        assert heads[0] == heads[1], path


def test_bodies_are_strict(club: Club) -> None:
    bad = {"email": "no address", "password": "short", "name": "two\nlines"}
    assert sorted(field_errors(club.post("/api/auth/register", **bad))) == ["email", "name", "password"]
    assert list(field_errors(club.post("/api/auth/reset", colour="red"))) == ["email", "colour"]
    for email in ("a@b", "a@b..c", "a b@c.d", "a@-b.c", "a@b.c\r\nBcc: d@e.f", f"{'a' * 65}@b.c", "ä@b.c"):
        assert list(field_errors(club.post("/api/auth/reset", email=email))) == ["email"], email


def test_a_cookie_opens_nothing_below_api_and_an_api_key_neither(club: Club) -> None:
    made = club.join("dave")
    name = "credit_ledger_session"
    answer = httpx.get(f"{club.service.url}/api/user/sessions", headers={"Cookie": f"{name}={made['token']}"})
    refused(answer, 401, "unauthenticated")
    refused(club.service.client.get("/api/user/sessions"), 401, "unauthenticated")
    pages = httpx.get(f"{club.service.url}/dashboard/", headers={"Cookie": f"{name}={made['token']}"})
    assert pages.status_code == 303, "a token is no cookie"
    refused(
        httpx.get(f"{club.service.url}/v1/accounts", headers={"Authorization": f"Bearer {made['token']}"}),
        401,
        "unauthenticated",
    )


def test_where_nobody_signs_in_there_is_nothing(service: Service) -> None:
    refused(service.post("/api/auth/login", {"email": "a@b.c", "password": "x"}), 404, "not_found")
    refused(service.client.get("/api/user/sessions"), 404, "not_found")


def test_what_was_done_is_listed_for_its_person_and_for_operators(club: Club) -> None:
    erin, other = club.join("erin"), club.join("eric")
    user_id = erin["user"]["id"]
    for _ in range(3):
        club.post("/api/auth/login", email="erin@example.com", password=PASSWORD)
    own = club.ask("GET", "/api/audit", erin["token"]).json()
    assert [one["action"] for one in own["entries"]] == [*["user.signed_in"] * 4, "user.registered"]
    assert {one["actor"] for one in own["entries"]} == {user_id}
    first = club.ask("GET", "/api/audit", erin["token"], params={"limit": "3"}).json()
    rest = club.ask("GET", "/api/audit", erin["token"], params={"limit": "3", "cursor": first["next_cursor"]}).json()
    assert (first["entries"] + rest["entries"], rest["next_cursor"]) == (own["entries"], None)
    stolen = club.ask("GET", "/api/audit", other["token"], params={"limit": "3", "cursor": first["next_cursor"]})
    assert list(field_errors(stolen)) == ["cursor"]
    refused(club.ask("GET", "/api/audit"), 401, "unauthenticated")

    service = club.service
    found = service.get("/v1/audit", actor=user_id, action="user.registered").json()["entries"]
    assert found == own["entries"][-1:]
    assert service.get("/v1/audit", account_id=user_id).json()["entries"] == own["entries"]
    assert list(field_errors(service.get("/v1/audit", action="Everything"))) == ["action"]
    lines = service.get("/v1/audit.csv", account_id=user_id).text.split("\r\n")
    assert (lines[0], len(lines)) == ("entry_id,at,action,actor,subject,account_id,details", 7)
    assert lines[1].startswith(f"{own['entries'][0]['entry_id']},{own['entries'][0]['at']},user.signed_in,{user_id}")


def test_the_page_of_what_was_done_is_for_its_people_and_those_who_may_audit(club: Club) -> None:
    """A holder whom the product sent has no such page in the menu: nothing of people is about them."""
    service, user_id = club.service, club.join("fay")["user"]["id"]
    path = path_of(user_id, "audit")
    page = operator(service).get(path)
    assert page.status_code == 200
    assert "User registered" in page.text
    assert f"{path}.csv" in page.text
    assert operator(service).get(f"{path}.csv").text.count("\r\n") == 3
    holder = person(service, user_id)
    assert f'href="{path}"' not in holder.get(path_of(user_id)).text
    signed_in = guest(service)
    form = {"csrf": token_in(signed_in.get(f"{ROOT}/sign-in")), "email": "fay@example.com", "password": PASSWORD}
    assert f'href="{path}"' in signed_in.post(f"{ROOT}/sign-in/password", data=form).text


def test_a_profile_is_read_and_changed(club: Club) -> None:
    """In the shape of the document; what is absent stays, and an empty text removes."""
    gail = club.join("gail")
    token, user = gail["token"], gail["user"]
    nothing: dict[str, Any] = {"avatar_url": None, "zone": None, "language": None, "mails_off": [], "deletion_at": None}
    nothing["has_password"] = True
    nothing |= dict.fromkeys(("subscription_status", "subscription_start_date", "subscription_end_date"))
    found = club.ask("GET", "/api/user/profile", token).json()
    times = {name: found[name] for name in ("created_at", "last_login_at")}
    assert found == {**user, **nothing, **times}
    said: dict[str, Any] = {
        "name": "Gail G.",
        "avatar_url": "https://pictures.example/gail.png",
        "zone": "Europe/Berlin",
    }
    said |= {"language": "de-CH", "mails_off": ["teams", "keys"]}
    changed = club.ask("PATCH", "/api/user/profile", token, json=said)
    assert changed.json() == {**found, **said, "mails_off": ["keys", "teams"]}
    less = club.ask("PATCH", "/api/user/profile", token, json={"zone": "", "language": None, "mails_off": []}).json()
    assert less == {**found, **said, "zone": None, "mails_off": []}
    assert less == club.ask("GET", "/api/user/profile", token).json()
    [entry, *_] = club.ask("GET", "/api/audit", token, params={"limit": "1"}).json()["entries"]
    assert (entry["action"], entry["details"]) == ("user.profile_changed", {"fields": "zone mails_off"})
    bad = {"name": "two\nlines", "avatar_url": "http://pictures.example/", "zone": "Mars/Base", "language": "xx"}
    answer = club.ask("PATCH", "/api/user/profile", token, json={**bad, "mails_off": ["credits"]})
    assert sorted(field_errors(answer)) == ["avatar_url", "language", "mails_off.0", "name", "zone"]
    for address in ("https://a.example", "https://a b/", "https://a.example/\n", "javascript:alert(1)", "//a.example/"):
        answer = club.ask("PATCH", "/api/user/profile", token, json={"avatar_url": address})
        assert list(field_errors(answer)) == ["avatar_url"], address


def test_a_subscription_is_the_tier_of_a_profile(club: Club) -> None:
    hugh = club.join("hugh")
    subscribe(club.service, hugh["user"]["id"])
    found = club.ask("GET", "/api/user/profile", hugh["token"]).json()
    assert (found["tier"], found["subscription_status"]) == ("pro", "active")
    assert found["subscription_start_date"] < found["subscription_end_date"]


def test_a_person_takes_everything_away(club: Club) -> None:
    """What is known of them, every entry, and a statement that anybody can verify; nobody else fetches it."""
    iris, jack = club.join("iris"), club.join("jack")
    account = iris["user"]["id"]
    spent = club.service.post(f"/v1/accounts/{account}/deductions", {"amount": 7, "description": "A poem"}, key="poem")
    position = spent.json()["position"]
    club.service.get(f"/v1/accounts/{account}/history", min_position=position)
    asked = club.ask("POST", "/api/user/export", iris["token"])
    assert asked.status_code == 202
    path = asked.json()["url"]
    refused(club.ask("GET", path, jack["token"]), 404, "not_found")
    fetched = club.ask("GET", path, iris["token"])
    assert (fetched.status_code, fetched.headers["cache-control"]) == (200, "no-store")
    with ZipFile(BytesIO(fetched.content)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    assert sorted(files) == ["README.txt", "entries.csv", "person.json", "statement.json"]
    person_json = orjson.loads(files["person.json"])
    assert person_json["user"][0]["email"] == "iris@example.com"
    assert [one["action"] for one in person_json["audit"]] == [
        *("user.registered", "user.signed_in", "user.export_requested"),
    ]
    assert not [secret for secret in (iris["token"], PASSWORD) if secret in files["person.json"].decode()]
    assert "A poem" in files["entries.csv"].decode()
    assert len(files["entries.csv"].decode().strip().split("\r\n")) == 3
    key = VerifyingKey.parse(from_file(files["statement.json"]).content.verifying_key)
    proven = check_statement(files["statement.json"], [key]).statement
    assert (proven.account_id, [*proven.texts.values()]) == (account, [{"description": "A poem"}])
    assert [*club.ask("POST", "/api/user/export", iris["token"]).json()] == [*asked.json()]
    more = [club.ask("POST", "/api/user/export", iris["token"]).status_code for _ in range(4)]
    assert more == [202, 202, 202, 429]


def test_a_person_asks_to_be_erased_and_takes_it_back(club: Club) -> None:
    kim = club.join("kim")
    wrong = club.ask("DELETE", "/api/user/profile", kim["token"], json={"password": "not this one"})
    refused(wrong, 401, "wrong_credentials")
    refused(club.ask("POST", "/api/user/profile/keep", kim["token"]), 404, "not_found")
    asked = club.ask("DELETE", "/api/user/profile", kim["token"], json={"password": PASSWORD})
    at = asked.json()["deletion_at"]
    assert asked.status_code == 202
    again = club.ask("DELETE", "/api/user/profile", kim["token"], json={"password": PASSWORD})
    assert again.json()["deletion_at"] == at
    assert club.ask("GET", "/api/user/profile", kim["token"]).json()["deletion_at"] == at
    assert club.ask("POST", "/api/user/profile/keep", kim["token"]).status_code == 200
    assert club.ask("GET", "/api/user/profile", kim["token"]).json()["deletion_at"] is None


def test_usage_is_told_in_the_shapes_of_the_document(club: Club) -> None:
    """What was metered and deducted, by day; what nobody told is null, and never made up."""
    lena, service = club.join("lena"), club.service
    token, account = lena["token"], lena["user"]["id"]
    nothing = club.ask("GET", "/api/usage/analytics", token).json()
    assert {*nothing["productivity"].values(), *nothing["performance"].values(), *nothing["roi"].values()} == {None}
    limits = [{"limit_id": "queries", "amount": 500, "unit": "rag_query"}, {"limit_id": "credits", "amount": 90}]
    assert (
        service.post(f"/v1/accounts/{account}/limits", {"source": "plan", "limits": limits}, key="l").status_code == 201
    )
    used = [
        ("usage", {"quantity": 40, "usage": {"metric": "rag_query"}}),
        ("usage", {"quantity": 90, "usage": {"metric": "time_saved_minutes"}}),
        ("deductions", {"amount": 5, "usage": {"metric": "deployment", "duration_ms": 200, "success": True}}),
        ("deductions", {"amount": 2, "usage": {"metric": "deployment", "duration_ms": 400, "success": False}}),
    ]
    told = [
        service.post(f"/v1/accounts/{account}/{noun}", body, key=f"u{place}") for place, (noun, body) in enumerate(used)
    ]
    assert [answer.status_code for answer in told] == [201] * len(used)
    seen = {"min_position": told[-1].json()["position"], "from": "2026-01-01", "to": "2026-01-01"}
    assert service.get(f"/v1/accounts/{account}/usage", **seen).status_code == 200

    counts = {"rag_queries": 40, "agent_executions": 0, "files_indexed": 0, "deployments": 2}
    found: dict[str, Any] = {}
    for period, days in (("today", 1), ("week", 7), ("all", 1)):
        found = club.ask("GET", "/api/usage/current", token, params={"period": period, "tz": "UTC"}).json()
        assert (found["usage"], found["credits"], len(found["daily_breakdown"])) == (counts, 7, days), period
    assert found["limits"] == {**dict.fromkeys(counts, "unlimited"), "rag_queries": 500}
    assert [one["limit_id"] for one in found["limits_detail"]] == ["queries", "credits"]
    own = club.ask("GET", "/api/limits", token).json()
    assert (own["limits"], own["binding"]) == (found["limits_detail"], "credits")
    today = found["daily_breakdown"][0]["date"]
    span = {"start_date": today, "end_date": today, "tz": "UTC"}
    history = club.ask("GET", "/api/usage/history", token, params=span).json()
    assert (history["data"], history["totals"]) == ([{"date": today, "credits": 7, **counts}], counts)
    only = club.ask("GET", "/api/usage/history", token, params={**span, "metric_type": "deployment"}).json()
    assert only["totals"] == {**dict.fromkeys(counts, 0), "deployments": 2}
    worked = club.ask("GET", "/api/usage/analytics", token).json()
    assert worked["productivity"] == {**nothing["productivity"], "time_saved_hours": 1.5, "deployments": 2}
    performance = worked["performance"]
    assert (performance["avg_response_time_ms"], performance["success_rate"]) == (300, 75.0)
    assert (performance["uptime_percentage"], worked["roi"]) == (None, nothing["roi"])
    wrong = club.ask("GET", "/api/usage/current", token, params={"period": "year", "tz": "Mars/Base"})
    assert sorted(field_errors(wrong)) == ["period", "tz"]
    turned = {"start_date": "2026-02-01", "end_date": "2026-01-01", "metric_type": "anything"}
    assert list(field_errors(club.ask("GET", "/api/usage/history", token, params=turned))) == ["metric_type"]
