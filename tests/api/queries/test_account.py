"""One account, and what it says about itself: opened with, corrected, erased; and found by its labels."""

from typing import Any

from tests.api.queries.test_lists import listed
from tests.api.stage import Ask, Json, eventually, field_errors, fresh, refused, staged
from tests.commands import command
from tests.service import Service


def account_of(service: Service, account: str) -> Json:
    response = service.get(f"/v1/accounts/{account}")
    assert response.status_code == 200, response.text
    found: Json = response.json()
    assert response.headers["etag"] == f'"{found["version"]}"'
    return found


def updated(service: Service, account: str, key: str, **body: Any) -> Json:
    response = Ask("update", account, body).post(service, key)
    assert response.status_code == 201, response.text
    answer: Json = response.json()
    return answer


def profile(found: Json) -> tuple[Any, ...]:
    return found["description"], found["metadata"], found["labels"]


def test_an_account_has_what_it_was_opened_with_and_what_was_corrected(service: Service) -> None:
    account = fresh()
    body = {"account_id": account, "signup_credits": 7, "description": "A team", "metadata": {"a": [1], "b": 2}}
    opened = service.post("/v1/accounts", {**body, "labels": {"plan": "free", "region": "eu"}}).json()
    found = account_of(service, account)
    assert profile(found) == ("A team", {"a": [1], "b": 2}, {"plan": "free", "region": "eu"})
    assert (found["standing"], found["version"], found["position"]) == ("active", 2, opened["position"])
    assert (found["opened_at"], found["last_activity_at"]) == (opened["recorded_at"],) * 2
    assert found["balance"] == opened["balance"]

    answer = updated(service, account, "1", labels={"plan": "pro", "region": None}, reason="upgraded")
    assert answer["labels"] == {"plan": "pro"}
    assert profile(account_of(service, account)) == ("A team", {"a": [1], "b": 2}, {"plan": "pro"})
    assert "labels" not in updated(service, account, "2", metadata={"c": 3})
    assert profile(account_of(service, account)) == ("A team", {"c": 3}, {"plan": "pro"})
    updated(service, account, "3", description="", metadata={})
    assert profile(account_of(service, account)) == (None, None, {"plan": "pro"})
    last = updated(service, account, "4", description="Ours", metadata={"d": 4}, labels=dict.fromkeys(["plan"]))
    assert profile(found := account_of(service, account)) == ("Ours", {"d": 4}, {})
    assert (found["opened_at"], found["last_activity_at"]) == (opened["recorded_at"], last["recorded_at"])
    assert Ask("update", account, {"description": "x"}).post(service, "5", **{"If-Match": '"3"'}).status_code == 412


def test_an_erasure_takes_texts_and_leaves_labels(service: Service) -> None:
    account = staged(service)
    updated(service, account, "1", description="Ada", metadata={"name": "Ada"}, labels={"plan": "pro"}, reason="Ada")
    assert command(service.conninfo, "erase", account, "--yes").status == 0
    assert profile(account_of(service, account)) == (None, None, {"plan": "pro"})
    events = service.get(f"/v1/accounts/{account}/events").json()["events"]
    [event] = [event for event in events if event["type"] == "AccountUpdated"]
    assert (event["erased"], event["data"]["labels"]) == (["description", "metadata", "reason"], {"plan": "pro"})
    updated(service, account, "2", description="new")
    assert profile(account_of(service, account)) == ("new", None, {"plan": "pro"})


def test_updates_that_are_wrong(service: Service) -> None:
    account = staged(service)
    wrong: list[tuple[Json, str]] = [
        ({"labels": {"a/b": "c"}}, "labels.a/b"),
        ({"labels": {"a": ""}}, "labels.a"),
        ({"labels": {"a": 7}}, "labels.a"),
        ({"labels": {"a": "x" * 101}}, "labels.a"),
        ({"labels": {"a": "b\nc"}}, "labels.a"),
        ({"labels": {f"l{number}": None for number in range(33)}}, "labels"),
        ({"labels": {f"l{number}": None for number in range(5_000)}}, "labels"),
        ({"labels": ["plan"]}, "labels"),
        ({"plan": "pro"}, "plan"),
    ]
    for body, field in wrong:
        assert list(field_errors(Ask("update", account, body).post(service, "w"))) == [field], body
    refused(service.get(f"/v1/accounts/{fresh()}"), 404, "account_not_found")


def test_accounts_are_found_by_labels_and_standing(service: Service) -> None:
    """Against the naive answer, with every page size and order, over labels that are common and rare."""
    plan, rows = fresh("plan"), []
    for number in range(12):
        account = fresh("labelled")
        labels = {"of": plan, "parity": str(number % 2), "third": str(number % 3), f"only-{number}": "x y=z&"}
        answer = service.post("/v1/accounts", {"account_id": account, "signup_credits": number % 5, "labels": labels})
        assert answer.status_code == 201
        if number % 4 == 0:
            assert Ask("freeze", account).post(service, "f").status_code == 201
        rows.append((account, labels, "frozen" if number % 4 == 0 else "active", number % 5))
    position = updated(service, rows[0][0], "last", labels={"parity": "1"})["position"]
    rows[0][1]["parity"] = "1"
    eventually(lambda: service.get("/v1/accounts", min_position=position, limit=1).status_code == 200)
    wanted: list[dict[str, str]] = [
        {},
        {"parity": "1"},
        {"third": "2", "parity": "0"},
        {"only-3": "x y=z&"},
        {"no": "1"},
    ]
    for labels in wanted:
        for standing in (None, "active", "frozen", "closed"):
            asked = {f"label.{name}": value for name, value in {"of": plan, **labels}.items()}
            expected = sorted(
                account
                for account, own, stands, _ in rows
                if labels.items() <= own.items() and standing in (None, stands)
            )
            for sort in ("account_id", "balance", "activity"):
                said = {**asked, "sort": sort, **({"standing": standing} if standing else {})}
                found = listed(service, "", "accounts", limit=5, **said)
                names = [row["account_id"] for row in found]
                assert sorted(names) == expected, said
                if sort == "account_id":
                    assert names == expected
                if sort == "balance":
                    assert [row["total"] for row in found] == sorted((row["total"] for row in found), reverse=True)
    [one] = listed(service, "", "accounts", **{"label.only-3": "x y=z&", "label.of": plan})
    assert one["labels"] == rows[3][1]
    assert listed(service, "", "accounts", prefix=rows[3][0], **{"label.of": plan})[0]["account_id"] == rows[3][0]


def test_filters_that_are_wrong(service: Service) -> None:
    for asked, field in [
        ({"label": "plan"}, "label"),
        ({"label.": "x"}, "label."),
        ({"label.a b": "x"}, "label.a b"),
        ({"label.plan": ""}, "label.plan"),
        ({"label.plan": "x" * 101}, "label.plan"),
        ({"standing": "gone"}, "standing"),
        ({"labels.plan": "x"}, "labels.plan"),
        ({f"label.l{number}": "x" for number in range(17)}, "label"),
    ]:
        assert list(field_errors(service.get("/v1/accounts", **asked))) == [field], asked
    twice = service.client.get("/v1/accounts?label.plan=a&label.plan=b")
    assert list(field_errors(twice)) == ["label.plan"]
    page = service.get("/v1/accounts", limit=1).json()
    other = service.get("/v1/accounts", limit=1, cursor=page["next_cursor"], **{"label.plan": "pro"})
    assert list(field_errors(other)) == ["cursor"]
