"""Requests that are wrong below their JSON: too large, cut off, without a good key. And anything at all."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.contract.operations import OPERATIONS as SERVED
from tests.api.stage import OPERATIONS, Json, asks, eventually, refused
from tests.service import ADMIN_KEY, Service

MAX_BODY = 64 * 1024
MAX_BATCH_BODY = 8 * 1024 * 1024
GOOD = '{"amount": 1, "task_id": "t"}'
HEADERS = {"Content-Type": "application/json", "Idempotency-Key": "k"}

unharmed = pytest.mark.usefixtures("unharmed")


def places(account: str) -> list[tuple[str, int]]:
    """A hot route, a route of the framework, the batch; and how large a body may be there."""
    start = f"/v1/accounts/{account}"
    return [(f"{start}/deductions", MAX_BODY), (f"{start}/grants", MAX_BODY), ("/v1/batch", MAX_BATCH_BODY)]


def chunks(size: int) -> Iterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(size // 1024):
        yield b" " * 1024
    yield b" " * (size % 1024)


# Too large --------------------------------------------------------------------------------------------------------


@unharmed
def test_a_body_that_is_too_large_is_refused_with_the_limit(service: Service, account: str) -> None:
    for path, limit in places(account):
        said = service.client.post(path, content=GOOD.encode().ljust(limit + 1), headers=HEADERS)
        refused(said, 413, "body_too_large", limit=limit)
        unsaid = service.client.post(path, content=chunks(limit + 1), headers=HEADERS)
        refused(unsaid, 413, "body_too_large", limit=limit)


@unharmed
def test_a_body_that_never_ends_is_refused_before_its_end(service: Service, account: str) -> None:
    for path, limit in places(account):
        with connected(service, path, "Transfer-Encoding: chunked") as caller:
            for _ in range(limit // 65_536 + 1):
                caller.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            assert b"413 " in head_of(caller)


def test_a_body_of_the_largest_size_is_read(service: Service, account: str) -> None:
    for content in (GOOD.encode().ljust(MAX_BODY), [GOOD.encode(), *chunks(MAX_BODY - len(GOOD))]):
        response = service.client.post(f"/v1/accounts/{account}/deductions", content=content, headers=HEADERS)
        assert response.status_code in {200, 201}, response.text


@unharmed
def test_a_declared_size_is_refused_before_anything_is_read(service: Service, account: str) -> None:
    for path, _ in places(account):
        with connected(service, path, f"Content-Length: {10**12}") as caller:
            assert b"413 " in head_of(caller)


# Cut off ----------------------------------------------------------------------------------------------------------


def connected(service: Service, path: str, *headers: str) -> "closing[socket.socket]":
    """A connection that has sent the head of a request."""
    caller = socket.create_connection(("127.0.0.1", service.port), timeout=60)
    lines = [f"POST {path} HTTP/1.1", "Host: ledger", f"Authorization: Bearer {ADMIN_KEY}", *headers, "", ""]
    caller.sendall("\r\n".join(lines).encode())
    return closing(caller)


def head_of(caller: socket.socket) -> bytes:
    """The head of the answer."""
    found = b""
    while b"\r\n\r\n" not in found:
        more = caller.recv(65_536)
        assert more, f"the connection was closed after {found!r}"
        found += more
    return found


@unharmed
def test_a_caller_that_leaves_in_the_middle_of_its_body_has_asked_for_nothing(service: Service, account: str) -> None:
    for path, _ in places(account):
        with connected(service, path, "Content-Length: 5000", "Content-Type: application/json") as caller:
            caller.sendall(GOOD.encode())
        with connected(service, path, "Transfer-Encoding: chunked", "Content-Type: application/json") as caller:
            caller.sendall(f"{len(GOOD):x}\r\n{GOOD}\r\n".encode())


def test_what_a_caller_asked_for_is_done_even_if_it_does_not_wait(service: Service, account: str) -> None:
    def waiting() -> bool:
        return "\ncredit_ledger_commands_waiting 9.0\n" in service.get("/metrics").text

    def done() -> bool:
        receipts = [f"/v1/accounts/{account}/receipts/deduct/left-{n}" for n in range(9)]
        return all(service.get(receipt).status_code == 200 for receipt in receipts)

    with psycopg.connect(service.conninfo) as other, ExitStack() as callers:
        other.execute("SELECT ledger.lock_appends()")  # nothing can be committed until this transaction ends
        for n in range(9):
            body = f'{{"amount": 1, "task_id": "left-{n}"}}'
            place = connected(service, f"/v1/accounts/{account}/deductions", f"Content-Length: {len(body)}")
            callers.enter_context(place).sendall(body.encode())
        eventually(waiting)
        callers.close()
        assert not done()
    eventually(done)


@unharmed
@pytest.mark.parametrize(
    "sent",
    [
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"POST /v1/batch HTTP/9.9\r\n\r\n",
        b"POST /v1/batch HTTP/1.1\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /v1/batch HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /v1/batch HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST /v1/batch HTTP/1.1\r\nA: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a browser that expects TLS
    ],
)
def test_what_is_not_http_ends_the_connection_alone(service: Service, sent: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=60)) as caller:
        try:
            caller.sendall(sent)
            caller.shutdown(socket.SHUT_WR)
            answer = caller.recv(65_536)
        except OSError:  # closed while we were still talking
            answer = b""
    assert b" 2" not in answer.partition(b"\r\n")[0]


# Keys -------------------------------------------------------------------------------------------------------------


@unharmed
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic YWRtaW46YWRtaW4=",
        ADMIN_KEY,
        f"Bearer {ADMIN_KEY}x",
        f"Bearer {ADMIN_KEY.upper()}",
        f"Bearer Bearer {ADMIN_KEY}",
        "Bearer clk_00000000_" + "A" * 32,
        "Bearer " + "k" * 10_000,
        "Bearer \xff\xfe",
        "Bearer ' OR 1=1 --",
    ],
)
def test_a_request_without_a_good_key_is_refused(service: Service, account: str, authorization: str | None) -> None:
    # Few: a process looks for unknown keys at a bounded rate.
    headers = {b"Authorization": (authorization or "").encode("latin-1")}
    if authorization is None:
        del service.client.headers["Authorization"]
        headers.clear()
    try:
        answers = [
            service.client.post(f"/v1/accounts/{account}/deductions", content=GOOD, headers=headers),
            service.client.get(f"/v1/accounts/{account}/balance", headers=headers),
        ]
    finally:
        service.client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
    for answer in answers:
        refused(answer, 401, "unauthenticated")


# Anything at all --------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted({name for operation in SERVED.values() for name in operation.body.model_fields}))
MORE_NAMES = st.sampled_from(["op", "idempotency_key", "if_match", "hold_id", "deduction_id", "grant_id", "commands"])
WORDS = st.sampled_from([*OPERATIONS, "permanent", "subscription", "paid", "USD", "ded_4", "hld_5", "grt_3", "pay-1"])
# Most would be refused for what they have; all are for what no command has.
OBJECTS = st.dictionaries(NAMES | MORE_NAMES, WORDS | JSON, max_size=8).map(lambda found: {**found, "colour": 1})
NO_OBJECTS = JSON.filter(lambda value: not isinstance(value, dict))
LIMITS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@unharmed
@LIMITS
@given(operation=st.sampled_from(OPERATIONS), body=OBJECTS | NO_OBJECTS)
def test_no_json_brings_more_than_a_problem(service: Service, account: str, operation: str, body: Any) -> None:
    response = service.client.post(asks(account)[operation].path, content=json.dumps(body), headers=HEADERS)
    refused(response, 422, "validation_failed")


@unharmed
@LIMITS
@given(commands=st.lists(OBJECTS | JSON, max_size=5), atomic=st.booleans())
def test_no_batch_brings_more_than_problems(service: Service, account: str, commands: list[Any], atomic: bool) -> None:  # noqa: FBT001
    known = [{**command, "account_id": account} if isinstance(command, dict) else command for command in commands]
    response = service.post("/v1/batch", {"commands": known, "atomic": atomic})
    if atomic and known:
        assert refused(response, 409, "batch_refused", index=0)["cause"]["code"] == "validation_failed"
    else:
        results: list[Json] = response.json()["results"]
        assert [result["code"] for result in results] == ["validation_failed"] * len(known)


@unharmed
@LIMITS
@given(content=st.binary(max_size=200), place=st.integers(0, 2))
def test_no_bytes_bring_more_than_a_problem(service: Service, account: str, content: bytes, place: int) -> None:
    response = service.client.post(places(account)[place][0], content=content, headers=HEADERS)
    assert response.status_code in {400, 422}, response.text


@unharmed
@LIMITS
@given(
    path=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), min_size=1, max_size=5), data=st.data()
)
def test_no_path_brings_more_than_a_problem(
    service: Service, account: str, path: list[str], data: st.DataObject
) -> None:
    method = data.draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]))
    head = data.draw(st.sampled_from(["/v1", "/v1/accounts", f"/v1/accounts/{account}", "/docs"]))
    response = service.client.request(method, head + "/" + "/".join(quote(part, safe="") for part in path))
    assert response.status_code < 500
    assert response.status_code >= 400 or method in {"GET", "OPTIONS"}, response.text
