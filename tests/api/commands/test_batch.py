"""Many commands in one request: independent, each answered as if alone, or atomic, all of them or none."""

from typing import Any

import httpx
import pytest

from tests.api.stage import (
    OPERATIONS,
    STAGED_VERSION,
    Ask,
    Json,
    asks,
    balance,
    field_errors,
    fresh,
    lasting,
    payment,
    provider_of,
    refused,
    staged,
    version,
)
from tests.service import Service


def send(service: Service, commands: list[Any], query: str = "", **fields: Any) -> httpx.Response:
    return service.post(f"/v1/batch{query}", {"commands": commands, **fields})


def results_of(service: Service, commands: list[Any], query: str = "", **fields: Any) -> list[Json]:
    response = send(service, commands, query, **fields)
    assert response.status_code == 200, response.text
    results: list[Json] = response.json()["results"]
    assert len(results) == len(commands)
    return results


def deduct(account: str, amount: int = 1, **more: Any) -> Json:
    return {"op": "deduct", "account_id": account, "amount": amount, **more}


# Independent ------------------------------------------------------------------------------------------------------


def mixture(account: str) -> list[tuple[Ask, str | None]]:
    """One after the other on a staged account: good commands, all sorts of bad ones, and repetitions."""
    made = {"deduction_id": "ded_9"}
    return [
        (Ask("grant", account, {"kind": "permanent", "amount": 5}), "g"),
        (Ask("deduct", account, {"amount": 50, "task_id": "t"}), None),
        (Ask("deduct", account, {"amount": 50, "task_id": "t"}), None),  # a replay
        (Ask("deduct", account, {"amount": 51, "task_id": "t"}), None),  # idempotency_key_reused
        (Ask("deduct", account, {"amount": 1_000}), "too much"),
        (Ask("deduct", account, {"amount": 1}), None),  # idempotency_key_required
        (Ask("deduct", account, {"amount": "1"}), "k"),
        (Ask("deduct", account, {"amount": 1, "colour": "red"}), "k"),
        (Ask("deduct", account, {"amount": 1, "usage": {"input_tokens": -1}}), "k"),
        (Ask("deduct", fresh("nobody"), {"amount": 1}), "k"),
        (Ask("reverse", account, {"amount": 5}, made), "r"),
        (Ask("reverse", account, {}, {"deduction_id": "ded_404"}), "r2"),
        (Ask("hold", account, {"amount": 9}), "h"),
        (Ask("hold", account, {"amount": 9, "expires_in_seconds": 0}), "h2"),
        (Ask("extend", account, {"expires_in_seconds": 100}, {"hold_id": "hld_11"}), "e"),
        (Ask("capture", account, {"amount": 10}, {"hold_id": "hld_11"}), "c"),
        (Ask("capture", account, {"amount": 9}, {"hold_id": "hld_11"}), "c2"),
        (Ask("release", account, {}, {"hold_id": "hld_11"}), "l"),
        (Ask("release", account, {}, {"hold_id": "hld_5"}), "l2"),
        (Ask("void", account, {}, {"grant_id": "grt_8"}), "v"),
        (Ask("payment", account, payment("pay-1", provider_of(account))), None),
        (Ask("payment", account, payment("pay-1", provider_of(account), amount_minor=5)), "p"),
        (Ask("payment_refund", account, {"refund_id": "re"}, {"payment_id": "pay-1"}), None),
        (Ask("payment_refund", account, {"refund_id": "re2"}, {"payment_id": "pay-404"}), None),
        (Ask("open", account, {"account_id": account}), None),
        (Ask("open", account, {"account_id": account, "signup_credits": 50}), None),
        (Ask("freeze", account), "f"),
        (Ask("deduct", account, {"amount": 1}), "frozen"),
        (Ask("unfreeze", account), "u"),
        (Ask("close", account), "x"),
        (Ask("deduct", account, {"amount": 1}), "closed"),
    ]


