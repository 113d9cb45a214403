"""The way past the framework changes cost, never meaning: hot routes answer as the framework's own routes do."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from api.http.hot_path import HotPath
from api.http.requests.encoded_slashes import with_encoded_slashes
from api.runtime.settings import load_settings
from people.api_keys import create_key
from tests.api.contract import check_problem
from tests.api.stage import Json, lasting
from tests.service import ADMIN_KEY

GOOD = {"Authorization": f"Bearer {ADMIN_KEY}"}
KEY = {**GOOD, "Idempotency-Key": "k"}
ACCOUNT = "/v1/accounts/{}"
DEDUCT = f"{ACCOUNT}/deductions"


@pytest_asyncio.fixture
async def ways(database: str) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """The service as it is, and the framework behind it."""
    front = create_app(
        load_settings(admin_key=ADMIN_KEY, rate_limit=100, lemonsqueezy_webhook_secret="of the hot path"), database
    )
    assert isinstance(front, HotPath)
    async with front.app.router.lifespan_context(front.app), client(front) as hot, client(plainly(front)) as plain:
        yield hot, plain


def plainly(front: HotPath) -> ASGIApp:
    """The framework, with the paths that it gets."""

    async def framework(scope: Scope, receive: Receive, send: Send) -> None:
        await front.framework(with_encoded_slashes(scope), receive, send)

    return framework


def client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://ledger")


def command(amount: Any = 1, **more: Any) -> Json:
    return {"op": "deduct", "account_id": "{}", "amount": amount, **more}


REQUESTS: dict[str, tuple[str, str, dict[str, str], Any]] = {
    "a deduction": ("POST", DEDUCT, KEY, {"amount": 3}),
    "its replay": ("POST", DEDUCT, KEY, {"amount": 3}),
    "another body": ("POST", DEDUCT, KEY, {"amount": 4}),
    "its own key": ("POST", DEDUCT, GOOD, {"amount": 1, "task_id": "t", "usage": {"model": "m"}, "metadata": {"a": 1}}),
    "a dry run": ("POST", DEDUCT + "?dry_run=true", {**GOOD, "Idempotency-Key": "dry"}, {"amount": 3}),
    "a dry run of a replay": ("POST", DEDUCT + "?dry_run=true", KEY, {"amount": 3}),
    "another parameter": ("POST", DEDUCT + "?limit=1", KEY, {"amount": 3}),
    "If-Match": ("POST", DEDUCT, {**KEY, "Idempotency-Key": "m", "If-Match": '"4"'}, {"amount": 1}),
    "an old If-Match": ("POST", DEDUCT, {**KEY, "Idempotency-Key": "n", "If-Match": '"4"'}, {"amount": 1}),
    "a wrong If-Match": ("POST", DEDUCT, {**KEY, "If-Match": "4"}, {"amount": 1}),
    "too much": ("POST", DEDUCT, {**KEY, "Idempotency-Key": "x"}, {"amount": 1_000}),
    "no key": ("POST", DEDUCT, GOOD, {"amount": 1}),
    "not valid": ("POST", DEDUCT, KEY, {"amount": "1", "colour": "red"}),
    "no body": ("POST", DEDUCT, KEY, b""),
    "no JSON": ("POST", DEDUCT, KEY, b"{"),
    "no object": ("POST", DEDUCT, KEY, []),
    "too large": ("POST", DEDUCT, KEY, b" " * 70_000),
    "another media type": ("POST", DEDUCT, {**KEY, "Content-Type": "text/plain"}, b"{}"),
    "nobody": ("POST", "/v1/accounts/nobody/deductions", KEY, {"amount": 1}),
    "an odd name": ("POST", "/v1/accounts/%C3%A9%20%3F%00/deductions", KEY, {"amount": 1}),
    "a slash in the name": ("POST", "/v1/accounts/a%2Fb/deductions", KEY, {"amount": 1}),
    "a slash before the end": ("POST", "/v1/accounts/a%2Fdeductions", KEY, {"labels": {"a": "b"}}),
    "a slash that is encoded twice": ("POST", "/v1/accounts/a%252Fb/deductions", KEY, {"amount": 1}),
    "no name": ("POST", "/v1/accounts//deductions", KEY, {"amount": 1}),
    "a slash at the end": ("POST", DEDUCT + "/", KEY, {"amount": 1}),
    "another method": ("PUT", DEDUCT, KEY, {"amount": 1}),
    "no API key": ("POST", DEDUCT, {}, {"amount": 1}),
    "no such API key": ("POST", DEDUCT, {"Authorization": "Bearer x"}, {"amount": 1}),
    "a batch": ("POST", "/v1/batch", GOOD, {"commands": [command(task_id="b"), command(0), 7, command(task_id="b")]}),
    "an atomic batch": ("POST", "/v1/batch", GOOD, {"atomic": True, "commands": [command(task_id="c")]}),
    "a refused batch": ("POST", "/v1/batch", GOOD, {"atomic": True, "commands": [command(10**6, task_id="d")]}),
    "a dry batch": ("POST", "/v1/batch?dry_run=true", GOOD, {"commands": [command(task_id="e")]}),
    "a wrong batch": ("POST", "/v1/batch", GOOD, {"command": []}),
    "a batch without an API key": ("POST", "/v1/batch", {}, {"commands": []}),
    "a batch of another method": ("GET", "/v1/batch", GOOD, b""),
    "a batch with a slash": ("POST", "/v1/batch/", GOOD, {"commands": []}),
    "a webhook of nobody": ("POST", "/v1/webhooks/nobody", {}, {}),
    "a webhook of an odd name": ("POST", "/v1/webhooks/%C3%A9%20%3F%00a%2Fb", GOOD, b"{"),
    "a webhook that is not genuine": ("POST", "/v1/webhooks/lemonsqueezy?a=1", {"X-Signature": "00"}, {"data": 1}),
    "a webhook that is too large": ("POST", "/v1/webhooks/lemonsqueezy", {}, b" " * 1_100_000),
    "a webhook without a body": ("POST", "/v1/webhooks/lemonsqueezy", {}, b""),
    "a webhook with a query that is too large": ("POST", "/v1/webhooks/lemonsqueezy?a=" + "x" * 10_000, {}, b""),
    "a webhook of another method": ("PUT", "/v1/webhooks/lemonsqueezy", GOOD, b""),
    "a webhook of no name": ("POST", "/v1/webhooks/", GOOD, b""),
    "a webhook with a slash at the end": ("POST", "/v1/webhooks/lemonsqueezy/", GOOD, b""),
    "a balance": ("GET", ACCOUNT + "/balance", GOOD, b""),
    "a balance at a time": ("GET", ACCOUNT + "/balance?at=2020-01-01T00:00:00Z", GOOD, b""),
    "events": ("GET", ACCOUNT + "/events?after_version=100", GOOD, b""),
    "a history": ("GET", ACCOUNT + "/history?limit=50", GOOD, b""),
    "a history of two types": ("GET", ACCOUNT + "/history?type=grant,deduction&order=asc&min_position=0", GOOD, b""),
    "a history as a file": ("GET", ACCOUNT + "/history.csv?limit=1", GOOD, b""),
    "a summary": ("GET", ACCOUNT + "/summary?tz=Asia/Kolkata", GOOD, b""),
    "grants": ("GET", ACCOUNT + "/grants", GOOD, b""),
    "a query of nobody": ("GET", "/v1/accounts/nobody/balance", GOOD, b""),
    "a history of nobody": ("GET", "/v1/accounts/nobody/history", GOOD, b""),
    "a query of an odd name": ("GET", "/v1/accounts/%C3%A9%20%3F%00/summary", GOOD, b""),
    "a query with a slash in the name": ("GET", "/v1/accounts/a%2Fb/balance", GOOD, b""),
    "a query with a slash before the end": ("GET", "/v1/accounts/b%2fbalance", GOOD, b""),
    "an account": ("GET", ACCOUNT, GOOD, b""),
    "a query of no name": ("GET", "/v1/accounts//balance", GOOD, b""),
    "a query with a slash at the end": ("GET", ACCOUNT + "/balance/", GOOD, b""),
    "a query of another method": ("PUT", ACCOUNT + "/balance", GOOD, b""),
    "a query without an API key": ("GET", ACCOUNT + "/history", {}, b""),
    "an unknown parameter": ("GET", ACCOUNT + "/summary?at=1&limit=0", GOOD, b""),
    "a parameter twice": ("GET", ACCOUNT + "/history?limit=1&limit=2", GOOD, b""),
    "a parameter that is not UTF-8": ("GET", ACCOUNT + "/history?task_id=%ff", GOOD, b""),
    "a query that is too large": ("GET", ACCOUNT + "/history?task_id=" + "x" * 10_000, GOOD, b""),
}
"""In this order, on an account with 100 credits."""


async def test_both_ways_give_the_same_answers(ways: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    answers: list[list[Json]] = []
    for way, account in zip(ways, ("hot", "plain"), strict=True):
        opened = await way.post("/v1/accounts", json={"account_id": account}, headers=GOOD)
        assert opened.status_code == 201
        answers.append([await asked(way, account, *request) for request in REQUESTS.values()])
    for name, hot, plain in zip(REQUESTS, *answers, strict=True):
        assert hot == plain, name
    assert {answer["status"] for answer in answers[0]} == {
        200,
        201,
        400,
        401,
        402,
        404,
        405,
        409,
        412,
        413,
        414,
        415,
        422,
    }


async def asked(way: httpx.AsyncClient, account: str, method: str, path: str, headers: Any, body: Any) -> Json:
    content = {"content": body} if isinstance(body, bytes) else {"json": named(body, account)}
    response = await way.request(method, path.format(account), headers=headers, **content)
    if response.status_code >= 400:
        check_problem(response)
    assert int(response.headers.pop("content-length")) == len(response.content)
    request_id = response.headers.pop("x-request-id", None)
    if method == "POST":
        assert request_id or (response.status_code in {404, 405} and response.json()["code"] != "account_not_found")
    for name in ("ratelimit", "ratelimit-policy", "connection"):  # told in front of both ways
        response.headers.pop(name, None)
    return {
        "status": response.status_code,
        "has a request id": request_id is not None,
        "headers": sorted(response.headers.multi_items()),
        "body": response.text
        if "csv" in response.headers["content-type"]
        else lasting(timeless(response.json()), account),
    }


def timeless(answer: Json) -> Json:
    """An answer of a query without the moment at which it was asked."""
    return {
        name: timeless(value) if isinstance(value, dict) else value
        for name, value in answer.items()
        if name not in {"as_of", "known_at"}
    }


def named(body: Any, account: str) -> Any:
    """A body with the account in its place."""
    if isinstance(body, dict):
        return {name: named(value, account) for name, value in body.items()}
    if isinstance(body, list):
        return [named(value, account) for value in body]
    return account if body == "{}" else body


async def test_both_ways_ask_for_the_same_scope_and_count_the_same_rate(
    database: str, ways: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    reader = {"Authorization": f"Bearer {create_key(database, 'reads', ['ledger:read', 'audit:read'])}"}
    for way in ways:
        for path in ("/v1/accounts/a/deductions", "/v1/batch"):
            refused = await way.post(path, json={}, headers=reader)
            assert (refused.status_code, refused.json()["scope"]) == (403, "ledger:write")
            codes = set()
            for _ in range(3_000):
                answer = await way.post(path, content=b"{", headers=GOOD)
                codes.add(answer.json()["code"])
                if len(codes) == 2:
                    break
            assert codes == {"malformed_json", "rate_limited"}
