"""Verifications: what the key of an account is, and a command in its name, in one request that always answers 200."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from people.api_keys import create_key
from people.secret_format import new_secret
from tests.api.conftest import under_contract
from tests.api.stage import field_errors, refused, staged
from tests.postgres import TestServers
from tests.service import Service, service_here

Json = dict[str, Any]
UNKNOWN = {"valid": False, "code": "not_found"}


@pytest.fixture(scope="module")
def serving(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("verifies")) as service:
        under_contract(service)
        yield service


def made(service: Service, account: str, **body: Any) -> Json:
    answer = service.post("/v1/keys", {"account_id": account, "name": "verified", **body})
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


def verified(service: Service, key: str, **body: Any) -> Json:
    answer = service.post("/v1/keys/verifications", {"key": key, **body})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def code_until(service: Service, key: str, code: str) -> float:
    """The seconds after which a key has a code."""
    begun = time.monotonic()
    while verified(service, key)["code"] != code:
        assert time.monotonic() - begun < 20
        time.sleep(0.02)
    return time.monotonic() - begun


def test_a_verification_says_what_a_key_is(serving: Service) -> None:
    account = staged(serving)
    key = made(serving, account, member="ada", scopes=["read"], expires_in_days=1)
    found = verified(serving, key["key"])
    rate = found.pop("rate_limit")
    assert (rate["limit"], rate["remaining"]) == (100, 99)
    assert found == {
        "valid": True,
        "code": "valid",
        "key_id": key["id"],
        "account_id": account,
        "member": "ada",
        "role": "owner",
        "scopes": ["read"],
        "expires_at": key["expires_at"],
    }
    assert verified(serving, key["key"], scope="write")["code"] == "missing_scope"
    assert verified(serving, key["key"], deduct={"amount": 1, "task_id": "t"})["code"] == "missing_scope"
    for text in ("nothing", new_secret("clu").text, create_key(serving.conninfo, "s", ["admin"])):
        assert verified(serving, text) == UNKNOWN
    serving.client.patch(f"/v1/keys/{key['id']}", json={"is_active": False})
    assert code_until(serving, key["key"], "disabled") < 2
    serving.client.delete(f"/v1/keys/{key['id']}")
    assert code_until(serving, key["key"], "revoked") < 2


def test_a_command_is_carried_out_in_the_name_of_the_key(serving: Service) -> None:
    """And answered as it is alone; a replay is the original answer."""
    account = staged(serving)
    key = made(serving, account, member="ada")
    deduct = {"amount": 3, "task_id": "t", "usage": {"model": "m"}, "metadata": {"n": 1}}
    first = verified(serving, key["key"], deduct=deduct)
    assert (first["valid"], first["command"]["status"], first["command"]["deducted"]) == (True, 201, 3)
    again = verified(serving, key["key"], deduct=deduct)
    assert (again["command"]["status"], again["command"]["idempotent_replayed"]) == (200, True)
    assert again["command"]["deduction_id"] == first["command"]["deduction_id"]
    held = verified(serving, key["key"], hold={"amount": 1}, idempotency_key="h")
    assert held["command"]["hold_id"]
    meter = {"quantity": 2, "usage": {"metric": "rag_query"}}
    assert verified(serving, key["key"], meter=meter, idempotency_key="m")["command"]["metric"] == "rag_query"
    events = serving.get(f"/v1/accounts/{account}/events", after_version=8).json()["events"]
    assert {event["metadata"]["actor"] for event in events} == {f"key:{key['id']}"}
    assert all(event["data"]["usage"].items() >= {"key": key["id"], "member": "ada"}.items() for event in events)


def test_what_is_refused_is_told_with_its_problem(serving: Service) -> None:
    account = staged(serving)
    key = made(serving, account, rate_limit=4)
    much = verified(serving, key["key"], deduct={"amount": 10_000, "task_id": "much"})
    assert (much["valid"], much["code"], much["problem"]["code"]) == (False, "refused", "insufficient_credits")
    limit = {"limit_id": "of-key", "amount": 1, "only": {"key": key["id"]}}
    serving.post(f"/v1/accounts/{account}/limits", {"source": "team", "limits": [limit]}, key="l")
    over = verified(serving, key["key"], deduct={"amount": 2, "task_id": "over"})
    assert (over["code"], over["problem"]["code"]) == ("refused", "limit_reached")
    other = verified(serving, key["key"], deduct={"amount": 1, "task_id": "o", "usage": {"key": "another"}})
    assert other["problem"]["code"] == "usage_conflicts_with_key"
    reused = verified(serving, key["key"], deduct={"amount": 2, "task_id": "over"})
    assert reused["rate_limit"]["remaining"] == 0
    limited = verified(serving, key["key"])
    assert (limited["valid"], limited["code"], limited["rate_limit"]["limit"]) == (False, "rate_limited", 4)
    assert serving.get(f"/v1/accounts/{account}/balance").json()["version"] == 9, "nothing was taken"


def test_a_verification_that_is_wrong_itself_is_refused(serving: Service) -> None:
    """That is the fault of the service, whatever the key is."""
    ask: Any = lambda **body: serving.post("/v1/keys/verifications", body)  # noqa: E731
    assert field_errors(ask(key="x", deduct={"amount": 0, "task_id": "t"})).keys() == {"deduct.amount"}
    assert field_errors(ask(deduct={"amount": 1, "task_id": "t", "more": 1})).keys() == {"key", "deduct.more"}
    both = ask(key="x", deduct={"amount": 1, "task_id": "t"}, meter={"quantity": 1, "usage": {"metric": "m"}})
    assert "may have one of" in field_errors(both)["body"]["message"]
    refused(ask(key="x", hold={"amount": 1}), 400, "idempotency_key_required")
    exact = '{"key": "x", "deduct": {"amount": 1, "task_id": "t", "metadata": {"n": 0.12345678901234567891}}}'
    headers = {"content-type": "application/json"}
    answer = serving.client.post("/v1/keys/verifications", content=exact, headers=headers)
    assert field_errors(answer).keys() == {"deduct.metadata.n"}
    assert field_errors(serving.client.post("/v1/keys/verifications?a=1", json={"key": "x"})).keys() == {"a"}
    spends = create_key(serving.conninfo, "spends", ["ledger:write"])
    bearer = {"Authorization": f"Bearer {spends}"}
    refused(serving.client.post("/v1/keys/verifications", json={}, headers=bearer), 403, "missing_scope")


def test_rotation_and_revocation_while_keys_are_verified(serving: Service) -> None:
    """Of two secrets one is always good, each deduction is taken once, and the revoked ones take nothing."""
    account = staged(serving)
    key = made(serving, account, rate_limit=100_000)
    good, codes = [key["key"]], list[str]()

    async def spend(number: int) -> None:
        body = {"key": good[-1], "deduct": {"amount": 1, "task_id": f"race-{number}"}}
        answer = await asyncio.to_thread(serving.post, "/v1/keys/verifications", body)
        codes.append(answer.json()["code"])

    async def rotate() -> None:
        answer = await asyncio.to_thread(serving.post, f"/v1/keys/{key['id']}/rotation", {"grace_seconds": 60})
        good.append(answer.json()["key"])

    async def race() -> None:
        for number in range(0, 30, 10):
            await asyncio.gather(*(spend(number + one) for one in range(10)), rotate())

    asyncio.run(race())
    assert codes == ["valid"] * 30
    serving.client.delete(f"/v1/keys/{key['id']}")
    for text in good:
        code_until(serving, text, "revoked")
    before = serving.get(f"/v1/accounts/{account}/balance").json()
    assert before["available"] == 100 - 30
    assert verified(serving, good[-1], deduct={"amount": 1, "task_id": "late"})["code"] == "revoked"
    assert serving.get(f"/v1/accounts/{account}/balance").json()["version"] == before["version"]
