"""Limits over HTTP: what they refuse, what answers say of them, and what is left of them."""

from tests.api.stage import Ask, Json, field_errors, fresh, refused
from tests.service import Service

MONTH = {"every": "month", "zone": "Europe/Berlin"}
LIMITS: list[Json] = [
    {"limit_id": "member-month", "amount": 100, "each": ["member"], "period": MONTH, "allowances": {"bob": 30}},
    {"limit_id": "gpt", "amount": 60, "only": {"model": "gpt-5"}, "period": {"seconds": 3600}, "hard": False},
    {"limit_id": "queries", "amount": 5, "unit": "rag_query", "near": [50, 90]},
]


def team(service: Service) -> str:
    account = fresh("team")
    Ask("open", account, {"account_id": account, "signup_credits": 1_000}).post(service)
    answer = Ask("limits", account, {"source": "plan", "limits": LIMITS}).post(service, "plan")
    assert answer.status_code == 201, answer.text
    assert answer.json()["kept"] == []
    return account


def left(service: Service, account: str, **usage: str) -> Json:
    found = service.get(f"/v1/accounts/{account}/limits", **usage)
    assert found.status_code == 200, found.text
    answer: Json = found.json()
    return answer


def used(answer: Json) -> dict[str, list[tuple[str | None, int, int]]]:
    return {
        limit["limit_id"]: [(one["value"], one["used"], one["headroom"]) for one in limit["counters"]]
        for limit in answer["limits"]
    }


def test_a_refusal_names_the_binding_limit_and_all_others(service: Service) -> None:
    account = team(service)
    deduct = Ask("deduct", account, {"amount": 70, "usage": {"member": "ada", "model": "gpt-5"}})
    first = deduct.post(service, "one")
    assert first.status_code == 201
    assert [
        (one["limit_id"], one["value"], one["used"], one["headroom"], one["over"]) for one in first.json()["limits"]
    ] == [
        ("member-month", "ada", 70, 30, 0),
        ("gpt", None, 70, 0, 10),
    ]
    problem = refused(
        deduct.post(service, "two"), 402, "limit_reached", required=70, headroom=30, shortfall=40, available=930
    )
    assert problem["binding"] == problem["limits"][0]
    assert [limit["limit_id"] for limit in problem["limits"]] == ["member-month", "gpt"]
    assert problem["binding"]["each"] == {"member": "ada"}
    assert problem["binding"]["period"] == {**MONTH, "starts": 1}
    assert problem["detail"].startswith("Member ada may use 30 more credits until ")
    dry = deduct.post(service, "three", "?dry_run=true")
    refused(dry, 402, "limit_reached")

    again = deduct.post(service, "one")  # the original answer, whatever the limits are now
    Ask("limits", account, {"source": "plan", "limits": []}).post(service, "none")
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (200, first.json(), "true")
    assert "limits" not in deduct.post(service, "four").json()


def test_a_batch_counts_as_it_goes_and_an_atomic_one_counts_nothing_when_it_is_refused(service: Service) -> None:
    account = team(service)
    meters = [
        Ask("meter", account, {"quantity": 2, "task_id": f"t{n}", "usage": {"metric": "rag_query"}}).item()
        for n in range(3)
    ]
    together = service.post("/v1/batch", {"commands": meters, "atomic": True})
    refused(together, 409, "batch_refused", index=2)
    alone = service.post("/v1/batch", {"commands": meters}).json()["results"]
    assert [one["status"] for one in alone] == [201, 201, 402]
    assert alone[2]["binding"]["limit_id"] == "queries"
    assert used(left(service, account, metric="rag_query"))["queries"] == [(None, 4, 1)]


