"""The same command twice: the same answer and no second event; and which commands count as the same."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from tests.api.conftest import under_contract
from tests.api.stage import (
    OPERATIONS,
    STAGED_VERSION,
    Ask,
    Json,
    asks,
    balance,
    fresh,
    payment,
    refused,
    staged,
    version,
)
from tests.service import PLAIN, Service, running_service, service_here

USAGE = {"provider": "acme", "model": "large", "input_tokens": 10, "output_tokens": 20}


def is_replay(response: httpx.Response, of: httpx.Response) -> bool:
    """Byte for byte the answer that was given first."""
    assert of.status_code == 201
    return (response.status_code, response.headers.get("idempotent-replayed"), response.content) == (
        200,
        "true",
        of.content,
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_same_command_again_is_the_same_answer_and_no_event(service: Service, operation: str) -> None:
    ask = asks(staged(service))[operation]
    first = ask.post(service, "k")
    for _ in range(3):
        assert is_replay(ask.post(service, "k"), first)
    assert version(service, ask.account) == first.json()["version"]


def test_replays_outlive_the_process_and_are_the_same_in_every_worker(database: str, tmp_path: Path) -> None:
    with service_here(database, tmp_path) as service:
        under_contract(service)
        sent = [ask for operation in OPERATIONS for ask in [asks(staged(service))[operation]]]
        first = [ask.post(service, "k") for ask in sent]
    with running_service(database, tmp_path, workers=2) as service:
        under_contract(service)
        for _ in range(4):
            for ask, original in zip(sent, first, strict=True):
                again = service.post(ask.path, ask.body, key="k", Connection="close")  # another worker next time
                assert is_replay(again, original)
        assert service.get("/v1/events", after=first[-1].json()["position"]).json()["events"] == []


# What is the same body and what is not ----------------------------------------------------------------------------

DIFFERENT: dict[str, tuple[str, Json, Json, list[str]]] = {
    "amount": ("deduct", {"amount": 1}, {"amount": 2}, ["amount"]),
    "description": ("deduct", {"amount": 1}, {"amount": 1, "description": "x"}, ["description"]),
    "a description less": ("deduct", {"amount": 1, "description": "x"}, {"amount": 1}, ["description"]),
    "task_id": ("deduct", {"amount": 1, "task_id": "a"}, {"amount": 1, "task_id": "b"}, ["task_id"]),
    "usage": ("deduct", {"amount": 1, "usage": USAGE}, {"amount": 1, "usage": USAGE | {"model": "s"}}, ["usage"]),
    "usage, one token": (
        "deduct",
        {"amount": 1, "usage": {"input_tokens": 1}},
        {"amount": 1, "usage": {"output_tokens": 1}},
        ["usage"],
    ),
    "usage, what was measured": (
        "deduct",
        {"amount": 1, "usage": {"quantity": 1, "success": True}},
        {"amount": 1, "usage": {"quantity": 1, "success": False}},
        ["usage"],
    ),
    "occurred_at": (
        "deduct",
        {"amount": 1},
        {"amount": 1, "occurred_at": "2026-01-01T00:00:00Z"},
        ["occurred_at"],
    ),
    "metadata": (
        "deduct",
        {"amount": 1, "metadata": {"a": [1, {"b": None}]}},
        {"amount": 1, "metadata": {"a": [1, {"b": 0}]}},
        ["metadata"],
    ),
    "two fields": (
        "deduct",
        {"amount": 1, "task_id": "a"},
        {"amount": 2, "description": "y", "task_id": "a"},
        ["amount", "description"],
    ),
    "kind": ("grant", {"kind": "permanent", "amount": 1}, {"kind": "subscription", "amount": 1}, ["kind"]),
    "source": (
        "grant",
        {"kind": "permanent", "amount": 1, "source": "promotion"},
        {"kind": "permanent", "amount": 1, "source": "topup"},
        ["source"],
    ),
    "expires_at": (
        "grant",
        {"kind": "subscription", "amount": 1, "expires_at": "2099-01-01T00:00:00Z"},
        {"kind": "subscription", "amount": 1, "expires_at": "2099-01-01T00:00:01Z"},
        ["expires_at"],
    ),
    "reason": ("freeze", {"reason": "a"}, {"reason": "b"}, ["reason"]),
    "labels": ("update", {"labels": {"plan": "a"}}, {"labels": {"plan": None}, "reason": "b"}, ["labels", "reason"]),
    "seconds": (
        "hold",
        {"amount": 1, "expires_in_seconds": 60},
        {"amount": 1, "expires_in_seconds": 61},
        ["expires_in_seconds"],
    ),
    "grant of a payment": (
        "payment",
        payment("pay-9", grant={"kind": "permanent", "amount": 1}),
        payment("pay-9", grant={"kind": "permanent", "amount": 2}),
        ["grant"],
    ),
    "money": (
        "payment",
        payment("pay-8"),
        payment("pay-8", amount_minor=1, currency="EUR"),
        ["amount_minor", "currency"],
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_another_body_under_a_used_key_is_refused_by_its_fields(service: Service, case: str) -> None:
    operation, before, now, fields = DIFFERENT[case]
    account = staged(service)
    first = Ask(operation, account, before).post(service, "k")
    assert first.status_code == 201, first.text
    document = refused(Ask(operation, account, now).post(service, "k"), 422, "idempotency_key_reused")
    assert document["version"] == first.json()["version"]
    assert document["idempotency_key"] == "k"
    assert sorted(document["fields"]) == fields
    assert version(service, account) == first.json()["version"]
    assert is_replay(Ask(operation, account, before).post(service, "k"), first)


def test_another_thing_in_the_path_is_another_body(service: Service) -> None:
    account = staged(service)
    made = Ask("deduct", account, {"amount": 1}).post(service, "d").json()
    assert Ask("reverse", account, {"amount": 1}, {"deduction_id": "ded_4"}).post(service, "k").status_code == 201
    other = Ask("reverse", account, {"amount": 1}, {"deduction_id": made["deduction_id"]}).post(service, "k")
    refused(other, 422, "idempotency_key_reused", fields=["deduction_id"])


@pytest.mark.parametrize(
    "times",
    [
        ("2099-06-01T12:00:00Z", "2099-06-01T14:00:00+02:00", "2099-06-01T06:15:00-05:45", "2099-06-01T12:00:00.000Z"),
        ("2099-06-01T12:00:00.25+00:00", "2099-06-01T12:00:00.250000Z"),
    ],
)
def test_the_same_instant_written_otherwise_is_the_same_body(service: Service, times: tuple[str, ...]) -> None:
    account = service.open_account()
    body = {"kind": "subscription", "amount": 1}
    first, *others = [Ask("grant", account, {**body, "expires_at": at}).post(service, "k") for at in times]
    assert all(is_replay(other, first) for other in others)


def test_order_white_space_and_nulls_do_not_make_another_body(service: Service) -> None:
    account = service.open_account(permanent=9)
    path = f"/v1/accounts/{account}/deductions"
    bodies = (
        '{"amount":1,"metadata":{"a":1,"b":[2,3]},"usage":{"model":"m","metric":"t"}}',
        '{ "usage": {"metric": "t", "model": "m", "project": null}, "metadata": {"b": [2, 3], "a": 1}, "amount": 1 }',
        '{"amount":1,"task_id":null,"metadata":{"a":1,"b":[2,3]},"usage":{"model":"m","metric":"t"},"description":null}',
    )
    first, *others = [
        service.client.post(path, content=body, headers={"Idempotency-Key": "k", "Content-Type": "application/json"})
        for body in bodies
    ]
    assert all(is_replay(other, first) for other in others)


# Keys -------------------------------------------------------------------------------------------------------------

OWN: dict[str, tuple[Json, str]] = {
    "grant": ({"kind": "permanent", "amount": 1}, "transaction_id"),
    "deduct": ({"amount": 1}, "task_id"),
    "payment": (payment("x"), "payment_id"),
    "payment_refund": ({"amount_minor": 1}, "refund_id"),
    "payment_dispute": ({"amount_minor": 1, "state": "open"}, "dispute_id"),
}


@pytest.mark.parametrize("operation", OWN)
def test_a_business_id_is_the_key_when_there_is_no_header(service: Service, operation: str) -> None:
    body, own = OWN[operation]
    ask = Ask(operation, staged(service), body, {"payment_id": "pay-1"} if operation.startswith("payment_") else {})
    first = ask.but(**{own: "né/1"}).post(service)
    assert is_replay(ask.but(**{own: "né/1"}).post(service), first)
    another = ask.but(**{own: "né/2"}).post(service)
    assert another.status_code == 201
    assert another.json()["version"] > first.json()["version"]


def test_the_header_beats_the_business_id(service: Service) -> None:
    account = service.open_account(permanent=9)
    ask = Ask("deduct", account, {"amount": 1, "task_id": "t"})
    first = ask.post(service, "one")
    assert is_replay(ask.post(service, "one"), first)
    assert ask.post(service, "two").status_code == 201
    assert ask.post(service).status_code == 201  # and the key "t" was free still
    assert balance(service, account)["total"] == 6
    refused(Ask("deduct", account, {"amount": 1, "task_id": "u"}).post(service, "one"), 422, "idempotency_key_reused")


def test_a_hold_takes_no_key_from_its_task(service: Service) -> None:
    for name in (
        "update",
        "hold",
        "reverse",
        "capture",
        "extend",
        "release",
        "void",
        "freeze",
        "unfreeze",
        "close",
        "reopen",
        "change_expiry",
    ):
        ask = asks(staged(service))[name]
        refused(ask.post(service), 400, "idempotency_key_required")
        assert version(service, ask.account) == STAGED_VERSION
    refused(Ask("hold", staged(service), {"amount": 1, "task_id": "t"}).post(service), 400, "idempotency_key_required")


def test_a_key_belongs_to_its_account_and_operation(service: Service) -> None:
    one, two = staged(service), staged(service)
    answers = [
        asks(account)[name].post(service, "k") for account in (one, two) for name in OPERATIONS if name != "close"
    ]
    released = [answer for answer in answers if answer.status_code == 409]
    assert {answer.json()["code"] for answer in released} == {"hold_already_captured"}
    assert [answer.status_code for answer in answers if answer not in released] == [201] * (
        len(answers) - len(released)
    )


def test_a_refusal_does_not_use_up_its_key(service: Service) -> None:
    account = service.open_account(permanent=5)
    task = Ask("deduct", account, {"amount": 8, "task_id": "t"})
    for _ in range(2):
        refused(task.post(service), 402, "insufficient_credits", required=8, available=5, shortfall=3)
    assert Ask("grant", account, {"kind": "permanent", "amount": 3}).post(service, "top-up").status_code == 201
    first = task.post(service)
    assert first.json()["balance_after"] == 0
    assert is_replay(task.post(service), first)


# Openings ---------------------------------------------------------------------------------------------------------


def test_an_account_is_opened_once_under_whatever_key(service: Service) -> None:
    account = fresh()
    ask = Ask("open", account, {"account_id": account, "signup_credits": 7, "metadata": {"plan": "free"}})
    first = ask.post(service)
    assert is_replay(ask.post(service), first)
    assert is_replay(ask.post(service, "another-key"), first)
    assert is_replay(ask.post(service, account), first)
    facts: Json = {"account_id": account, "version": 1, "fields": ["signup_credits"]}
    for key in (None, "another-key", account):
        refused(ask.but(signup_credits=8).post(service, key), 409, "account_exists_with_different_body", **facts)
    assert version(service, account) == 2


def test_an_opening_under_a_key_of_its_own_tells_a_used_key_from_a_known_account(service: Service) -> None:
    account = fresh()
    ask = Ask("open", account, {"account_id": account, "signup_credits": 7})
    first = ask.post(service, "mine")
    assert is_replay(ask.post(service), first)
    other = ask.but(metadata={"a": 1})
    refused(other.post(service, "mine"), 422, "idempotency_key_reused", fields=["metadata"], version=2)
    for key in (None, "not-mine"):
        document = refused(other.post(service, key), 409, "account_exists_with_different_body")
        assert document["fields"] == ["metadata"]


# At the same time -------------------------------------------------------------------------------------------------


def together(service: Service, count: int, ask: Callable[[int], Ask]) -> list[httpx.Response]:
    """The answers to requests that start at the same moment, each on a connection of its own."""
    ready = Barrier(count)

    def post(n: int) -> httpx.Response:
        with httpx.Client(headers=service.client.headers, timeout=30, trust_env=False, verify=PLAIN) as client:
            ready.wait(30)
            return client.post(service.url + ask(n).path, json=ask(n).body, headers={"Idempotency-Key": "k"})

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(post, range(count)))


@pytest.mark.parametrize("operation", ["deduct", "capture", "open", "payment"])
@pytest.mark.parametrize("count", [2, 50])
def test_at_the_same_time_one_is_carried_out_and_the_rest_are_replays(
    service: Service, operation: str, count: int
) -> None:
    ask = asks(staged(service))[operation]
    before = version(service, ask.account) or 0
    answers = together(service, count, lambda _: ask)
    [first] = [answer for answer in answers if answer.status_code == 201]
    assert all(is_replay(answer, first) for answer in answers if answer is not first)
    assert version(service, ask.account) == first.json()["version"] > before


def test_at_the_same_time_with_different_bodies_one_wins_and_the_rest_hear_what_differs(service: Service) -> None:
    account = service.open_account(permanent=1_000)
    answers = together(service, 20, lambda n: Ask("deduct", account, {"amount": n + 1}))
    [first] = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer is not first:
            refused(answer, 422, "idempotency_key_reused", fields=["amount"], version=3)
    assert balance(service, account)["total"] == 1_000 - first.json()["deducted"]


def test_at_the_same_time_no_refused_key_blocks_the_others(service: Service) -> None:
    account = service.open_account(permanent=5)
    answers = together(service, 20, lambda _: Ask("deduct", account, {"amount": 6}))
    for answer in answers:
        refused(answer, 402, "insufficient_credits")
    assert version(service, account) == 2
