"""People over HTTP: they register, open the link in their mail, and sign in, in the shapes of the document."""

import re
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import under_contract
from tests.api.stage import field_errors, refused
from tests.dashboard.acting import path_of
from tests.dashboard.guests import ROOT, guest, operator, person, token_in
from tests.postgres import TestServers
from tests.service import Service, service_here

PASSWORD = "correct horse battery"
ADA = {"email": "Ada@Example.com", "password": PASSWORD, "name": "Ada"}


class Club:
    """A service at which people sign in, and the folder of its mails."""

    def __init__(self, service: Service, mail: Path) -> None:
        self.service = service
        self.mail = mail

    def post(self, path: str, bearer: str | None = None, /, **body: str) -> httpx.Response:
        """A request of a person."""
        return self.ask("POST", path, bearer, json=body)

    def ask(self, method: str, path: str, bearer: str | None = None, **options: Any) -> httpx.Response:
        """A request without an API key."""
        headers = {"Authorization": f"Bearer {bearer}" if bearer else "", "User-Agent": "A phone"}
        return self.service.client.request(method, path, headers=headers, **options)

    def token(self, to: str, kind: str) -> str:
        """The secret of the newest mail of a kind to somebody, as soon as it is there."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for file in sorted(self.mail.glob(f"*-{kind}.eml"), reverse=True):
                message = message_from_bytes(file.read_bytes(), policy=default)
                if message["to"] == to:
                    found = re.search(r"http://127\.0\.0\.1:1/dashboard/\w+/(\S+)", message.get_content())
                    assert found is not None
                    return found[1]
            time.sleep(0.05)
        raise AssertionError(f"there is no mail {kind} to {to}")

    def join(self, name: str) -> dict[str, Any]:
        """A new person, signed in."""
        email = f"{name}@example.com"
        assert self.post("/api/auth/register", email=email, password=PASSWORD, name=name).status_code == 201
        token = self.token(email, "verification")
        made: dict[str, Any] = self.post("/api/auth/verification", token=token, password=PASSWORD).json()
        return made


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
