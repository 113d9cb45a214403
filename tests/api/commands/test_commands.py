"""Each command over HTTP: its answer, its effect, and its dry run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.contract.operations import OPERATIONS as SERVED
from tests.api.stage import (
    OPERATIONS,
    PATHS,
    STAGED_VERSION,
    Ask,
    Json,
    asks,
    balance,
    eventually,
    field_errors,
    fresh,
    payment,
    provider_of,
    refused,
    staged,
    version,
)
from tests.service import Service

# What each request of stage.asks answers: how many events it makes, what it did, and the balance after it as
# (subscription, permanent, held).
ANSWERS: dict[str, tuple[int, Json, tuple[int, int, int]]] = {
    "open": (2, {"standing": "active", "grant_id": "grt_2", "granted": 25}, (0, 25, 0)),
    "update": (1, {"labels": {"plan": "pro"}}, (70, 70, 40)),
    "grant": (1, {"grant_id": "grt_9", "granted": 5, "kind": "permanent", "expires_at": None}, (70, 75, 40)),
    "deduct": (
        1,
        {
            "deduction_id": "ded_9",
            "deducted": 50,
            "from_subscription": 30,
            "from_permanent": 20,
            "draws": [
                {"grant_id": "grt_3", "kind": "subscription", "amount": 30},
                {"grant_id": "grt_2", "kind": "permanent", "amount": 20},
            ],
            "balance_after": 90,
        },
        (40, 50, 40),
    ),
    "reverse": (1, {"deduction_id": "ded_4", "reversed": 10, "lapsed": 0, "cancelled": 0}, (80, 70, 40)),
    "hold": (
        1,
        {"hold_id": "hld_9", "held": 10, "draws": [{"grant_id": "grt_3", "kind": "subscription", "amount": 10}]},
        (70, 70, 50),
    ),
    "capture": (
        1,
        {
            "hold_id": "hld_5",
            "deduction_id": "ded_9",
            "captured": 15,
            "released": 25,
            "lapsed": 0,
            "cancelled": 0,
            "final": True,
            "deducted": 15,
            "from_subscription": 15,
            "from_permanent": 0,
            "draws": [{"grant_id": "grt_3", "kind": "subscription", "amount": 15}],
            "balance_after": 125,
        },
        (55, 70, 0),
    ),
    "extend": (1, {"hold_id": "hld_5", "lots_expire_at": None}, (70, 70, 40)),
    "release": (1, {"hold_id": "hld_5", "released": 40, "lapsed": 0, "cancelled": 0}, (70, 70, 0)),
    "void": (1, {"grant_id": "grt_7", "voided": 8, "uncollected": 0}, (70, 62, 40)),
    "payment": (
        2,
        {"payment_id": "pay-2", "payment_status": "paid", "grant_id": "grt_10", "granted": 3, "kind": "permanent"},
        (70, 73, 40),
    ),
    "payment_refund": (
        2,
        {
            "payment_id": "pay-1",
            "refund_id": "re-1",
            "refunded_minor": 1000,
            "grant_id": "grt_7",
            "voided": 20,
            "uncollected": 0,
        },
        (70, 50, 40),
    ),
    "payment_dispute": (
        1,
        {
            "payment_id": "pay-1",
            "dispute_id": "dp-1",
            "dispute_state": "open",
            "disputed_minor": 1000,
            "hold_id": "hld_9",
            "held": 20,
            "released": 0,
            "lapsed": 0,
            "cancelled": 0,
        },
        (70, 70, 60),
    ),
    "subscription": (
        2,
        {
            "subscription_id": "sub-1",
            "subscription_status": "active",
            "plan": "free",
            "plan_version": 1,
            "grant_id": "grt_10",
            "granted": 10,
            "kind": "subscription",
        },
        (80, 70, 40),
    ),
    "freeze": (1, {"standing": "frozen"}, (70, 70, 40)),
    "unfreeze": (1, {"standing": "active"}, (70, 70, 40)),
    "close": (1, {"standing": "closed"}, (70, 70, 40)),
    "reopen": (1, {"standing": "active"}, (70, 70, 40)),
    "limits": (1, {"source": "plan", "kept": ["queries"]}, (70, 70, 40)),
    "allowance": (1, {"limit_id": "queries", "value": "ada", "amount": 7}, (70, 70, 40)),
    "meter": (1, {"metric": "rag_query", "metered": 3}, (70, 70, 40)),
    "change_expiry": (
        1,
        {"grant_id": "grt_3", "kind": "subscription", "expires_at": "2099-01-31T12:00:00Z", "reinstated": 0},
        (70, 70, 40),
    ),
}
BALANCE = ("total", "held", "available", "subscription_credits", "permanent_credits", "subscription_expire_at")


def balance_of(answer: Json) -> Json:
    return {name: answer[name] for name in BALANCE}


def of(answer: Json, names: Any) -> Json:
    return {name: answer[name] for name in names}


def test_the_table_has_every_operation_at_its_address() -> None:
    assert {name: operation.path for name, operation in SERVED.items()} == PATHS
    assert list(ANSWERS) == OPERATIONS


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_command_answers_what_it_did_and_leaves_it_in_the_log(service: Service, operation: str) -> None:
    ask = asks(staged(service))[operation]
    events, did, (subscription, permanent, held) = ANSWERS[operation]
    before = version(service, ask.account) or 0
    response = ask.post(service, "the-key")
    answer = response.json()

    assert response.status_code == 201
    assert "idempotent-replayed" not in response.headers
    assert answer["account_id"] == ask.account
    assert answer["version"] == before + events
    assert of(answer, did) == did
    assert of(answer["balance"], BALANCE[:5]) == {
        "total": subscription + permanent,
        "held": held,
        "available": subscription + permanent - held,
        "subscription_credits": subscription,
        "permanent_credits": permanent,
    }
    now = balance(service, ask.account)
    assert (now["version"], now["position"]) == (answer["version"], answer["position"])
    assert balance_of(now) == answer["balance"]
    last = service.get(f"/v1/accounts/{ask.account}/events", after_version=answer["version"] - 1).json()["events"]
    assert [event["recorded_at"] for event in last] == [answer["recorded_at"]]
    assert last[0]["metadata"] == {
        "actor": "key:admin",
        "operation": operation,
        "idempotency_key": "the-key",
        "request_id": response.headers["x-request-id"],
    }


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_dry_run_says_the_same_and_records_nothing(service: Service, operation: str) -> None:
    ask = asks(staged(service))[operation]
    before = version(service, ask.account)
    rehearsed = ask.post(service, "the-key", "?dry_run=true")
    assert rehearsed.status_code == 200
    assert version(service, ask.account) == before
    assert service.get(f"/v1/accounts/{ask.account}/receipts/{operation}/the-key").status_code == 404

    done = ask.post(service, "the-key").json()
    answer = rehearsed.json()
    assert answer.pop("dry_run") is True
    assert answer.pop("position") is None
    assert answer.keys() == done.keys() - {"position"}
    moments = {"recorded_at", "expires_at"}  # between the two, time has passed
    assert of(answer, answer.keys() - moments) == of(done, answer.keys() - moments)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_dry_run_of_a_replay_is_the_original_answer(service: Service, operation: str) -> None:
    ask = asks(staged(service))[operation]
    done = ask.post(service, "the-key").json()
    rehearsed = ask.post(service, "the-key", "?dry_run=true")
    assert rehearsed.status_code == 200
    assert rehearsed.headers["idempotent-replayed"] == "true"
    assert rehearsed.json() == {**done, "dry_run": True}
    assert version(service, ask.account) == done["version"]


def test_a_dry_run_of_a_refusal_is_the_refusal(service: Service) -> None:
    account = staged(service)
    for ask in (
        Ask("deduct", account, {"amount": 101}),
        Ask("release", account, {}, {"hold_id": "hld_1"}),
        Ask("reverse", account, {"amount": 31}, {"deduction_id": "ded_4"}),
        Ask("grant", fresh("nobody"), {"kind": "permanent", "amount": 1}),
    ):
        rehearsed, done = ask.post(service, "k", "?dry_run=true"), ask.post(service, "k")
        assert rehearsed.status_code == done.status_code >= 400
        assert rehearsed.json() == done.json()
    assert version(service, account) == STAGED_VERSION


def test_dry_run_false_is_no_dry_run_and_other_words_are_refused(service: Service) -> None:
    ask = Ask("deduct", staged(service), {"amount": 1})
    for word in ("", "1", "True", "yes"):
        assert list(field_errors(ask.post(service, "k", f"?dry_run={word}"))) == ["dry_run"]
    assert list(field_errors(ask.post(service, "k", "?dryrun=true"))) == ["dryrun"]
    assert ask.post(service, "k", "?dry_run=false").status_code == 201
    assert ask.post(service, "k2", "?").status_code == 201
    assert ask.post(service, "k3", "?&").status_code == 201


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "open"])
def test_if_match_makes_a_command_conditional(service: Service, operation: str) -> None:
    ask = asks(staged(service))[operation]
    stale = {"expected": STAGED_VERSION - 1, "actual": STAGED_VERSION}
    refused(ask.post(service, "k", **{"If-Match": f'"{STAGED_VERSION - 1}"'}), 412, "version_mismatch", **stale)
    assert version(service, ask.account) == STAGED_VERSION
    done = ask.post(service, "k", **{"If-Match": f'"{STAGED_VERSION}"'})
    assert done.status_code == 201
    # Whoever lost the answer sends the same request again, and the version has moved on by then.
    again = ask.post(service, "k", **{"If-Match": f'"{STAGED_VERSION}"'})
    assert (again.status_code, again.content) == (200, done.content)


NOW, OLD = f'"{STAGED_VERSION}"', f'"{STAGED_VERSION - 1}"'
HOLDS = ["*", NOW, f"{OLD}, {NOW}", f'{NOW},"9"', f'"a,b" , ,W/{OLD},{NOW},', f'"\xe9", {NOW}']
HOLDS_NOT: dict[str, int | list[int]] = {
    OLD: STAGED_VERSION - 1,
    f"W/{NOW}": [],
    f"W/{NOW}, {OLD}": STAGED_VERSION - 1,
    f'{OLD}, "9"': [STAGED_VERSION - 1, 9],
    '"0"': 0,
    f'"0{STAGED_VERSION}"': [],
    '""': [],
    '"seven"': [],
    '"*"': [],
    '"-7"': [],
    '"7.0"': [],
    '"' + "7" * 19 + '"': [],
}
NO_TAGS = ["7", "", ",", '"7', '7"', "'7'", '"7" "8"', f"*, {NOW}", f"{NOW}, *", f"w/{NOW}", f"W/ {NOW}", "W/7", '"7 "']


def if_match(service: Service, account: str, *values: str) -> httpx.Response:
    """A deduction with some lines of If-Match, under a key of its own."""
    headers = [(b"If-Match", value.encode("latin-1")) for value in values]
    headers.append((b"Idempotency-Key", fresh("key").encode()))
    return service.client.post(Ask("deduct", account).path, json={"amount": 1}, headers=headers)


@pytest.mark.parametrize("value", HOLDS)
def test_if_match_holds_for_one_of_its_tags(service: Service, value: str) -> None:
    assert if_match(service, staged(service), value).status_code == 201


def test_if_match_that_does_not_hold_says_what_it_is_about(service: Service) -> None:
    account = staged(service)
    for value, expected in HOLDS_NOT.items():
        facts = {"expected": expected, "actual": STAGED_VERSION}
        refused(if_match(service, account, value), 412, "version_mismatch", **facts)
    assert version(service, account) == STAGED_VERSION


def test_a_malformed_if_match_is_refused(service: Service) -> None:
    account = staged(service)
    for value in NO_TAGS:
        assert list(field_errors(if_match(service, account, value))) == ["If-Match"], value
    assert list(field_errors(if_match(service, account, NOW, "*"))) == ["If-Match"]
    assert version(service, account) == STAGED_VERSION


def test_lines_of_if_match_are_one_list(service: Service) -> None:
    account = staged(service)
    refused(if_match(service, account, OLD, f"W/{NOW}"), 412, "version_mismatch")
    assert if_match(service, account, NOW, OLD).status_code == 201


@pytest.mark.parametrize("value", ["*", NOW, f"W/{NOW}"])
def test_where_there_is_no_account_that_is_the_answer(service: Service, value: str) -> None:
    refused(if_match(service, fresh(), value), 404, "account_not_found")


def test_an_opening_finds_no_account_to_match(service: Service) -> None:
    ask = asks(fresh())["open"]
    for value, expected in (("*", list[int]()), (NOW, STAGED_VERSION)):
        facts = {"expected": expected, "actual": 0}
        refused(ask.post(service, None, **{"If-Match": value}), 412, "version_mismatch", **facts)
        assert refused(ask.post(service, None, "?dry_run=true", **{"If-Match": value}), 412, "version_mismatch")
    assert version(service, ask.body["account_id"]) is None
    assert ask.post(service).status_code == 201
    assert ask.post(service, None, **{"If-Match": "*"}).status_code == 200
    other = ask.but(signup_credits=1)
    refused(other.post(service, None, **{"If-Match": "*"}), 409, "account_exists_with_different_body")


# Captures, reversals, voids, payments -----------------------------------------------------------------------------


def test_a_hold_is_captured_in_parts_until_the_final_one(service: Service) -> None:
    account = staged(service)
    hold = {"hold_id": "hld_5"}
    first = Ask("capture", account, {"amount": 10, "final": False}, hold).post(service, "1").json()
    assert (first["captured"], first["released"], first["balance"]["held"]) == (10, 0, 30)
    too_much = Ask("capture", account, {"amount": 31}, hold).post(service, "2")
    refused(too_much, 422, "amount_exceeds_hold", amount=31, held=30, excess=1)
    last = Ask("capture", account, {"amount": 31, "on_excess": "draw"}, hold).post(service, "3").json()
    assert (last["captured"], last["released"], last["balance"]["held"], last["balance"]["total"]) == (31, 0, 0, 99)
    after = Ask("capture", account, {}, hold).post(service, "4")
    refused(after, 409, "hold_already_captured", hold_id="hld_5")


def test_reversals_of_a_capture_add_up_and_one_too_many_is_refused(service: Service) -> None:
    account = staged(service)
    made = Ask("capture", account, {"amount": 30}, {"hold_id": "hld_5"}).post(service, "c").json()["deduction_id"]
    part = Ask("reverse", account, {"amount": 20, "reason": "half of it failed"}, {"deduction_id": made})
    assert part.post(service, "1").json()["balance"]["total"] == 130
    refused(part.post(service, "2"), 422, "amount_exceeds_deduction", amount=20, reversible=10)
    assert Ask("reverse", account, {}, {"deduction_id": made}).post(service, "3").json()["reversed"] == 10
    all_reversed = refused(
        Ask("reverse", account, {}, {"deduction_id": made}).post(service, "4"), 422, "amount_exceeds_deduction"
    )
    assert all_reversed["detail"] == "All of the deduction is reversed: there is nothing left to reverse."
    assert balance(service, account)["total"] == 140


def test_a_void_takes_what_there_is_and_closes_the_grant(service: Service) -> None:
    account = staged(service)
    grant = {"grant_id": "grt_3"}  # 100 granted, 30 spent, 40 held: 30 remain
    some = Ask("void", account, {"amount": 35}, grant).post(service, "1").json()
    assert (some["voided"], some["uncollected"]) == (30, 5)
    rest = Ask("void", account, {}, grant).post(service, "2").json()
    assert (rest["voided"], rest["uncollected"]) == (0, 0)
    back = Ask("release", account, {}, {"hold_id": "hld_5"}).post(service, "3").json()
    assert (back["released"], back["lapsed"], back["cancelled"], back["balance"]["total"]) == (40, 0, 40, 70)


def test_a_payment_that_bought_nothing_grants_nothing(service: Service) -> None:
    account = staged(service)
    failed = Ask("payment", account, payment("pay-3", status="failed", plan="pro-monthly")).post(service).json()
    assert (failed["payment_status"], failed["version"]) == ("failed", STAGED_VERSION + 1)
    assert "grant_id" not in failed
    bought = Ask("payment", account, payment("pay-4", status="failed", grant={"kind": "permanent", "amount": 1}))
    assert list(field_errors(bought.post(service))) == ["grant"]


def test_partial_refunds_void_in_proportion(service: Service) -> None:
    account = staged(service)
    pay = {"payment_id": "pay-1"}
    third = Ask("payment_refund", account, {"refund_id": "re-1", "amount_minor": 333}, pay).post(service).json()
    assert (third["refunded_minor"], third["voided"]) == (333, 6)
    refund = Ask("payment_refund", account, {"refund_id": "re-2", "amount_minor": 668}, pay)
    refused(refund.post(service), 422, "amount_exceeds_payment", amount_minor=668, refundable_minor=667)
    rest = Ask("payment_refund", account, {"refund_id": "re-3"}, pay).post(service).json()
    assert (rest["refunded_minor"], rest["voided"], rest["balance"]["total"]) == (667, 14, 120)
    again = Ask("payment_refund", account, {"refund_id": "re-4"}, pay).post(service)
    detail = "Nothing of the payment can be refunded: it was refunded, lost in disputes, or never paid."
    assert refused(again, 422, "amount_exceeds_payment", refundable_minor=0)["detail"] == detail


def test_a_payment_id_with_slashes_can_be_refunded(service: Service) -> None:
    account = staged(service)
    name = "order/7/é?#%2F"
    assert Ask("payment", account, payment(name)).post(service).status_code == 201
    refunded = Ask("payment_refund", account, {"refund_id": "re/1"}, {"payment_id": name}).post(service)
    assert (refunded.status_code, refunded.json()["payment_id"]) == (201, name)


def test_a_frozen_account_takes_no_spending_and_a_closed_one_nearly_nothing(service: Service) -> None:
    account = staged(service)
    assert asks(account)["freeze"].post(service, "f").status_code == 201
    for name in ("deduct", "hold", "extend"):
        refused(asks(account)[name].post(service, "x"), 409, "account_frozen", account_id=account)
    held = {"hold_id": "hld_5"}
    excess = Ask("capture", account, {"amount": 10_000, "on_excess": "draw"}, held)
    refused(excess.post(service, "x"), 409, "account_frozen", account_id=account)
    assert Ask("capture", account, {"amount": 1, "final": False}, held).post(service, "x").status_code == 201
    for name in ("update", "grant", "reverse"):
        assert asks(account)[name].post(service, "x").status_code == 201
    assert asks(account)["unfreeze"].post(service, "u").status_code == 201
    assert asks(account)["deduct"].post(service, "y").status_code == 201
    assert asks(account)["close"].post(service, "c").status_code == 201
    for name in (
        "update",
        "grant",
        "deduct",
        "hold",
        "capture",
        "extend",
        "payment",
        "subscription",
        "freeze",
        "unfreeze",
    ):
        refused(asks(account)[name].post(service, "z"), 409, "account_closed", account_id=account)
    for name in ("reverse", "release", "void", "payment_dispute", "payment_refund"):
        assert asks(account)[name].post(service, "z").status_code == 201
    assert Ask("payment", account, payment("pay-3", provider_of(account))).post(service).status_code == 201
    assert balance(service, account)["standing"] == "closed"


def test_a_closed_account_is_reopened_not_opened(service: Service) -> None:
    account = fresh()
    opening = Ask("open", account, {"account_id": account, "signup_credits": 9})
    first = opening.post(service)
    assert asks(account)["close"].post(service, "c").status_code == 201
    for ask in (opening, opening.but(signup_credits=10)):
        for key in (None, "another"):
            document = refused(ask.post(service, key), 409, "account_closed", account_id=account)
            assert "reopen it" in document["detail"]
    dry = refused(opening.post(service, query="?dry_run=true"), 409, "account_closed")
    assert dry["account_id"] == account
    alone, together = (
        service.post("/v1/batch", {"commands": [opening.item(), opening.item("other")], "atomic": atomic})
        for atomic in (False, True)
    )
    assert [(result["status"], result["code"]) for result in alone.json()["results"]] == [(409, "account_closed")] * 2
    assert refused(together, 409, "batch_refused")["cause"]["code"] == "account_closed"
    assert asks(account)["reopen"].post(service, "r").json()["balance"]["total"] == 9
    again = opening.post(service)
    assert (again.status_code, again.content) == (200, first.content)
    assert Ask("deduct", account, {"amount": 9}).post(service, "d").status_code == 201
    assert asks(account)["reopen"].post(service, "r").status_code == 200, "the same key again changes nothing"


def test_a_hold_comes_back_by_time_alone(service: Service) -> None:
    account = service.open_account(permanent=10)
    placed = Ask("hold", account, {"amount": 4, "expires_in_seconds": 2}).post(service, "h").json()
    assert balance(service, account)["available"] == 6
    eventually(lambda: bool(balance(service, account)["held"] == 0))
    found = balance(service, account)
    assert (found["total"], found["available"]) == (10, 10)
    assert found["as_of"] >= placed["expires_at"]
    hold = {"hold_id": placed["hold_id"]}
    for ask in (Ask("capture", account, {}, hold), Ask("extend", account, {"expires_in_seconds": 9}, hold)):
        refused(ask.post(service, "x"), 409, "hold_expired", hold_id=placed["hold_id"])


def test_a_hold_that_outlives_its_lots_says_so(service: Service) -> None:
    account = service.open_account(permanent=10)
    soon = datetime.now(UTC) + timedelta(days=1)
    grant = Ask("grant", account, {"kind": "subscription", "amount": 7, "expires_at": soon.isoformat()})
    lapses = grant.post(service, "g").json()["expires_at"]
    short = Ask("hold", account, {"amount": 5, "expires_in_seconds": 60}).post(service, "short").json()
    long = Ask("hold", account, {"amount": 3, "expires_in_seconds": 2 * 86_400}).post(service, "long").json()
    permanent = Ask("hold", account, {"amount": 3, "expires_in_seconds": 2 * 86_400}).post(service, "perm").json()
    assert [hold["lots_expire_at"] for hold in (short, long, permanent)] == [None, lapses, None]
    hold = {"hold_id": short["hold_id"]}
    longer = [Ask("extend", account, {"expires_in_seconds": n}, hold).post(service, f"{n}") for n in (90, 2 * 86_400)]
    assert [answer.json()["lots_expire_at"] for answer in longer] == [None, lapses]
    again = Ask("extend", account, {"expires_in_seconds": 2 * 86_400}, hold).post(service, f"{2 * 86_400}")
    assert again.content == longer[1].content


def test_credits_lapse_by_time_alone(service: Service) -> None:
    account = service.open_account(permanent=10)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    grant = Ask("grant", account, {"kind": "subscription", "amount": 7, "expires_at": soon.isoformat()})
    assert grant.post(service, "g").json()["balance"]["total"] == 17
    eventually(lambda: bool(balance(service, account)["total"] == 10))
    refused(Ask("deduct", account, {"amount": 11}).post(service, "d"), 402, "insufficient_credits", available=10)
    assert Ask("deduct", account, {"amount": 1}).post(service, "d").json()["balance_after"] == 9
