"""Ambiguous requests are refused: what may come once and comes twice, and what is not UTF-8 when percent-decoded."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.contract.problems import Problem
from api.http.requests.ambiguity import repeated_names, repeats_names
from api.http.requests.request import read_batch, read_json
from tests.api.requests.test_bad_transport import connected, head_of
from tests.api.stage import Json, asks, field_errors, refused, staged
from tests.dashboard.guests import ROOT, guest, person
from tests.service import ADMIN_KEY, Service

unharmed = pytest.mark.usefixtures("unharmed")
HEADERS = {"Content-Type": "application/json", "Idempotency-Key": "k"}
NOT_UTF8 = ("%FF", "a%C3", "%C0%AF", "%ED%A0%80", "caf%E9")


def places(account: str) -> list[str]:
    """A hot route, a route of the framework, the batch, and links."""
    start = f"/v1/accounts/{account}"
    return [f"{start}/deductions", f"{start}/grants", "/v1/batch", "/v1/portal_sessions"]


# Headers ----------------------------------------------------------------------------------------------------------


@unharmed
def test_a_header_that_may_come_once_comes_once(service: Service, account: str) -> None:
    once = [("Idempotency-Key", "k", "l"), ("Content-Type", "application/json", "text/plain")]
    for path in places(account)[:3]:
        for name, first, second in once:
            sent = [*service.client.headers.items(), (name, first), (name, second)]
            sent = [item for item in sent if item[0].lower() != "content-type" or item[0] == name]
            answer = service.client.build_request("POST", path, content=b'{"amount": 1, "kind": "permanent"}')
            answer.headers = type(answer.headers)([*answer.headers.items(), (name, first), (name, second)])
            assert list(field_errors(service.client.send(answer))) == [name], path


@unharmed
def test_two_keys_are_no_key(service: Service, account: str) -> None:
    good = f"Bearer {ADMIN_KEY}"
    for path in (f"/v1/accounts/{account}/balance", *places(account)[:3]):
        for first, second in ((good, good), (good, "Bearer x"), ("Bearer x", good)):
            method = "GET" if path.endswith("balance") else "POST"
            with guest(service) as client:
                answer = client.request(method, path, headers=[("Authorization", first), ("Authorization", second)])
            refused(answer, 401, "unauthenticated")


@unharmed
def test_two_lengths_are_refused(service: Service, account: str) -> None:
    for lengths in ((1, 2), (2, 1), (2, 2)):
        headers = [f"Content-Length: {length}" for length in lengths]
        with connected(service, places(account)[0], *headers, "Idempotency-Key: k") as caller:
            caller.sendall(b"{}")
            try:
                head = head_of(caller)
            except AssertionError:
                continue  # the server closed the connection
            assert head.split()[1] in {b"400", b"422"}


def test_a_list_may_come_in_several_headers(service: Service, account: str) -> None:
    """As RFC 9110 has it for If-Match, and for whatever we do not read."""
    request = service.client.build_request("POST", places(account)[0], json={"amount": 1})
    more = [("If-Match", '"1"'), ("If-Match", '"8"'), ("X-Forwarded-For", "a"), ("X-Forwarded-For", "b")]
    request.headers = type(request.headers)([*request.headers.items(), *more, ("Idempotency-Key", "several")])
    assert service.client.send(request).status_code == 201


# Addresses --------------------------------------------------------------------------------------------------------


@unharmed
@pytest.mark.parametrize("name", NOT_UTF8)
def test_an_id_that_is_not_utf8_is_nobody(service: Service, account: str, name: str) -> None:
    start = f"/v1/accounts/{name}"
    for path in (f"{start}/balance", f"{start}/history", f"/v1/accounts/{account}/receipts/deduct/{name}"):
        assert list(field_errors(service.client.get(path))) == ["path"], path
    for path in (*places(name)[:2], f"{start}/payments/{name}/refunds"):
        assert list(field_errors(service.client.post(path, content=b"{}", headers=HEADERS))) == ["path"], path
    user = person(service, account)
    assert user.get(f"{ROOT}/accounts/{name}").status_code == 404
    assert guest(service).get(f"{ROOT}/portal/{name}").status_code == 422


def test_the_replacement_character_itself_is_a_character(service: Service) -> None:
    assert service.post("/v1/accounts", {"account_id": "\ufffd"}).status_code == 201
    assert service.get("/v1/accounts/%EF%BF%BD/balance").json()["account_id"] == "\ufffd"


@unharmed
def test_a_parameter_comes_once_and_is_utf8(service: Service, account: str) -> None:
    start, days = f"/v1/accounts/{account}", "from=2026-01-01&to=2026-01-02"
    twice = {
        f"{start}/balance?at=2026-01-01T00:00:00Z&at=2026-01-02T00:00:00Z": "at",
        f"{start}/history?limit=1&limit=1": "limit",
        f"{start}/history?limit=1&l%69mit=2": "limit",
        f"{start}/usage?{days}&from=2026-01-01": "from",
        "/v1/events?after=1&after=2": "after",
        "/v1/events/stream?after=1&after=2": "after",
        "/v1/accounts?prefix=%FF": "query",
        "/v1/accounts?prefix=caf%E9": "query",
        "/v1/accounts?%C0%AF=1": "query",
    }
    for path, field in twice.items():
        assert list(field_errors(service.client.get(path))) == [field], path
    for path in places(account)[:3]:
        for query, field in {"dry_run=true&dry_run=false": "dry_run", "dry_run=%FF": "query"}.items():
            answer = service.client.post(f"{path}?{query}", content=b"{}", headers=HEADERS)
            assert list(field_errors(answer)) == [field], path


def test_a_page_takes_a_parameter_and_a_field_once(service: Service, account: str) -> None:
    user = person(service, account)
    assert user.get(f"{ROOT}/accounts/{account}/usage?sort=newest&sort=oldest").status_code == 422
    assert user.get(f"{ROOT}/accounts/{account}/usage?task=%FF").status_code == 422
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    twice = user.post(f"{ROOT}/sign-out", content=b"csrf=a&csrf=b", headers=form)
    assert (twice.status_code, "a field twice" in twice.text) == (400, True)


# Names in JSON ----------------------------------------------------------------------------------------------------

TWICE = {
    '{"amount": 1, "amount": 1000}': "amount",
    '{"amount": 1, "amount": 1}': "amount",
    '{"amount": 1, "am\\u006funt": 1000}': "amount",
    '{"amount": 1, "task_id": "a:b", "task_id": "c"}': "task_id",
    '{"amount": 1, "metadata": {"a": {"b": 1, "b": 2}}}': "metadata.a.b",
    '{"amount": 1, "metadata": {"a": [{}, {"b": 1, "b": 2}]}}': "metadata.a.1.b",
    '{"amount": 1, "usage": {"model": "x", "model": "y"}}': "usage.model",
    '{"amount": 1, "amount": 2, "description": "\\u003a"}': "amount",
    '{"amount": 1, "amount": 2, "description": "\\\\u003A\\u003A"}': "amount",
    '{"amount": 1, "metadata": {"a": {"b:": 1}, "a": "c"}}': "metadata.a",
}


@unharmed
@pytest.mark.parametrize("body", TWICE)
def test_a_name_comes_once(service: Service, account: str, body: str) -> None:
    for path in (places(account)[0], places(account)[1]):
        assert list(field_errors(service.client.post(path, content=body, headers=HEADERS))) == [TWICE[body]]


@unharmed
def test_a_link_is_made_for_one_account(service: Service, account: str) -> None:
    body = f'{{"account_id": "{account}", "account_id": "somebody-else"}}'
    assert list(field_errors(service.client.post("/v1/portal_sessions", content=body, headers=HEADERS))) == [
        "account_id"
    ]


def test_a_batch_refuses_the_item_that_has_a_name_twice(service: Service) -> None:
    account = staged(service)
    good = json.dumps(asks(account)["deduct"].but(amount=1, description="ends at 12:00").item("good"))
    bad = f'{{"op": "deduct", "account_id": "{account}", "amount": 1, "amount": 2, "idempotency_key": "bad"}}'
    body = f'{{"commands": [{good}, {bad}]}}'
    results: list[Json] = service.client.post("/v1/batch", content=body, headers=HEADERS).json()["results"]
    assert [result["status"] for result in results] == [201, 422]
    assert [error["field"] for error in results[1]["errors"]] == ["amount"]
    atomic = service.client.post("/v1/batch", content=f'{{"atomic": true, {body[1:]}', headers=HEADERS)
    refused(atomic, 409, "batch_refused", index=1)
    for twice, field in (
        (f'{{"atomic": true, "atomic": false, {body[1:]}', "atomic"),
        ('{"commands": [], "commands": []}', "commands"),
    ):
        assert list(field_errors(service.client.post("/v1/batch", content=twice, headers=HEADERS))) == [field]


TEXT = st.text(st.sampled_from('a:\\"u003{}[],é\n'), max_size=8)
VALUES = st.recursive(
    st.integers(-9, 9) | TEXT | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(TEXT, inner), max_size=4).map(tuple),
    max_leaves=12,
)
"""Tuples of pairs are objects, which may have a name twice."""


def written(value: Any, escaped: Iterator[bool]) -> str:
    """As JSON, with some colons of texts as escapes."""
    if isinstance(value, tuple):
        return f"{{{', '.join(f'{written(name, escaped)} : {written(part, escaped)}' for name, part in value)}}}"
    if isinstance(value, list):
        return f"[{','.join(written(part, escaped) for part in value)}]"
    text = json.dumps(value)
    if isinstance(value, str):
        return "".join(next(escaped) if one == ":" else one for one in text)  # type: ignore[misc]
    return text


def has_twice(value: Any) -> bool:
    """The naive answer."""
    if isinstance(value, tuple):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(has_twice(part) for _, part in value)
    return isinstance(value, list) and any(map(has_twice, value))


@given(
    pairs=st.lists(st.tuples(TEXT, VALUES), max_size=4).map(tuple),
    colons=st.lists(st.sampled_from([":", "\\u003a", "\\u003A"]), min_size=1),
)
@example(pairs=(("a", 1), ("a", "\\u003a")), colons=[":"])
@example(pairs=(("a", 1), ("a", ":")), colons=["\\u003a"])
@example(pairs=(("a", "::"), ("a", 1)), colons=["\\u003a"])
def test_a_name_twice_is_found_however_it_is_written(pairs: Any, colons: list[str]) -> None:
    turns = (colons[n % len(colons)] for n in range(10**6))
    document = written(pairs, turns).encode()  # type: ignore[arg-type]
    assert repeats_names(document, orjson.loads(document)) == has_twice(pairs)
    assert bool(list(repeated_names(document))) == has_twice(pairs)


def test_an_item_is_told_of_its_own_names() -> None:
    item = '{"op": "deduct", "account_id": "a", "amount": 1, "amount": 2}'
    _, problems = read_batch(
        f'{{"commands": [{item}, {{"metadata": {{"n": 1e400}}}}, {item}]}}'.encode().replace(b"1e400", b"0.10")
    )
    assert {index: [one["field"] for one in problem.facts["errors"]] for index, problem in problems.items()} == {
        0: ["amount"],
        2: ["amount"],
    }


@unharmed
@pytest.mark.parametrize("depth", [240, 251, 260, 700, 1_000])
def test_a_name_twice_is_found_however_deep_it_is(service: Service, account: str, depth: int) -> None:
    """The encoder goes 254 levels deep, and a batch has three of them. What nobody can write is never recorded."""
    deep = '{"a":' * depth + '{"b": 1, "b": 2}' + "}" * depth
    body = f'{{"amount": 1, "metadata": {deep}}}'
    assert service.client.post(places(account)[0], content=body, headers=HEADERS).status_code in {400, 422}
    item = f'{{"op": "deduct", "account_id": "{account}", "idempotency_key": "deep", {body[1:]}'
    answer = service.client.post("/v1/batch", content=f'{{"commands": [{item}]}}', headers=HEADERS)
    assert answer.status_code == 400 or answer.json()["results"][0]["status"] == 422


TOO_DEEP = b"[" * 1_000 + b"]" * 1_000
"""Deeper than Python reads, and not deeper than orjson does."""


@pytest.mark.parametrize("twice", [b'"a": %s, "a": 1' % TOO_DEEP, b'"a": 1, "a": 2, "b": %s' % TOO_DEEP])
def test_a_name_twice_is_not_hidden_by_what_is_nested_too_deep(twice: bytes) -> None:
    command = b'{"op": "deduct", "account_id": "a", "amount": 1, %s}' % twice
    with pytest.raises(Problem, match="Not valid: a"):
        read_json(command)
    _, problems = read_batch(b'{"commands": [{}, %s]}' % command)
    assert {index: problem.detail for index, problem in problems.items()} == {1: "Not valid: a."}


def test_a_command_that_is_nested_too_deep_hides_no_number_of_another() -> None:
    rounded = b'{"op": "deduct", "account_id": "a", "amount": 1, "metadata": {"n": 0.10000000000000000001}}'
    _, problems = read_batch(b'{"commands": [%s, %s]}' % (TOO_DEEP, rounded))
    assert {index: problem.detail for index, problem in problems.items()} == {1: "Not valid: metadata.n."}
