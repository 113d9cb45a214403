"""Reading one's own writes: `min_position` waits for them for a limited time, and then answers 409."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from projections.models.catalog import PROJECTIONS
from projections.models.views import LONGEST_WAIT
from tests.api.conftest import under_contract
from tests.api.stage import Ask, Json, balance, eventually, payment, refused, staged
from tests.postgres import TestServers, owner
from tests.service import ADMIN_KEY, PLAIN, Service, ServiceProcess, running_service

PATHS = {
    "history": "/v1/accounts/{}/history",
    "history.csv": "/v1/accounts/{}/history.csv",
    "daily": "/v1/accounts/{}/rollups/daily",
    "usage": "/v1/accounts/{}/usage",
    "grants": "/v1/accounts/{}/grants",
    "holds": "/v1/accounts/{}/holds",
    "payments": "/v1/accounts/{}/payments",
    "one grant": "/v1/accounts/{}/grants/grt_2",
    "one hold": "/v1/accounts/{}/holds/hld_5",
    "one payment": "/v1/accounts/{}/payments/pay-1",
    "summary": "/v1/accounts/{}/summary",
    "accounts": "/v1/accounts",
    "statistics": "/v1/statistics",
    "disputes": "/v1/disputes",
    "subscriptions": "/v1/subscriptions",
    "billing": "/v1/revenue",
}
NEEDS = {
    "history": {"history"},
    "history.csv": {"history"},
    "daily": {"rollups", "usage"},
    "usage": {"usage"},
    "grants": {"balances"},
    "holds": {"balances"},
    "payments": {"payments", "balances"},
    "one grant": {"balances"},
    "one hold": {"balances"},
    "one payment": {"payments", "balances"},
    "summary": {"history", "rollups"},
    "accounts": {"balances"},
    "statistics": {"statistics"},
    "disputes": {"payments"},
    "subscriptions": {"subscriptions"},
    "billing": {"payments", "subscriptions"},
}
"""The projections that answer each query."""
SOON = LONGEST_WAIT + 20
"""Seconds in which a wait must be over, on a machine that has other things to do."""


def asked(name: str, account: str, **more: Any) -> dict[str, Any]:
    """The required parameters of a query, for days that go past midnight."""
    today = datetime.now(UTC).date()
    days = {"from": (today - timedelta(days=1)).isoformat(), "to": (today + timedelta(days=1)).isoformat()}
    needed = {"daily": days, "usage": days, "statistics": days, "accounts": {"prefix": account}}
    return {**needed.get(name, {}), **more}


def query(service: Service, name: str, account: str, **more: Any) -> httpx.Response:
    return service.get(PATHS[name].format(account), **asked(name, account, **more))


def query_once(service: Service, name: str, account: str, **more: Any) -> httpx.Response:
    return service.get_once(PATHS[name].format(account), **asked(name, account, **more))


def everything(service: Service, account: str, **more: Any) -> dict[str, httpx.Response]:
    """The answers to all queries, which are asked at once."""
    with ThreadPoolExecutor(len(PATHS)) as threads:
        asked_for = {name: threads.submit(query_once, service, name, account, **more) for name in PATHS}
        return {name: answer.result() for name, answer in asked_for.items()}


def position_of(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    if "as-of-position" in answer.headers:
        return int(answer.headers["as-of-position"])
    found = answer.json()
    assert found["as_of"] is not None
    position: int = found["as_of_position"]
    return position


# What is written is seen ----------------------------------------------------------------------------------------

Look = Callable[[Any], Any]
SIGNS: dict[str, tuple[Callable[[str, int], Ask], Look]] = {
    "history": (lambda a, n: Ask("deduct", a, {"amount": 1}), lambda found: found["entries"][0]["version"]),
    "daily": (lambda a, n: Ask("deduct", a, {"amount": 1}), lambda found: found["totals"]["deductions"]),
    "usage": (lambda a, n: Ask("deduct", a, {"amount": 1}), lambda found: found["totals"]["count"]),
    "grants": (lambda a, n: Ask("grant", a, {"kind": "permanent", "amount": 1}), lambda found: len(found["grants"])),
    "holds": (lambda a, n: Ask("hold", a, {"amount": 1}), lambda found: len(found["holds"])),
    "payments": (lambda a, n: Ask("payment", a, payment(f"p{n}")), lambda found: len(found["payments"])),
    "summary": (lambda a, n: Ask("deduct", a, {"amount": 1}), lambda found: found["last_entries"][0]["version"]),
    "accounts": (lambda a, n: Ask("deduct", a, {"amount": 1}), lambda found: found["accounts"][0]["version"]),
    "statistics": (lambda a, n: Ask("deduct", a, {"amount": 1}), lambda found: found["totals"]["deductions"]),
}


@pytest.mark.parametrize("name", SIGNS)
def test_a_write_is_in_every_answer_that_waits_for_it(service: Service, name: str) -> None:
    """Twenty times over, and each time there is one more of it."""
    account = service.open_account(permanent=1_000)
    ask, look = SIGNS[name]
    opened = service.get(f"/v1/accounts/{account}/events").json()["events"][-1]["position"]
    first = look(query(service, name, account, min_position=opened).json())
    for n in range(1, 21):
        position = ask(account, n).post(service, f"k{n}").json()["position"]
        answer = query(service, name, account, min_position=position)
        assert position_of(answer) >= position
        assert look(answer.json()) == first + n


def test_a_write_is_in_the_file_that_waits_for_it(service: Service) -> None:
    account = service.open_account(permanent=1_000)
    for n in range(20):
        position = Ask("deduct", account, {"amount": 1}).post(service, f"k{n}").json()["position"]
        answer = query(service, "history.csv", account, min_position=position)
        assert position_of(answer) >= position
        assert answer.text.count("\r\n") == 1 + 1 + n + 1


@pytest.mark.parametrize("ahead", [1, 2**40])
def test_what_is_not_there_yet_is_said_after_a_bounded_wait(service: Service, ahead: int) -> None:
    account = staged(service)
    there = max(position_of(query(service, name, account)) for name in PATHS)
    begin = time.monotonic()
    for answer in everything(service, account, min_position=there + 100_000 + ahead).values():
        problem = refused(answer, 409, "not_yet_visible", min_position=there + 100_000 + ahead)
        assert problem["as_of_position"] >= there
        assert answer.headers["retry-after"] == "1"
        assert answer.elapsed.total_seconds() > LONGEST_WAIT * 0.9
    assert time.monotonic() - begin < SOON


# Many who wait --------------------------------------------------------------------------------------------------

WAITING = 60


def client_of(service: Service) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=WAITING + 10)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    return httpx.AsyncClient(
        base_url=service.url, headers=headers, timeout=30, limits=limits, trust_env=False, verify=PLAIN
    )


async def test_many_who_wait_in_vain_do_not_hold_up_others(service: Service) -> None:
    account = staged(service)
    async with client_of(service) as client:
        path = f"/v1/accounts/{account}/history"
        waits = [asyncio.create_task(client.get(path, params={"min_position": 2**53 - 1})) for _ in range(WAITING)]
        for n in range(10):
            answers = [await client.get(path), await client.get(f"/v1/accounts/{account}/balance")]
            key = {"Idempotency-Key": f"k{n}"}
            answers.append(await client.post(f"/v1/accounts/{account}/deductions", json={"amount": 1}, headers=key))
            assert [answer.status_code for answer in answers] == [200, 200, 201]
            if any(wait.done() for wait in waits):
                break
        assert n > 0, "the others were to be answered while these wait"
        begin = time.monotonic()
        assert {answer.status_code for answer in await asyncio.gather(*waits)} == {409}
    assert time.monotonic() - begin < SOON


async def test_all_who_wait_for_one_position_are_answered_when_it_is_there(service: Service) -> None:
    account = staged(service)
    position = service.get(f"/v1/accounts/{account}/events").json()["events"][-1]["position"]
    async with client_of(service) as client:
        path = f"/v1/accounts/{account}/history"
        waits = [asyncio.create_task(client.get(path, params={"min_position": position + 1})) for _ in range(WAITING)]
        await client.get(path)  # sent after them
        key = {"Idempotency-Key": "k"}
        done = await client.post(f"/v1/accounts/{account}/deductions", json={"amount": 1}, headers=key)
        assert done.json()["position"] == position + 1
        answers = await asyncio.gather(*waits)
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["entries"][0]["version"] for answer in answers} == {done.json()["version"]}


# A projector that does not get on -------------------------------------------------------------------------------


def projector_of(service: ServiceProcess) -> int:
    """The process that moves the projections, a child of one of the threads of the service."""
    for children in Path(f"/proc/{service.process.pid}/task").glob("*/children"):
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text() == "projector\n":
                return int(child)
    raise AssertionError("there is no projector")


@contextmanager
def halted(service: ServiceProcess) -> Iterator[None]:
    """Nothing is projected until the block ends."""
    process = projector_of(service)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.fixture(scope="module")
def alone(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service whose projector and projections a test may take away for a while."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, running_service(conninfo, tmp_path_factory.mktemp("alone")) as service:
        under_contract(service)
        yield service


def test_while_nothing_is_projected_answers_are_those_of_before(alone: ServiceProcess) -> None:
    service, account = alone, staged(alone)
    before = service.get(f"/v1/accounts/{account}/events").json()["events"][-1]["position"]
    known = everything(service, account, min_position=before)
    with halted(service):
        position = Ask("deduct", account, {"amount": 1}).post(service, "k").json()["position"]
        for name, answer in everything(service, account).items():
            assert position_of(answer) == before
            assert shown(answer) == shown(known[name]), name
        for answer in everything(service, account, min_position=position).values():
            assert refused(answer, 409, "not_yet_visible")["as_of_position"] == before
        now = balance(service, account)  # from the truth
        assert (now["position"], now["total"]) == (position, 139)
        found = query(service, "summary", account).json()
        assert (found["balance"]["total"], found["last_entries"][0]["balance_after"]) == (139, 140)
    for name in PATHS:
        assert position_of(query(service, name, account, min_position=position)) == position
    assert query(service, "history", account).json()["entries"][0]["balance_after"] == 139


def shown(answer: httpx.Response) -> Any:
    """An answer without the balance of the summary, which is computed from the events and never stale."""
    if answer.headers["content-type"].startswith("text/csv"):
        return answer.text
    found: Json = answer.json()
    return {name: value for name, value in found.items() if name != "balance"}


# A projection that is not there ---------------------------------------------------------------------------------


def test_without_a_projection_what_does_not_need_it_is_answered(alone: ServiceProcess) -> None:
    service, account = alone, staged(alone)
    position = service.get(f"/v1/accounts/{account}/events").json()["events"][-1]["position"]
    eventually(lambda: all(query(service, n, account, min_position=position).status_code == 200 for n in PATHS))
    with halted(service):
        for projection in PROJECTIONS:
            with hidden(service.conninfo, projection.schema):
                for asking in ({}, {"min_position": position}):
                    for name, answer in everything(service, account, **asking).items():
                        check_without(answer, projection.name in NEEDS[name])
                assert balance(service, account)["total"] == 140
            assert all(query(service, name, account).status_code == 200 for name in PATHS)


def check_without(answer: httpx.Response, needed: object) -> None:
    if needed:
        refused(answer, 503, "projection_unavailable")
        assert answer.headers["retry-after"] == "5"
    else:
        assert answer.status_code == 200


@contextmanager
def hidden(conninfo: str, schema: str) -> Iterator[None]:
    """A schema under another name, as good as dropped."""
    rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
    here, away = sql.Identifier(schema), sql.Identifier(f"{schema}_away")
    with psycopg.connect(owner(conninfo), autocommit=True) as connection:
        connection.execute(rename.format(here, away))
        try:
            yield
        finally:
            connection.execute(rename.format(away, here))
