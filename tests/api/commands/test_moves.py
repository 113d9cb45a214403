"""Transfers, merges and reversals of transfers over HTTP: both accounts change, or none."""

import itertools
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.api.stage import STAGED_VERSION, Ask, Json, balance, field_errors, fresh, refused, version
from tests.service import Service

_keys = itertools.count(1)
SENT = f"trf_{STAGED_VERSION + 1}"
"""The first transfer of a staged account."""


def opened(service: Service, credits: int = 0) -> str:
    account = fresh("other")
    body = {"account_id": account, "signup_credits": credits}
    assert service.post("/v1/accounts", body).status_code == 201
    return account


def post(service: Service, path: str, body: Json, key: str | None = None, **headers: str) -> httpx.Response:
    return service.post(path, body, **{"Idempotency-Key": key or f"move-{next(_keys)}", **headers})


def transfer(service: Service, sender: str, receiver: str, key: str | None = None, **body: Any) -> httpx.Response:
    asked = {"from_account_id": sender, "to_account_id": receiver, **body}
    return post(service, f"/v1/transfers{body.pop('query', '')}", asked, key)


def merge(service: Service, account: str, successor: str, key: str | None = None) -> httpx.Response:
    return post(service, f"/v1/accounts/{account}/merge", {"successor": successor, "reason": "renamed"}, key)


def reverse(service: Service, account: str, transfer_id: str, key: str | None = None) -> httpx.Response:
    return post(service, f"/v1/accounts/{account}/transfers/{transfer_id}/reversals", {"reason": "a mistake"}, key)


def done(response: httpx.Response, status: int = 201) -> Json:
    assert response.status_code == status, response.text
    answer: Json = response.json()
    return answer


def balances(service: Service, *accounts: str) -> list[tuple[int, int, int]]:
    """Subscription, permanent and held credits of each."""
    return [credits_of(service, account) for account in accounts]


def credits_of(service: Service, account: str) -> tuple[int, int, int]:
    said = balance(service, account)
    return said["subscription_credits"], said["permanent_credits"], said["held"]


def test_a_transfer_answers_for_both_accounts(service: Service, account: str) -> None:
    other = opened(service, 5)
    answer = done(transfer(service, account, other, amount=50, description="for the team"))
    assert (answer["account_id"], answer["version"], answer["transfer_id"]) == (account, STAGED_VERSION + 1, SENT)
    assert (answer["to_account_id"], answer["sent"]) == (other, 50)
    assert answer["draws"] == [
        {"grant_id": "grt_3", "kind": "subscription", "amount": 30},
        {"grant_id": "grt_2", "kind": "permanent", "amount": 20},
    ]
    received = answer["received"]
    assert (received["account_id"], received["version"]) == (other, 4)
    assert [(lot["grant_id"], lot["kind"], lot["amount"]) for lot in received["lots"]] == [
        ("grt_3", "subscription", 30),
        ("grt_4", "permanent", 20),
    ]
    granted = {
        one["grant_id"]: one
        for one in service.get(f"/v1/accounts/{account}/grants", min_position=answer["position"]).json()["grants"]
    }
    for lot in received["lots"]:
        there = granted[lot["from_grant_id"]]
        assert (lot["origin_account_id"], lot["origin_grant_id"]) == (account, lot["from_grant_id"])
        assert (lot["expires_at"], lot["source"], lot["granted_at"]) == (
            there["expires_at"],
            there["source"],
            there["granted_at"],
        )
    assert balances(service, account, other) == [(40, 50, 40), (30, 25, 0)]
    assert received["balance"]["total"] == 55
    assert answer["recorded_at"] == received["recorded_at"]


def test_the_same_key_gives_the_same_answer_again(service: Service, account: str) -> None:
    other, key = opened(service), f"again-{next(_keys)}"
    first = transfer(service, account, other, key, amount=10)
    again = transfer(service, account, other, key, amount=10)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    assert refused(transfer(service, account, other, key, amount=11), 422, "idempotency_key_reused")["fields"] == [
        "amount"
    ]
    third = opened(service)
    assert refused(transfer(service, account, third, key, amount=10), 422, "idempotency_key_reused")["fields"] == [
        "to_account_id"
    ]
    assert balances(service, other, third) == [(10, 0, 0), (0, 0, 0)]
    receipt = service.get(f"/v1/accounts/{account}/receipts/transfer/{key}").json()
    assert receipt["answer"] == {name: value for name, value in first.json().items() if name != "received"}


