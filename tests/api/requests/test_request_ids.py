"""Every answer has a request id: the caller's own, if it gave one, or one that the ledger makes."""

from importlib.metadata import version

import pytest

from tests.api.stage import Ask, eventually
from tests.service import Service

GIVEN = "trace:1/a+b=@_.-Z"
READ = (
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/v1/accounts",
    "/v1/nothing",
    "/nothing",
    "/dashboard/sign-in",
    "/docs",
)


@pytest.mark.parametrize("given", [GIVEN, None])
def test_every_answer_has_one(service: Service, account: str, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-Id": given}
    paths = [*READ, *(f"/v1/accounts/{account}/{end}" for end in ("balance", "history", "events", "nothing"))]
    answers = [service.client.get(path, headers=headers) for path in paths]
    body = {"amount": 1, "task_id": f"ids-{given}"}
    answers += [service.post(f"/v1/accounts/{account}/deductions", body, **headers) for _ in range(2)]
    answers += [service.post(path, {}, **headers) for path in ("/v1/batch", "/v1/accounts", "/v1/webhooks/none", "/x")]
    answers.append(service.client.get("/v1/accounts", headers={**headers, "Authorization": "Bearer none"}))
    assert {tuple(answer.headers.get_list("credit-ledger-version")) for answer in answers} == {
        (version("credit-ledger"),)
    }
    told = [answer.headers.get_list("x-request-id") for answer in answers]
    assert {len(one) for one in told} == {1}, [answer.request.url.path for answer in answers]
    if given is None:
        assert len({one[0] for one in told}) == len(told)
    else:
        assert {one[0] for one in told} == {given}


def test_an_event_begins_with_the_callers_and_a_repetition_is_still_one(service: Service, account: str) -> None:
    body = {"amount": 1, "task_id": "named"}
    first, again = (
        service.post(f"/v1/accounts/{account}/deductions", body, **{"X-Request-Id": "mine"}) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["idempotent-replayed"] == "true"
    eventually(lambda: len(service.get(f"/v1/accounts/{account}/events").json()["events"]) > 1)
    recorded = service.get(f"/v1/accounts/{account}/events").json()["events"]
    [event] = [one for one in recorded if one["type"] == "CreditsDeducted" and "named" in str(one)]
    assert event["metadata"]["request_id"].startswith("mine+")


@pytest.mark.parametrize("given", ["a b", "x" * 65, 'a"b', "{}"])
def test_others_are_ignored(service: Service, account: str, given: str) -> None:
    ask = Ask("deduct", account, {"amount": 1})
    answer = service.client.get(f"/v1/accounts/{account}/balance", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] != given
    assert ask.post(service, f"ignored-{len(given)}").headers["x-request-id"] != given
