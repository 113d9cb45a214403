"""What a stranger, or a client that leaves, can cost: limits of queries, errors, echoes and bodies."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import httpx
import pytest
from starlette.types import Message

from api.contract.operations import OPERATIONS as SERVED
from api.contract.problems import Problem
from api.contract.scopes import OPEN, ROUTES
from api.http.requests import request_body
from api.http.requests.request_body import ClientLeft, receive_body, refuse_late_bodies
from tests.api.stage import Ask, asks, field_errors, refused
from tests.attack.addresses import addresses as all_addresses
from tests.dashboard.guests import ROOT, all_leave, operator, token_in
from tests.postgres import TestServers
from tests.service import ADMIN_KEY, PLAIN, Service, running_service

LONG = "strangers-" * 12
"""Longer than what may be repeated, and short enough for an id."""


@pytest.fixture(autouse=True)
def _guests_leave() -> Iterator[None]:
    yield
    all_leave()


@pytest.fixture(scope="module")
def logged(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a log of its own."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, running_service(conninfo, tmp_path_factory.mktemp("logged")) as running:
        yield running


def addresses(account: str) -> list[tuple[str, str]]:
    """Every method and path of the API and the pages."""
    return [(one.method, one.path) for one in all_addresses(account)]


# Queries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["a=" + "x" * 4_095, "&".join(map(str, range(51)))], ids=["long", "many"])
def test_no_address_takes_a_large_query(service: Service, account: str, query: str) -> None:
    found = all_addresses(account)
    assert len(found) > 60
    for method, path, template in found:
        answer = httpx.request(method, f"{service.url}{path}?{query}", trust_env=False, verify=PLAIN)
        if path.startswith("/v1/") and ROUTES[f"{method} {template}"] != OPEN:
            refused(answer, 401, "unauthenticated")
            answer = service.client.request(method, f"{path}?{query}")
        assert answer.status_code == 414, (method, path)
        assert len(answer.content) < 4_000
        if path.startswith(f"{ROOT}/"):
            assert "content-security-policy" in answer.headers
            assert "The address is too long" in answer.text
        else:
            refused(answer, 414, "query_too_large", limit=4_096, parameters_limit=50)


def test_the_largest_query_is_read(service: Service, account: str) -> None:
    path = f"/v1/accounts/{account}/history"
    assert service.client.get(f"{path}?provider=x{'&' * 49}").status_code == 200
    errors = field_errors(service.client.get(f"{path}?tz={'x' * 4_093}"))
    assert list(errors) == ["tz"]


def test_of_many_errors_twenty_are_listed(service: Service, account: str) -> None:
    answer = service.client.get(f"/v1/accounts/{account}/balance?" + "&".join(map(str, range(50))))
    document = refused(answer, 422, "validation_failed", more_errors=30)
    assert len(document["errors"]) == 20
    assert document["detail"].endswith(", and 30 more.")


# Echoes -----------------------------------------------------------------------------------------------------------


def strange(account: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Requests with a long text wherever a caller can put one."""
    names = {"account_id": LONG, "grant_id": LONG, "deduction_id": LONG, "hold_id": LONG, "payment_id": LONG}
    names |= {"limit_id": LONG, "transfer_id": LONG, "subscription_id": LONG}
    key = {"Idempotency-Key": LONG}
    for ask in asks(account).values():
        path = SERVED[ask.operation].path.format(**{**names, "account_id": account})
        yield "POST", path, {"json": ask.body, "headers": key}
        yield "POST", path, {"json": {**ask.body, LONG: 1, "metadata": {LONG: 1e300}}, "headers": key}
        yield "POST", ask.path, {"json": dict.fromkeys(ask.body, LONG), "headers": key}
        yield "POST", ask.path, {"json": {}, "headers": {"If-Match": f'"{LONG}"', **key}}
        yield "POST", ask.path, {"json": {}, "headers": {"If-Match": ", ".join(f'"{n}"' for n in range(900)), **key}}
        yield "POST", f"{ask.path}?{LONG}=1", {"json": {}}
    yield "POST", "/v1/batch", {"json": {LONG: 1}}
    yield "POST", "/v1/batch", {"json": {"commands": [{"op": LONG}, {"op": "deduct", "account_id": LONG, LONG: 1}]}}
    yield "POST", "/v1/portal_sessions", {"json": {"account_id": LONG, LONG: LONG, "return_url": LONG}}
    yield "POST", "/v1/portal_sessions", {"json": {"account_id": LONG}}
    for kind in ("plans", "packages"):
        price = {"price": "p", "amount_minor": 1, "currency": "EUR", "products": {"stripe": LONG}}
        plan = {"name": "x", "credits": 1, "prices": [{**price, "interval": {"months": 1}}]}
        package = {"name": "x", "credits": 1, "prices": [price]}
        for name in (LONG, f"{LONG}-other"):
            yield "PUT", f"/v1/{kind}/{name}", {"json": plan if kind == "plans" else package}
        yield "PUT", f"/v1/{kind}/{LONG}", {"json": {LONG: 1, "name": LONG, "credits": LONG, "prices": [{LONG: LONG}]}}
        yield "GET", f"/v1/{kind}/{LONG}-none", {}
        yield "GET", f"{ROOT}/catalog/{kind}/{LONG}-none", {}
    for method, path in addresses(LONG):
        if method == "GET":
            yield method, path, {}
            yield method, path, {"params": {LONG: LONG, "cursor": LONG, "tz": LONG, "from": LONG, "after": LONG}}
    for path in (f"/{LONG}", f"/v1/{LONG}", f"{ROOT}/{LONG}", f"{ROOT}/come-in/{LONG}", f"/static-offline-docs/{LONG}"):
        yield "GET", path, {}
    yield "GET", f"/v1/accounts/{account}/receipts/deduct/{LONG}", {}
    yield "PUT", f"/v1/{LONG}", {}
    yield "POST", "/v1/checkouts", {"json": {"account_id": LONG, "plan": LONG, "return_url": LONG, LONG: LONG}}
    yield "POST", "/v1/webhooks/manual", {"json": {LONG: LONG}, "headers": {"webhook-id": LONG}}
    yield "POST", f"/v1/webhooks/{LONG}", {"json": {LONG: LONG}}
    yield "POST", "/v1/webhooks/stripe", {"json": {LONG: LONG}, "headers": {"Stripe-Signature": LONG}}
    for word in ("upgrade", "downgrade", "cancel", "reactivate"):
        yield "POST", f"/v1/accounts/{account}/subscription/{word}", {"json": {"plan": LONG, "reason": LONG, LONG: 1}}
        yield "POST", f"/v1/accounts/{LONG}/subscription/{word}", {"json": {"plan": LONG[:128]}}
    yield "POST", f"/v1/accounts/{account}/portal", {"json": {"return_url": LONG, "subscription_id": LONG}}
    for word in ("retry", "match", "dismiss"):
        body = {"account_id": account} if word == "match" else {}
        yield "POST", f"/v1/webhooks/{LONG}/{word}", {"json": body}
        yield "POST", f"/v1/webhooks/whk_1/{word}", {"json": {"account_id": LONG, "reason": LONG, LONG: 1}}


