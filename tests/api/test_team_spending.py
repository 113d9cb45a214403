"""Four processes spend on one team at the same time, and one of them is killed: no member passes a limit, and the last
credit is used."""

import asyncio
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.api.company import Company
from tests.long_form import times
from tests.postgres import TestServers
from tests.service import ADMIN_KEY, ServiceProcess, running_service

PROCESSES, CONNECTIONS = 4, 16
MEMBERS = 50
CREDITS, EACH, OF_A_MODEL = times(600, 20_000), times(20, 600), times(200, 5_000)
LIMITS = [
    {"limit_id": "each-member", "amount": EACH, "each": ["member"], "period": {"every": "year"}},
    {"limit_id": "gpt", "amount": OF_A_MODEL, "only": {"model": "gpt"}},
    {"limit_id": "all", "amount": CREDITS + 1_000, "period": {"every": "year"}},
]
TRIED_AGAIN = (httpx.TransportError, ConnectionError)


def test_no_member_passes_a_limit_and_the_last_credit_is_used(servers: TestServers, tmp_path: Path) -> None:
    server = servers.get("embedded")
    assert server is not None
    settings = {"CREDIT_LEDGER_REGISTRATION": "open"}
    with (
        server.database() as conninfo,
        running_service(conninfo, tmp_path, workers=PROCESSES, settings=settings) as service,
    ):
        company = Company(service, tmp_path / "data" / "mail")
        company.enter("ada")
        team = company.team("spenders", "ada")
        grant = {"kind": "permanent", "amount": CREDITS}
        assert service.post(f"/v1/accounts/{team}/grants", grant, key="g").status_code == 201
        assert company.ask("ada", "PUT", f"/api/teams/{team}/limits", {"limits": LIMITS}).status_code == 200
        answers = asyncio.run(spend_all(service, team))
        check(service, team, answers)


async def spend_all(service: ServiceProcess, team: str) -> Counter[str]:
    """Spend until nothing is left, at all connections; how often each code was answered."""
    answers: Counter[str] = Counter()
    headers, limits = {"Authorization": f"Bearer {ADMIN_KEY}"}, httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(
        base_url=service.url, headers=headers, limits=limits, trust_env=False, timeout=60
    ) as client:
        spending = [
            asyncio.create_task(spend(client, team, random.Random(number), str(number), answers))
            for number in range(CONNECTIONS)
        ]
        while sum(answers.values()) < CREDITS // 10:  # noqa: ASYNC110  # answers, not events
            await asyncio.sleep(0.01)
        os.kill(random.choice(children_of(service.process.pid)), signal.SIGKILL)
        await asyncio.gather(*spending)
    return answers


async def spend(client: httpx.AsyncClient, team: str, chance: random.Random, name: str, answers: Counter[str]) -> None:
    """Spend small amounts of random members, until the team has nothing left. What got no answer is sent again."""
    number = 0
    while True:
        number += 1
        usage = {"member": f"usr_{chance.randrange(MEMBERS)}", "model": chance.choice(["gpt", "claude", "other"])}
        body = {"amount": chance.choice((1, 1, 2, 3)), "usage": usage}
        answer = await posted(client, f"/v1/accounts/{team}/deductions", body, f"{name}-{number}")
        code = "" if answer.status_code in (200, 201) else answer.json()["code"]
        answers[code] += 1
        if code == "insufficient_credits" and answer.json()["available"] == 0:
            return


async def posted(client: httpx.AsyncClient, path: str, body: dict[str, Any], key: str) -> httpx.Response:
    while True:
        try:
            answer = await client.post(path, json=body, headers={"Idempotency-Key": key})
        except TRIED_AGAIN:
            continue
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def check(service: ServiceProcess, team: str, answers: Counter[str]) -> None:
    """What the log says, event by event, against what the limits allow, and the counters against the log."""
    spent: Counter[str] = Counter()
    models: Counter[str] = Counter()
    after = 0
    while events := service.get(f"/v1/accounts/{team}/events", limit=1_000, after_version=after).json()["events"]:
        for event in events:
            after = event["version"]
            if event["type"] == "CreditsDeducted":
                spent[event["data"]["usage"]["member"]] += event["data"]["amount"]
                models[event["data"]["usage"]["model"]] += event["data"]["amount"]
    assert sum(spent.values()) == CREDITS
    assert max(spent.values()) <= EACH
    assert models["gpt"] <= OF_A_MODEL
    limits = {one["limit_id"]: one for one in service.get(f"/v1/accounts/{team}/limits").json()["limits"]}
    counted = {one["value"]: one["used"] for one in limits["each-member"]["counters"]}
    assert counted == dict(spent)
    assert limits["gpt"]["counters"][0]["used"] == models["gpt"]
    assert answers["limit_reached"], "the limits were reached"
    assert set(answers) <= {"", "limit_reached", "insufficient_credits"}, answers