def test_ids_may_have_a_slash(service: Service) -> None:
    one, two = f"org/{fresh('a')}", f"org/{fresh('b')}"
    for name in (one, two):
        assert service.post("/v1/accounts", {"account_id": name, "signup_credits": 5}).status_code == 201
    sent = done(transfer(service, one, two, amount=3))
    assert sent["received"]["account_id"] == two
    assert done(reverse(service, quote(one, safe=""), sent["transfer_id"]))["reversed"] == 3
    assert field_errors(transfer(service, one, "../x", amount=1)).keys() == {"to_account_id"}


def test_two_senders_may_use_one_key(service: Service) -> None:
    one, two, other = opened(service, 5), opened(service, 7), opened(service)
    assert [done(transfer(service, each, other, "a key", amount=3))["sent"] for each in (one, two)] == [3, 3]
    assert credits_of(service, other) == (0, 6, 0)


def test_a_refusal_of_either_account_leaves_both_as_they_were(service: Service, account: str) -> None:
    other, key = opened(service), f"later-{next(_keys)}"
    assert (
        refused(transfer(service, account, other, key, amount=1_000), 402, "insufficient_credits")["available"] == 100
    )
    assert refused(transfer(service, account, fresh("nobody"), amount=1), 404, "account_not_found")
    assert refused(transfer(service, fresh("nobody"), account, amount=1), 404, "account_not_found")
    assert field_errors(transfer(service, account, account, amount=1)).keys() == {"to_account_id"}
    assert field_errors(transfer(service, account, other, amount=0)).keys() == {"amount"}
    assert field_errors(post(service, "/v1/transfers", {"to_account_id": other})).keys() == {"from_account_id"}
    assert refused(
        service.post("/v1/transfers", {"from_account_id": account, "to_account_id": other}),
        400,
        "idempotency_key_required",
    )
    Ask("close", other).post(service, "close")
    assert refused(transfer(service, account, other, amount=1), 409, "account_closed")["account_id"] == other
    assert (version(service, account), version(service, other)) == (STAGED_VERSION, 2)
    third = opened(service)
    Ask("freeze", account).post(service, "freeze")
    assert refused(transfer(service, account, third, amount=1), 409, "account_frozen")["account_id"] == account
    Ask("freeze", third).post(service, "freeze")
    Ask("unfreeze", account).post(service, "unfreeze")
    assert done(transfer(service, account, third, amount=1))["sent"] == 1
    assert done(transfer(service, account, third, key, amount=1_000 // 100))["sent"] == 10, "the key was not used up"


def test_everything_that_is_not_on_hold_is_sent(service: Service, account: str) -> None:
    other = opened(service)
    assert done(transfer(service, account, other))["sent"] == 100
    assert balances(service, account, other) == [(40, 0, 40), (30, 70, 0)]
    assert refused(transfer(service, account, other), 402, "insufficient_credits")["required"] == 1


def test_a_dry_run_shows_both_sides_and_records_nothing(service: Service, account: str) -> None:
    other = opened(service)
    body = {"from_account_id": account, "to_account_id": other, "amount": 50}
    answer = done(post(service, "/v1/transfers?dry_run=true", body), 200)
    assert (answer["dry_run"], answer["position"], answer["version"]) == (True, None, STAGED_VERSION + 1)
    assert (answer["received"]["position"], answer["received"]["version"]) == (None, 3)
    assert len(answer["received"]["lots"]) == 2
    assert (version(service, account), version(service, other)) == (STAGED_VERSION, 1)
    assert refused(post(service, "/v1/transfers?dry_run=true", body | {"amount": 101}), 402, "insufficient_credits")


def test_a_version_that_the_sender_does_not_have_is_refused(service: Service, account: str) -> None:
    other = opened(service)
    body = {"from_account_id": account, "to_account_id": other, "amount": 1}
    assert refused(
        post(service, "/v1/transfers", body, **{"If-Match": f'"{STAGED_VERSION - 1}"'}), 412, "version_mismatch"
    )
    assert (
        done(post(service, "/v1/transfers", body, **{"If-Match": f'"{STAGED_VERSION}"'}))["version"]
        == STAGED_VERSION + 1
    )


def test_a_transfer_is_reversed_as_a_whole(service: Service, account: str) -> None:
    other, key = opened(service, 5), f"back-{next(_keys)}"
    before = balances(service, account, other)
    sent = done(transfer(service, account, other, amount=50))
    answer = done(first := reverse(service, account, sent["transfer_id"], key))
    assert (answer["reversed"], answer["lapsed"], answer["cancelled"]) == (50, 0, 0)
    assert answer["sent_back"]["account_id"] == other
    assert answer["sent_back"]["balance"]["total"] == 5
    assert balances(service, account, other) == before
    again = reverse(service, account, sent["transfer_id"], key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert refused(reverse(service, account, sent["transfer_id"]), 409, "transfer_already_reversed")
    for unknown in ("trf_3", "trf_99", "trf_x", "grt_2"):
        assert refused(reverse(service, account, unknown), 404, "transfer_not_found")
    assert refused(reverse(service, fresh("nobody"), "trf_2"), 404, "account_not_found")


def test_a_transfer_that_is_partly_spent_is_not(service: Service, account: str) -> None:
    other = opened(service)
    sent = done(transfer(service, account, other, amount=50))
    Ask("deduct", other, {"amount": 12}).post(service, "spend")
    problem = refused(reverse(service, account, sent["transfer_id"]), 409, "transfer_spent")
    assert (problem["amount"], problem["remaining"], problem["missing"]) == (50, 38, 12)
    assert balances(service, account, other) == [(40, 50, 40), (18, 20, 0)]


def test_a_merge_closes_the_account_and_questions_name_its_successor(service: Service, account: str) -> None:
    other, key = opened(service, 5), f"merge-{next(_keys)}"
    answer = done(first := merge(service, account, other, key))
    assert (answer["standing"], answer["successor"], answer["sent"]) == ("closed", other, 100)
    assert answer["received"]["balance"]["total"] == 105
    again = merge(service, account, other, key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert (
        refused(Ask("deduct", account, {"amount": 1}).post(service, "no"), 409, "account_closed")["successor"] == other
    )
    assert refused(transfer(service, other, account, amount=1), 409, "account_closed")["successor"] == other
    again = service.post("/v1/accounts", {"account_id": account, "signup_credits": 50})
    assert refused(again, 409, "account_closed")["successor"] == other
    position = answer["received"]["position"]
    for question in ("balance", "summary"):
        said = service.get(f"/v1/accounts/{account}/{question}").json()
        assert said["successor"] == other, question
    for filtered in ({}, {"limit": 500}, {"type": "transfer"}, {"provider": "p"}, {"order": "asc", "limit": 1}):
        said = service.get(f"/v1/accounts/{account}/history", min_position=position, **filtered).json()
        assert said["successor"] == other, filtered
    assert service.get(f"/v1/accounts/{other}/history").json()["successor"] is None
    listed = service.get("/v1/accounts", prefix=account, min_position=position, limit=1).json()["accounts"][0]
    assert (listed["standing"], listed["successor"]) == ("closed", other)
    assert service.get(f"/v1/accounts/{other}/balance").json()["successor"] is None


def test_what_comes_back_to_a_merged_account_follows_with_another_merge(service: Service, account: str) -> None:
    other, third = opened(service), opened(service)
    done(merge(service, account, other))
    done(Ask("release", account, {}, {"hold_id": "hld_5"}).post(service, "release"))
    assert balances(service, account, other) == [(40, 0, 0), (30, 70, 0)]
    assert refused(merge(service, account, third), 409, "account_closed")["successor"] == other
    assert done(merge(service, account, other))["sent"] == 40
    assert balances(service, account, other) == [(0, 0, 0), (70, 70, 0)]


def test_an_account_without_credits_can_be_renamed(service: Service) -> None:
    old, new, key = opened(service), opened(service), f"rename-{next(_keys)}"
    answer = done(first := merge(service, old, new, key))
    assert (answer["successor"], "sent" in answer, "received" in answer) == (new, False, False)
    Ask("close", new).post(service, "close")
    again = merge(service, old, new, key)
    assert (again.status_code, again.json()) == (200, first.json())


def test_a_merge_of_more_lots_than_one_transfer_can_draw_makes_several(service: Service) -> None:
    old, new, key = opened(service), opened(service), f"merge-{next(_keys)}"
    grants = [
        {"op": "grant", "account_id": old, "kind": "permanent", "amount": 2, "idempotency_key": f"g{n}"}
        for n in range(1_001)
    ]
    assert service.post("/v1/batch", {"commands": grants}).status_code == 200
    assert refused(transfer(service, old, new), 422, "draws_limit_exceeded")["covered"] == 2_000
    answer = done(first := merge(service, old, new, key))
    assert (answer["sent"], len(answer["draws"]), len(answer["received"]["lots"])) == (2_002, 1_001, 1_001)
    assert answer["transfer_ids"] == [answer["transfer_id"], f"trf_{answer['version'] - 1}"]
    assert balances(service, old, new) == [(0, 0, 0), (0, 2_002, 0)]
    again = merge(service, old, new, key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert done(reverse(service, old, answer["transfer_ids"][1]))["reversed"] == 2
    assert balances(service, old, new) == [(0, 2, 0), (0, 2_000, 0)]


@pytest.mark.parametrize("operation", ["transfer", "merge", "transfer_reversal"])
def test_no_batch_has_moves(service: Service, account: str, operation: str) -> None:
    item = {"op": operation, "account_id": account, "idempotency_key": "k", "to_account_id": "x"}
    [result] = service.post("/v1/batch", {"commands": [item]}).json()["results"]
    assert (result["code"], result["errors"][0]["field"]) == ("validation_failed", "op")


def test_both_streams_name_each_other_and_explain(service: Service, account: str) -> None:
    other = opened(service)
    sent = done(transfer(service, account, other, amount=50, description="for the team"))
    done(reverse(service, account, sent["transfer_id"]))
    for name, expected in ((account, other), (other, account)):
        events = service.get(f"/v1/accounts/{name}/events").json()["events"]
        moves = [
            one
            for one in events
            if one["metadata"]["operation"] in {"transfer", "receive", "transfer_reversal", "send_back"}
        ]
        assert moves
        for one in moves:
            told = service.get(f"/v1/accounts/{name}/explain", version=one["version"]).json()
            assert (told["sound"], told["violations"]) == (True, []), told
            assert told["transfer"]["account_id"] == expected
            assert told["transfer"]["transfer_id"] == SENT
            assert expected in told["sentence"]
    first = service.get(f"/v1/accounts/{other}/explain", version="2").json()["transfer"]
    assert (first["version"], first["grant_id"]) == (STAGED_VERSION + 1, "grt_3")


def test_history_and_days_count_moves_as_neither_granted_nor_used(service: Service, account: str) -> None:
    other = opened(service)
    position = done(transfer(service, account, other, amount=50))["received"]["position"]
    entries = service.get(f"/v1/accounts/{other}/history", min_position=position, type="transfer").json()["entries"]
    assert [(one["credits"], one["other_account_id"], one["transfer_id"], one["grant_id"]) for one in entries] == [
        (20, account, SENT, "grt_3"),
        (30, account, SENT, "grt_2"),
    ]
    [entry] = service.get(f"/v1/accounts/{account}/history", type="transfer").json()["entries"]
    assert (entry["credits"], entry["other_account_id"], entry["transfer_id"]) == (-50, other, SENT)
    today = datetime.now(UTC).date().isoformat()
    for name, transferred, transfers in ((account, -50, 1), (other, 50, 2)):
        days = service.get(f"/v1/accounts/{name}/rollups/daily", **{"from": today, "to": today}).json()["totals"]
        assert (days["transferred"], days["transfers"]) == (transferred, transfers)
        flows = days["granted"] - days["deducted"] + days["reversed"] - days["expired"] - days["voided"]
        assert days["opening_balance"] + flows + days["transferred"] == days["closing_balance"]
    grants = service.get(f"/v1/accounts/{account}/grants").json()["grants"]
    assert {one["grant_id"]: (one["sent"], one["status"]) for one in grants} == {
        "grt_7": (0, "open"),
        "grt_3": (30, "open"),
        "grt_2": (20, "open"),
    }