def test_no_answer_repeats_more_than_64_characters_of_a_caller(logged: Service) -> None:
    account = logged.open_account(permanent=1)
    signed_in = operator(logged)
    cookies = dict(signed_in.cookies)
    Ask("deduct", account, {"amount": 1}).post(logged, LONG)
    with httpx.Client(
        base_url=logged.url, headers=logged.client.headers, cookies=cookies, timeout=60, verify=PLAIN
    ) as caller:
        for method, path, rest in strange(account):
            if "stream" in path or path.endswith("/updates"):
                continue
            answer = caller.request(method, path, **rest)
            if answer.status_code < 400 and "location" not in answer.headers:
                continue  # what was asked for, such as the page of a filter
            told = answer.text + str(answer.headers)
            assert LONG[:65] not in told, (method, path, rest, told)
            assert quote(LONG[:65]) not in told
            assert answer.status_code < 500, (method, path, answer.text)
            assert len(answer.content) < 20_000
    assert LONG[:65] not in logged.log.read_text()


# Bodies -----------------------------------------------------------------------------------------------------------


def test_who_leaves_in_the_middle_of_a_body_leaves_no_error(logged: Service) -> None:
    account = logged.open_account(permanent=9)
    signed_in = operator(logged)
    cookie = "; ".join(f"{name}={value}" for name, value in signed_in.cookies.items())
    form = "application/x-www-form-urlencoded"
    posted = [(method, path) for method, path in addresses(account) if method in {"POST", "PUT"}]
    assert len(posted) > 20
    for method, path in posted:
        for framing in ("Content-Length: 5000", "Transfer-Encoding: chunked"):
            lines = [
                f"{method} {path} HTTP/1.1",
                "Host: ledger",
                f"Authorization: Bearer {ADMIN_KEY}",
                f"Cookie: {cookie}",
            ]
            lines += [
                f"Content-Type: {form if path.startswith(ROOT) else 'application/json'}",
                framing,
                "",
                "2\r\n{}\r\n",
            ]
            with closing(socket.create_connection(("127.0.0.1", logged.port), timeout=60)) as caller:
                caller.sendall("\r\n".join(lines).encode())
    page = signed_in.get(f"{ROOT}/accounts/{account}/grant")
    assert token_in(page)  # the pages are served, after all of these
    assert logged.post(f"/v1/accounts/{account}/deductions", {"amount": 1}, key="k").status_code == 201
    log = logged.log.read_text()
    assert "ERROR" not in log
    assert "Traceback" not in log


def sending(*pieces: bytes | None) -> Any:
    """Pieces of a body that never ends, or (None) a client that leaves."""
    left = list(pieces)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        piece = left.pop(0)
        return (
            {"type": "http.disconnect"} if piece is None else {"type": "http.request", "body": piece, "more_body": True}
        )

    return receive


async def test_a_body_has_a_deadline_whatever_has_arrived() -> None:
    watching = asyncio.create_task(refuse_late_bodies())
    with patch.object(request_body, "BODY_SECONDS", 0.05):
        for pieces in ([], [b"{"], [b"{", b"}"]):
            with pytest.raises(Problem, match="did not arrive") as found:
                await receive_body(sending(*pieces), 100)
            assert found.value.code == "body_timeout"
    watching.cancel()
    with pytest.raises(ClientLeft):
        await receive_body(sending(b"{", None), 100)
    with pytest.raises(ClientLeft):
        await receive_body(sending(None), 100)


async def test_a_cancelled_request_is_no_late_one() -> None:
    task = asyncio.create_task(receive_body(sending(b"{"), 100))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_all_unfinished_bodies_together_have_a_limit() -> None:
    with patch.object(request_body, "MAX_UNFINISHED", 250):
        first = [asyncio.create_task(receive_body(sending(b"x" * 100), 1_000)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as found:
            await receive_body(sending(b"x" * 100), 1_000)
        assert (found.value.code, found.value.retry_after) == ("overloaded", 1)
        for one in first:
            one.cancel()
        await asyncio.wait(first)
        with pytest.raises(ClientLeft):  # their memory is free again
            await receive_body(sending(b"x" * 200, None), 1_000)


def test_the_log_is_kept_small(logged: Service, tmp_path: Path) -> None:
    """All of the above in one log."""
    assert logged.log.stat().st_size < 5_000