def test_each_command_is_answered_as_if_it_came_alone(service: Service) -> None:
    one, all_at_once = staged(service), staged(service)
    alone = []
    for ask, key in mixture(one):
        response = ask.post(service, key)
        replayed = {"idempotent_replayed": True} if "idempotent-replayed" in response.headers else {}
        alone.append({"status": response.status_code, **response.json(), **replayed})
    sent = mixture(all_at_once)
    results = results_of(service, [ask.item(key) for ask, key in sent])
    for single, result in zip(alone, results, strict=True):
        if result["status"] == 404 and result.get("account_id", "").startswith("nobody"):
            assert single["code"] == result["code"]
        else:
            named = {"op": result["op"]} if "code" not in single else {}
            assert lasting({**single, **named}, one) == lasting(result, all_at_once)
    assert {result["status"] for result in results} == {200, 201, 400, 402, 404, 409, 422}
    assert lasting(balance(service, one), one).keys() == lasting(balance(service, all_at_once), all_at_once).keys()
    assert balance(service, one)["total"] == balance(service, all_at_once)["total"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_can_be_in_a_batch(service: Service, operation: str) -> None:
    ask = asks(staged(service))[operation]
    [first, again] = results_of(service, [ask.item("k"), ask.item("k")])
    assert (first["status"], again["status"], again.pop("idempotent_replayed")) == (201, 200, True)
    assert {**again, "status": 201} == first
    assert first["op"] == operation
    alone = ask.post(service, "k")
    assert (alone.status_code, {"op": operation, "status": 201, **alone.json()}) == (200, first)


def test_one_bad_command_does_not_disturb_the_others(service: Service) -> None:
    account = service.open_account(permanent=10)
    bad: list[Any] = [
        None,
        7,
        "deduct",
        [],
        {},
        {"op": "withdraw", "account_id": account},
        {"op": ["deduct"], "account_id": account},
        {"op": "deduct", "amount": 1},
        {"op": "deduct", "account_id": 7, "amount": 1},
        {"op": "deduct", "account_id": "a/..", "amount": 1, "task_id": "t"},
        {"op": "open"},
        {"op": "open", "account_id": None},
        {"op": "open", "account_id": "x" * 129},
        {"op": "reverse", "account_id": account, "idempotency_key": "k"},
        {"op": "reverse", "account_id": account, "deduction_id": 4, "idempotency_key": "k"},
        deduct(account, idempotency_key=""),
        deduct(account, idempotency_key="ü"),
        deduct(account, idempotency_key="k" * 256),
        deduct(account, idempotency_key=7),
        deduct(account, idempotency_key="k", if_match="7"),
        deduct(account, idempotency_key="k", if_match=-1),
        deduct(account, idempotency_key="k", if_match=True),
        deduct(account, idempotency_key="k", hold_id="hld_1"),
    ]
    fields = [
        *("command", "command", "command", "command", "op", "op", "op", "account_id", "account_id", "account_id"),
        *("account_id", "account_id", "account_id", "deduction_id", "deduction_id"),
        *("idempotency_key", "idempotency_key", "idempotency_key", "idempotency_key"),
        *("if_match", "if_match", "if_match", "hold_id"),
    ]
    commands = [command for n, item in enumerate(bad) for command in (item, deduct(account, task_id=f"t{n % 10}"))]
    results = results_of(service, commands)
    for item, result, field in zip(bad, results[::2], fields, strict=True):
        assert (result["status"], result["code"]) == (422, "validation_failed"), (item, result)
        assert [error["field"] for error in result["errors"]] == [field], (item, result)
    good = [result["status"] for result in results[1::2]]
    assert good == [201] * 10 + [200] * (len(bad) - 10)
    assert balance(service, account)["total"] == 0


def test_a_command_keeps_its_turn_when_its_key_was_refused_before_it(service: Service) -> None:
    account = service.open_account(permanent=10)
    [large, small, close] = [
        deduct(account, 11, idempotency_key="k"),
        deduct(account, 1, idempotency_key="k"),
        {"op": "close", "account_id": account, "idempotency_key": "c"},
    ]
    assert [result["status"] for result in results_of(service, [large, small, close])] == [402, 201, 201]


def test_a_refused_command_counts_for_the_next_one_only_by_what_it_did_not_do(service: Service) -> None:
    account = service.open_account(permanent=10)
    results = results_of(service, [deduct(account, n, task_id=f"t{n}") for n in (6, 5, 4, 1)])
    assert [result["status"] for result in results] == [201, 402, 201, 402]
    assert (results[1]["available"], results[3]["available"]) == (4, 0)


@pytest.mark.parametrize("atomic", [False, True])
def test_if_match_stands_in_each_command(service: Service, atomic: bool) -> None:  # noqa: FBT001
    account = service.open_account(permanent=10)
    good = [deduct(account, idempotency_key=f"k{n}", if_match=n) for n in (2, 3, 4)]
    assert [result["status"] for result in results_of(service, good, atomic=atomic)] == [201] * 3
    stale = deduct(account, idempotency_key="stale", if_match=4)
    if atomic:
        document = refused(send(service, [stale], atomic=True), 409, "batch_refused", index=0)
        assert document["cause"].items() >= {"code": "version_mismatch", "expected": 4, "actual": 5}.items()
    else:
        [result] = results_of(service, [stale])
        assert (result["status"], result["code"], result["actual"]) == (412, "version_mismatch", 5)


def test_a_batch_may_be_empty(service: Service) -> None:
    for atomic in (False, True):
        for query in ("", "?dry_run=true"):
            assert results_of(service, [], query, atomic=atomic) == []


# Atomic -----------------------------------------------------------------------------------------------------------


def test_an_atomic_batch_is_carried_out_across_accounts(service: Service) -> None:
    one, two = service.open_account(permanent=10), service.open_account(permanent=10)
    commands = [deduct(one, 4, task_id="t"), {**deduct(two, 4, task_id="t"), "op": "grant", "kind": "permanent"}]
    commands[1]["transaction_id"] = commands[1].pop("task_id")
    results = results_of(service, commands, atomic=True)
    assert [result["status"] for result in results] == [201, 201]
    assert results[1]["position"] == results[0]["position"] + 1
    assert (balance(service, one)["total"], balance(service, two)["total"]) == (6, 14)


def test_an_atomic_batch_with_one_refusal_does_nothing_and_names_the_first(service: Service) -> None:
    one, two = service.open_account(permanent=10), service.open_account(permanent=10)
    opened = fresh()
    commands = [
        {"op": "open", "account_id": opened},
        deduct(one, 4, task_id="a"),
        deduct(two, 11, task_id="b"),
        deduct(one, 99, task_id="c"),
    ]
    document = refused(send(service, commands, atomic=True), 409, "batch_refused", index=2)
    assert document["cause"].items() >= {"code": "insufficient_credits", "required": 11, "available": 10}.items()
    assert document["detail"].startswith("The command with index 2 of the atomic batch was refused")
    assert [version(service, account) for account in (one, two, opened)] == [2, 2, None]
    # Nothing of it used a key: without the bad ones, the same commands are carried out.
    assert [result["status"] for result in results_of(service, commands[:2], atomic=True)] == [201, 201]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"op": "deduct", "amount": 0, "task_id": "t"}, "validation_failed"),
        ({"op": "deduct", "amount": 1}, "idempotency_key_required"),
        ({"op": "no"}, "validation_failed"),
        ({"op": "release", "hold_id": "hld_1", "idempotency_key": "r"}, "hold_not_found"),
        ({"op": "deduct", "amount": 1, "task_id": "first", "description": "other"}, "idempotency_key_reused"),
    ],
)
def test_an_atomic_batch_with_a_bad_command_does_nothing(service: Service, bad: Json, code: str) -> None:
    account = service.open_account(permanent=10)
    commands = [deduct(account, task_id="first"), {"account_id": account, **bad}]
    document = refused(send(service, commands, atomic=True), 409, "batch_refused", index=1)
    assert document["cause"]["code"] == code
    assert version(service, account) == 2


