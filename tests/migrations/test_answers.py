"""This program answers from an old database what the old one did.

Its clock tells a moment soon after the old program stopped, so that no credits have lapsed since. Fields that a later
program adds are left out of a comparison, and nothing else is.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.app import create_app
from api.components import COMPONENTS
from api.http.hot_path import HotPath
from api.runtime.clock_agreement import ORIGIN
from api.runtime.settings import load_settings
from ledger.clock import seconds_since_start
from ledger.postgres.migrations import migrate
from ledger.postgres.roles import set_up
from tests.postgres import owner
from tests.service import ADMIN_KEY

ACCOUNTS = "/v1/accounts"


def same(found: Any, before: Any) -> Any:
    """What was found, without the fields that nobody knew before."""
    match found, before:
        case dict(), dict():
            return {name: same(found.get(name), value) for name, value in before.items()}
        case list(), list() if len(found) == len(before):
            return [same(one, other) for one, other in zip(found, before, strict=True)]
        case _:
            return found


@pytest_asyncio.fixture
async def client(
    migrated: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever has every right."""
    async with asking(migrated, expected, monkeypatch) as client:
        yield client


@asynccontextmanager
async def asking(
    conninfo: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator of an application, soon after the old program stopped."""
    moment = datetime.fromisoformat(expected["at"]) + timedelta(minutes=2)
    monkeypatch.setenv(ORIGIN, repr(moment.timestamp() - seconds_since_start()))
    front = create_app(load_settings(admin_key=ADMIN_KEY), conninfo)
    assert isinstance(front, HotPath)
    transport = httpx.ASGITransport(front, raise_app_exceptions=False)
    async with (
        front.app.router.lifespan_context(front.app),
        httpx.AsyncClient(transport=transport, base_url="http://ledger", headers=bearing(ADMIN_KEY)) as client,
    ):
        yield client


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def asked(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest_asyncio.fixture
async def early_client(
    old_database: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever asks before the read models are built again."""
    migrate(owner(old_database), COMPONENTS)
    assert set_up(owner(old_database), COMPONENTS) is None
    async with asking(old_database, expected, monkeypatch) as client:
        yield client


async def test_read_models_of_then_answer_until_they_are_built_again(
    early_client: httpx.AsyncClient, expected: dict[str, Any]
) -> None:
    first, last = (expected["statistics"]["days"][place]["date"] for place in (0, -1))
    span = {"from": first, "to": last}
    for account, before in expected["accounts"].items():
        entries = (await asked(early_client, f"{ACCOUNTS}/{account}/history", limit=1_000, order="asc"))["entries"]
        assert len(entries) == before["entries"]
        await asked(early_client, f"{ACCOUNTS}/{account}/rollups/daily", **span)
    usage = await asked(
        early_client, f"{ACCOUNTS}/team-northwind/usage", **span, granularity="total", group_by="provider,model"
    )
    assert same(usage, expected["usage"]) == expected["usage"]
    statistics = await asked(early_client, "/v1/statistics", **span)
    assert same(statistics, expected["statistics"]) == expected["statistics"]
    assert statistics["groups"] == []


async def test_balances_and_history(client: httpx.AsyncClient, expected: dict[str, Any]) -> None:
    """Of every account: what it had, how it came there, and what it bought, held and was given."""
    for account, before in expected["accounts"].items():
        path = f"{ACCOUNTS}/{account}"
        balance = await asked(client, f"{path}/balance", at=expected["at"])
        assert same(balance, before["balance"]) == before["balance"] | {"known_at": balance["known_at"]}
        entries = (await asked(client, f"{path}/history", limit=1_000, order="asc"))["entries"]
        assert len(entries) == before["entries"]
        assert same(entries[-3:], before["newest_entries"]) == before["newest_entries"]
        for what in ("payments", "holds", "grants"):
            found = (await asked(client, f"{path}/{what}", limit=1_000))[what]
            assert (
                len(found) == before[what]
                if isinstance(before[what], int)
                else same(found, before[what]) == before[what]
            )


async def test_lists_and_sums(client: httpx.AsyncClient, expected: dict[str, Any]) -> None:
    """Of all accounts together, refusals among them."""
    listed = (await asked(client, ACCOUNTS, limit=1_000))["accounts"]
    assert same(listed, expected["listed"]) == expected["listed"]
    first, last = (expected["statistics"]["days"][place]["date"] for place in (0, -1))
    span = {"from": first, "to": last}
    statistics = await asked(client, "/v1/statistics", **span)
    assert same(statistics, expected["statistics"]) == expected["statistics"]
    assert sum(sum(day["refusals"].values()) for day in statistics["days"]) > 20
    usage = await asked(
        client, f"{ACCOUNTS}/team-northwind/usage", **span, granularity="total", group_by="provider,model"
    )
    assert same(usage, expected["usage"]) == expected["usage"]


async def test_events_and_their_texts(client: httpx.AsyncClient, expected: dict[str, Any]) -> None:
    """Texts are read with the keys of then; what was erased stays so."""
    for account, before in expected["texts"].items():
        events = (await asked(client, f"{ACCOUNTS}/{account}/events", limit=1_000))["events"]
        assert [same(event["data"], data) for event, data in zip(events, before, strict=True)] == before
    texts = [data.get("description") for data in expected["texts"]["bob"]]
    assert [text for text in texts if text] == ["Written after the erasure"]


async def test_a_repeated_request_gets_the_answer_of_then(client: httpx.AsyncClient, expected: dict[str, Any]) -> None:
    closed = {listed["account_id"] for listed in expected["listed"] if listed["standing"] == "closed"}
    for exchange in expected["exchanges"]:
        headers = {"Idempotency-Key": exchange["key"]} if exchange["key"] else {}
        answer = await client.post(exchange["path"], json=exchange["body"], headers=headers)
        if exchange["body"].get("account_id") in closed:  # a closed account is no longer opened, not even again
            assert (answer.status_code, answer.json()["code"]) == (409, "account_closed")
            continue
        assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (200, "true"), answer.text
        assert same(answer.json(), exchange["answer"]) == exchange["answer"]
    assert (await asked(client, "/v1/events", after=expected["position"]))["events"] == []


async def test_keys_open_what_they_did(client: httpx.AsyncClient, expected: dict[str, Any]) -> None:
    opened = {}
    for name, key in expected["secrets"].items():
        opened[name] = (await client.get(f"{ACCOUNTS}/ada/balance", headers=bearing(key))).status_code
    reads, lacks_the_scope, unknown = 200, 403, 401
    assert opened == {
        "app": reads,
        "auditor": lacks_the_scope,
        "portal": reads,
        "operator": reads,
        "revoked": unknown,
        "never used": reads,
    }


async def test_sessions_and_links_open_what_they_did(client: httpx.AsyncClient, expected: dict[str, Any]) -> None:
    opened = {}
    for name, cookie in expected["cookies"].items():
        answer = await client.get("/dashboard/", headers={"Cookie": f"credit_ledger_session={cookie}"})
        opened[name] = answer.headers.get("location", answer.status_code)
    adas, all_of_them, signed_out = "/dashboard/accounts/ada", "/dashboard/accounts", 401
    assert opened == {
        "open": adas,
        "ended": signed_out,
        "over": signed_out,
        "operator": all_of_them,
        "app": all_of_them,
    }
    link = f"/dashboard/come-in/{expected['unopened']}"  # the address of then leads to that of now
    page = await client.get(link, follow_redirects=True)
    assert (page.status_code, page.url.path) == (200, adas)
    assert (await client.get(link, follow_redirects=True)).status_code == 410, "it opens once"
