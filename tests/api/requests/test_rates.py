"""Rate limits over HTTP: commands are counted, and what is left is told."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.app import create_app
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings
from people.api_keys import create_key
from tests.service import ADMIN_KEY

LIMIT = 20
FIELD = re.compile(r'"commands";r=(\d+);t=(\d+)')


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[httpx.AsyncClient]:
    front = create_app(load_settings(admin_key=ADMIN_KEY, rate_limit=LIMIT), database)
    assert isinstance(front, HotPath)
    transport = httpx.ASGITransport(front, raise_app_exceptions=False)
    async with (
        front.app.router.lifespan_context(front.app),
        httpx.AsyncClient(transport=transport, base_url="http://ledger") as found,
    ):
        yield found


def caller(database: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_key(database, 'counted', ['ledger:write', 'ledger:read'])}"}


def told(answer: httpx.Response) -> tuple[int, int]:
    """What remains, and the seconds until all of it is there again."""
    assert answer.headers["ratelimit-policy"] == f'"commands";q={LIMIT};w=1'
    found = FIELD.fullmatch(answer.headers["ratelimit"])
    assert found is not None
    return int(found[1]), int(found[2])


def deduction(number: int) -> dict[str, Any]:
    return {"op": "deduct", "account_id": "nobody", "amount": 1, "task_id": f"t{number}"}


@pytest.mark.parametrize("path", ["/v1/accounts/nobody/deductions", "/v1/accounts/nobody/balance", "/v1/nowhere"])
async def test_every_answer_tells_what_is_left(client: httpx.AsyncClient, database: str, path: str) -> None:
    method = "POST" if path.endswith("deductions") else "GET"
    answer = await client.request(
        method, path, headers=caller(database), json=None if method == "GET" else {"amount": 1}
    )
    assert told(answer) == (LIMIT - 1, 1)


async def test_a_batch_counts_as_its_commands(client: httpx.AsyncClient, database: str) -> None:
    key = caller(database)
    commands = [deduction(n) for n in range(10 * LIMIT)]
    answer = await client.post("/v1/batch", json={"commands": commands[:3]}, headers=key)
    assert (answer.status_code, told(answer)) == (200, (LIMIT - 3, 1))
    answer = await client.post("/v1/batch", json={"commands": commands}, headers=key)
    assert answer.status_code == 200
    assert {result["code"] for result in answer.json()["results"]} == {"account_not_found"}
    remaining, reset = told(answer)
    assert (remaining, 9 <= reset <= 11) == (0, True)
    for path, body in (("/v1/batch", {"commands": commands[:1]}), ("/v1/accounts/nobody/deductions", {"amount": 1})):
        refused = await client.post(path, json=body, headers=key)
        assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (429, "rate_limited", LIMIT)
        assert 8 <= int(refused.headers["retry-after"]) <= 11
        assert told(refused)[0] == 0
    other = await client.post("/v1/batch", json={"commands": []}, headers=caller(database))
    assert told(other) == (LIMIT - 1, 1)


async def test_nothing_is_told_to_whoever_has_no_key(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/accounts/nobody/balance")
    assert answer.status_code == 401
    assert "ratelimit" not in answer.headers