def test_an_atomic_batch_is_idempotent_item_by_item(service: Service) -> None:
    one, two = service.open_account(permanent=10), service.open_account(permanent=10)
    commands = [deduct(one, 1, task_id="a"), deduct(two, 2, task_id="b"), deduct(one, 1, task_id="a")]
    first = results_of(service, commands, atomic=True)
    assert [result["status"] for result in first] == [201, 201, 200]
    again = results_of(service, commands, atomic=True)
    assert [result["status"] for result in again] == [200] * 3
    assert all(result["idempotent_replayed"] for result in again)
    assert {**again[1], "status": 201} == {**first[1], "idempotent_replayed": True}
    mixed = results_of(service, [deduct(two, 3, task_id="new"), *commands], atomic=True)
    assert [result["status"] for result in mixed] == [201, 200, 200, 200]
    assert (balance(service, one)["total"], balance(service, two)["total"]) == (9, 5)


def test_what_an_atomic_batch_did_is_replayed_alone_and_the_other_way_round(service: Service) -> None:
    account = service.open_account(permanent=10)
    alone = Ask("deduct", account, {"amount": 1, "task_id": "alone"})
    assert alone.post(service).status_code == 201
    results = results_of(service, [alone.item(), deduct(account, 2, task_id="batch")], atomic=True)
    assert [result["status"] for result in results] == [200, 201]
    response = Ask("deduct", account, {"amount": 2, "task_id": "batch"}).post(service)
    assert (response.status_code, {"op": "deduct", "status": 201, **response.json()}) == (200, results[1])