def test_holds_captures_and_reversals_move_counters(service: Service) -> None:
    account = team(service)
    usage = {"member": "bob", "metric": "rag_query", "quantity": 4}
    hold = Ask("hold", account, {"amount": 25, "usage": usage}).post(service, "h").json()
    assert used(left(service, account, member="bob"))["member-month"] == [("bob", 25, 5)]
    refused(Ask("hold", account, {"amount": 6, "usage": usage}).post(service, "h2"), 402, "limit_reached", headroom=1)
    other = Ask("capture", account, {"usage": {"member": "ada"}}, {"hold_id": hold["hold_id"]})
    refused(other.post(service, "c"), 422, "usage_conflicts_with_hold", field="usage.member")
    capture = Ask("capture", account, {"amount": 10, "usage": {"quantity": 1}}, {"hold_id": hold["hold_id"]})
    captured = capture.post(service, "c").json()
    assert [(one["limit_id"], one["used"]) for one in captured["limits"]] == [("member-month", 10), ("queries", 1)]
    reversal = Ask("reverse", account, {}, {"deduction_id": captured["deduction_id"]}).post(service, "r").json()
    assert [(one["limit_id"], one["used"]) for one in reversal["limits"]] == [("member-month", 0), ("queries", 0)]
    explained = service.get(f"/v1/accounts/{account}/explain", version=captured["version"]).json()
    assert explained["sound"]
    assert [(one["before"], one["change"], one["after"]) for one in explained["counts"]] == [(25, -15, 10), (4, -3, 1)]
    assert explained["counts"][1]["why"] == "limit queries: 4 - 3 = 1 of 5"


def test_what_is_left_is_told_for_all_and_for_some_usage(service: Service) -> None:
    account = team(service)
    for member, amount in (("ada", 20), ("eve", 40)):
        Ask("deduct", account, {"amount": amount, "usage": {"member": member, "model": "m"}}).post(service, member)
    Ask("allowance", account, {"value": "eve", "amount": 50}, {"limit_id": "member-month"}).post(service, "a")
    whole = left(service, account)
    assert used(whole) == {
        "member-month": [("eve", 40, 10), ("ada", 20, 80), ("bob", 0, 30)],
        "gpt": [(None, 0, 60)],
        "queries": [(None, 0, 5)],
    }
    assert (whole["available"], whole["spendable"], whole["binding"]) == (940, 940, None)
    of_eve = left(service, account, member="eve", model="m")
    assert used(of_eve) == {"member-month": [("eve", 40, 10)], "queries": [(None, 0, 5)]}
    assert (of_eve["spendable"], of_eve["binding"]) == (10, "member-month")
    assert used(left(service, account, member="new", metric="other")).keys() == {"member-month", "gpt"}
    refused(service.get("/v1/accounts/nobody/limits"), 404, "account_not_found")
    assert left(service, _without_limits(service))["limits"] == []


def _without_limits(service: Service) -> str:
    account = fresh()
    Ask("open", account, {"account_id": account}).post(service)
    return account


def test_limits_that_cannot_be_are_refused_by_name(service: Service) -> None:
    account = _without_limits(service)
    good = {"limit_id": "one", "amount": 1}
    for wrong, field in (
        ({"period": {}}, "limits.0.period"),
        ({"period": {"every": "day", "seconds": 60}}, "limits.0.period"),
        ({"period": {"every": "day", "starts": 2}}, "limits.0.period.starts"),
        ({"period": {"every": "week", "starts": 8}}, "limits.0.period.starts"),
        ({"period": {"every": "day", "zone": "Mars"}}, "limits.0.period.zone"),
        ({"period": {"seconds": 59}}, "limits.0.period.seconds"),
        ({"each": ["colour"]}, "limits.0.each.0"),
        ({"each": ["member", "model"]}, "limits.0.each"),
        ({"each": ["member"], "only": {"member": "ada"}}, "limits.0.only.member"),
        ({"only": {"colour": "red"}}, "limits.0.only.colour"),
        ({"allowances": {"ada": 1}}, "limits.0.allowances"),
        ({"each": ["member"], "used": 3}, "limits.0.used"),
        ({"used": 0.5}, "limits.0.used"),
        ({"used": []}, "limits.0.used"),
        ({"each": ["member"], "used": {"ada": -1}}, "limits.0.used.ada"),
        ({"near": [0]}, "limits.0.near.0"),
        ({"amount": -1}, "limits.0.amount"),
        ({"limit_id": "a/b"}, "limits.0.limit_id"),
    ):
        answer = Ask("limits", account, {"source": "plan", "limits": [{**good, **wrong}]}).post(service, "k")
        assert list(field_errors(answer)) == [field], wrong
    twice = Ask("limits", account, {"source": "plan", "limits": [good, good]}).post(service, "k")
    assert list(field_errors(twice)) == ["limits"]


def test_a_deduction_of_nothing_is_told_to_meter(service: Service) -> None:
    answer = Ask("deduct", team(service), {"amount": 0}).post(service, "k")
    assert "metered: POST /v1/accounts/{account_id}/usage" in field_errors(answer)["amount"]["message"]
