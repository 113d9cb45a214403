"""An id with a slash is one segment of every path when the slash is percent-encoded, and no id of its parts."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from api.contract.scopes import ROUTES
from api.http.requests.encoded_slashes import SLASH, readable, restored, with_encoded_slashes
from ledger.domain.commands import check_account_id
from ledger.domain.errors import InvalidField
from tests.api.stage import Ask, asks, eventually, fresh, refused, staged
from tests.api.streaming.ear import listening, stream_of
from tests.service import Service

IDS = [
    "org/project",
    "auth0|x",
    "a//b",
    "/",
    "a/",
    "https://id.example/u?1#2",
    "50%2F",
    "a/balance",
    "é/\N{PILE OF POO}",
]


NAMED = {
    "operation": "deduct",
    "key": "last",
    "payment_id": "pay-1",
    "grant_id": "grt_3",
    "deduction_id": "ded_4",
    "hold_id": "hld_5",
}
BETWEEN = {"from": "2026-01-01", "to": "2026-01-31"}


def scope(raw: bytes, path: str) -> dict[str, Any]:
    return {"raw_path": raw, "path": path}


@pytest.mark.parametrize(
    ("raw", "path", "kept"),
    [
        (b"/v1/accounts/a%2Fb/x", "/v1/accounts/a/b/x", f"/v1/accounts/a{SLASH}b/x"),
        (b"/a%2fb%2F%2f", "/a/b//", f"/a{SLASH}b{SLASH}{SLASH}"),
        (b"/a%252Fb", "/a%2Fb", "/a%2Fb"),
        (b"/a%25%32%46b", "/a%2Fb", "/a%2Fb"),
        (b"/%2F%C3%A9%20%00", "//é \0", f"/{SLASH}é \0"),
        (b"/%2F%ff", "//\ufffd", f"/{SLASH}\ufffd"),
        (b"/plain", "/plain", "/plain"),
    ],
)
def test_encoded_slashes_are_told_apart(raw: bytes, path: str, kept: str) -> None:
    before = scope(raw, path)
    found = with_encoded_slashes(before)
    assert found["path"] == kept
    assert before["path"] == path
    assert with_encoded_slashes(found) == found
    assert restored({"id": kept})["id"] == path
    assert readable(kept).encode()


@pytest.mark.parametrize("account_id", [".", "..", "./a", "a/..", "a/./b", "../../x"])
def test_no_id_has_a_dot_segment(account_id: str) -> None:
    with pytest.raises(InvalidField):
        check_account_id(account_id)


@pytest.mark.parametrize("account_id", [*IDS, "...", "a.b/.c", "..a"])
def test_other_ids_have_slashes_and_dots(account_id: str) -> None:
    check_account_id(account_id)


@pytest.mark.parametrize("name", IDS)
def test_an_account_of_such_a_name_has_every_query(service: Service, name: str) -> None:
    account = staged(service, name)
    position = Ask("deduct", account, {"amount": 1}).post(service, "last").json()["position"]
    eventually(lambda: service.get("/v1/accounts", min_position=position, limit=1).status_code == 200)
    month = f"{datetime.now(UTC):%Y-%m}"
    moved = {"from_account_id": account, "to_account_id": staged(service), "amount": 1}
    sent = service.post("/v1/transfers", moved, key="moved").json()["transfer_id"]
    for route in ROUTES:
        method, path = route.split(" ")
        if method == "GET" and "{account_id}" in path and not path.endswith("/stream"):
            address = path.format(account_id=quote(account, safe=""), month=month, transfer_id=sent, **NAMED)
            answer = service.client.get(address, params=BETWEEN if path.endswith(("/daily", "/usage")) else {})
            # The payment is one of a bank, which writes no invoices.
            assert answer.status_code == (501 if path.endswith("/invoice") else 200), (address, answer.text)
    assert service.get(f"/v1/accounts/{quote(account, safe='')}").json()["account_id"] == account
    [listed] = service.get("/v1/accounts", prefix=account, limit=1).json()["accounts"]
    assert listed["account_id"] == account


def test_such_an_account_takes_every_command(service: Service) -> None:
    account = staged(service, fresh("org/project"))
    for name, ask in asks(account).items():
        assert ask.post(service, "k", "?dry_run=true").status_code == 200, name
    batch = {
        "commands": [ask.item("b") for name, ask in asks(staged(service, fresh("a/b"))).items() if name == "deduct"]
    }
    assert [result["status"] for result in service.post("/v1/batch", batch).json()["results"]] == [201]


def test_such_an_account_has_a_stream(service: Service) -> None:
    account = staged(service, fresh("org/project"))
    with listening(service, stream_of(quote(account, safe=""))) as ear:
        assert ear.start.event == "start"
        Ask("deduct", account, {"amount": 1}).post(service, "k")
        assert ear.next().data["account_id"] == account


def test_parts_of_a_path_are_not_parts_of_an_id(service: Service) -> None:
    """What is `a/balance` is not the balance of `a`, and what is encoded twice is decoded once."""
    outer = staged(service, fresh("outer"))
    below = "/v1/accounts/" + quote(f"{outer}/balance", safe="")
    refused(service.client.get(below), 404, "account_not_found", account_id=f"{outer}/balance")
    deductions = "/v1/accounts/" + quote(f"{outer}/deductions", safe="")
    said = service.client.post(deductions, json={"amount": 1}, headers={"Idempotency-Key": "k"})
    assert [error["field"] for error in refused(said, 422, "validation_failed")["errors"]] == ["amount"]
    updated = service.client.post(deductions, json={"labels": {"a": "b"}}, headers={"Idempotency-Key": "k"})
    refused(updated, 404, "account_not_found")
    once = service.client.get(f"/v1/accounts/{outer}%252Fx/balance")
    refused(once, 404, "account_not_found", account_id=f"{outer}%2Fx")
    assert service.client.get("/v1/accounts/a%2Fb%00/balance").status_code == 422
    assert service.client.get("/v1/accounts/a%2Fb%ff/balance").status_code == 422
    missing = service.client.get("/v1%2Faccounts")
    assert missing.status_code == 404
    assert "/v1%2Faccounts" in missing.json()["detail"]