def test_a_command_of_an_atomic_batch_builds_on_those_before_it(service: Service) -> None:
    account = fresh()
    results = results_of(
        service,
        [
            {"op": "open", "account_id": account, "signup_credits": 0},
            {"op": "payment", "account_id": account, **payment("p", grant={"kind": "permanent", "amount": 9})},
            {"op": "hold", "account_id": account, "amount": 9, "idempotency_key": "h"},
            {"op": "capture", "account_id": account, "hold_id": "hld_4", "amount": 5, "idempotency_key": "c"},
            {"op": "reverse", "account_id": account, "deduction_id": "ded_5", "idempotency_key": "r"},
            {"op": "payment_refund", "account_id": account, "payment_id": "p", "refund_id": "re"},
        ],
        atomic=True,
    )
    assert [(result["status"], result["version"]) for result in results] == [
        (201, 1),
        (201, 3),
        (201, 4),
        (201, 5),
        (201, 6),
        (201, 8),
    ]
    assert results[-1]["voided"] == 9
    assert balance(service, account)["total"] == 0


# Dry runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("atomic", [False, True])
def test_a_dry_run_of_a_batch_looks_ahead_and_records_nothing(service: Service, atomic: bool) -> None:  # noqa: FBT001
    one, two = service.open_account(permanent=10), staged(service)
    Ask("deduct", one, {"amount": 1, "task_id": "before"}).post(service)
    commands = [
        deduct(one, 1, task_id="before"),
        deduct(one, 6, task_id="a"),
        deduct(one, 6, task_id="a"),
        *(ask.item("k") for name, ask in asks(two).items() if name not in {"extend", "release", "freeze", "close"}),
    ]
    rehearsed = results_of(service, commands, "?dry_run=true", atomic=atomic)
    assert {result["status"] for result in rehearsed} == {200}
    assert all(result.pop("dry_run") for result in rehearsed)
    assert (version(service, one), version(service, two)) == (3, STAGED_VERSION)
    done = results_of(service, commands, atomic=atomic)
    assert [result["status"] for result in done[:3]] == [200, 201, 200]
    for before, after in zip(rehearsed, done, strict=True):
        # The repetition inside of the batch is no replay of anything while nothing is recorded.
        assert lasting({**before, "status": 0, "idempotent_replayed": 0}, "") == lasting(
            {**after, "status": 0, "idempotent_replayed": 0}, ""
        )


def test_a_dry_run_of_refusals_is_the_refusals(service: Service) -> None:
    account = service.open_account(permanent=10)
    commands = [deduct(account, 8, task_id="a"), deduct(account, 3, task_id="b"), {"op": "?"}]
    rehearsed = results_of(service, commands, "?dry_run=true")
    assert [result["status"] for result in rehearsed] == [200, 402, 422]
    assert rehearsed[1:] == results_of(service, commands)[1:]
    again = send(service, commands[1:2], "?dry_run=true", atomic=True)
    assert again.json() == send(service, commands[1:2], atomic=True).json()
    refused(again, 409, "batch_refused", index=0)


# Limits -----------------------------------------------------------------------------------------------------------


def test_ten_thousand_commands_and_not_one_more(service: Service) -> None:
    account = service.open_account(permanent=20_000)
    commands = [deduct(account, task_id=f"t{n}") for n in range(10_001)]
    refused(send(service, commands), 413, "batch_too_large", limit=10_000)
    refused(send(service, commands, atomic=True), 413, "batch_too_large", limit=10_000)
    assert version(service, account) == 2
    results = results_of(service, commands[:-1])
    assert [result["version"] for result in results] == list(range(3, 10_003))
    assert balance(service, account)["total"] == 10_000


def test_eight_mebibytes_and_not_one_byte_more(service: Service) -> None:
    account = service.open_account(permanent=10)
    start = f'{{"commands": [{{"op": "deduct", "account_id": "{account}", "amount": 1, "task_id": "t"}}]}}'
    json = {"Content-Type": "application/json"}
    limit = 8 * 1024 * 1024
    over = service.client.post("/v1/batch", content=start.ljust(limit + 1), headers=json)
    refused(over, 413, "body_too_large", limit=limit)
    assert version(service, account) == 2
    whole = service.client.post("/v1/batch", content=start.ljust(limit), headers=json)
    assert whole.json()["results"][0]["status"] == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "commands"),
        ({"commands": None}, "commands"),
        ({"commands": {}}, "commands"),
        ({"commands": [], "atomic": "true"}, "atomic"),
        ({"commands": [], "atomic": 1}, "atomic"),
        ({"commands": [], "atomic": None}, "atomic"),
        ({"commands": [], "dry_run": True}, "dry_run"),
    ],
)
def test_a_batch_that_is_none_is_refused(service: Service, body: Json, field: str) -> None:
    assert list(field_errors(service.post("/v1/batch", body))) == [field]


def test_keys_of_a_batch_stand_in_its_commands(service: Service) -> None:
    account = service.open_account(permanent=10)
    response = service.post("/v1/batch", {"commands": [deduct(account)]}, key="of-the-batch")
    [result] = response.json()["results"]
    assert (result["status"], result["code"]) == (400, "idempotency_key_required")
