"""The standing attack: honest deductions beside attackers of every kind, and what became of the service meanwhile."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from people.api_keys import create_key
from tests.service import ADMIN_KEY, PLAIN, ServiceProcess
from tests.survival.flood import ACCOUNTS, KEY, account
from tests.survival.log import read_log

RATE = 500
"""Honest deductions a second."""
CONNECTIONS = 64
P99 = 0.250
"""Seconds: the bar of the honest deductions."""
MEMORY = 600
"""MB: the bar of all processes of the service together, without those of PostgreSQL."""
OVERLOADED = 503
"""What a machine that has too much to do may answer to an honest deduction. The long form allows none."""
HEALTH = 5.0
"""Seconds in which a health check must be answered."""
_PAUSE = 0.5


class Scale(NamedTuple):
    """How many attackers, and for how long."""

    seconds: int
    idle: int
    bodies: int
    floods: int
    hoarders: int


FULL = Scale(seconds=300, idle=2_000, bodies=200, floods=50, hoarders=20)
SHORT = Scale(seconds=6, idle=300, bodies=60, floods=10, hoarders=4)


@dataclass
class Figures:
    """What became of the service."""

    scale: Scale
    answered: int = 0
    p50: float = 0.0
    p99: float = 0.0
    worst: float = 0.0
    not_answered: int = 0
    """Honest deductions without a 201, or never sent for want of a free connection."""
    checks: int = 0
    slowest_check: float = 0.0
    memory: int = 0
    """The largest sum, in MB."""
    lost: int = 0
    complaints: list[str] = field(default_factory=list)
    attack: dict[str, int] = field(default_factory=dict)


async def attacked(service: ServiceProcess, scale: Scale) -> Figures:
    """Attack a service while honest clients use it."""
    figures = Figures(scale)
    await asyncio.to_thread(_open_accounts, service)
    hoarders = await asyncio.to_thread(_hoarders, service, scale.hoarders)
    attack = asyncio.create_task(_attack(service, scale, hoarders))
    watching = [asyncio.create_task(one) for one in (_watch_health(service, figures), _watch_memory(service, figures))]
    answers, given_up = await _honest(service, scale.seconds)
    figures.attack = await attack
    for one in watching:
        one.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    _count(figures, answers, given_up)
    await _judge(figures, service, answers)
    return figures


def _open_accounts(service: ServiceProcess) -> None:
    names = {account(number) for number in range(ACCOUNTS)}
    commands = [{"op": "open", "account_id": name, "signup_credits": 10**9} for name in names]
    assert service.post("/v1/batch", {"commands": commands}).status_code == 200


def _hoarders(service: ServiceProcess, count: int) -> list[str]:
    """Requests for streams, half of them of API keys, half of portal sessions."""
    found = []
    for number in range(count):
        if number % 2:
            key = create_key(service.conninfo, f"hoarder {number}", ["ledger:read"])
            path, head = f"/v1/accounts/{account(number)}/events/stream", f"Authorization: Bearer {key}"
        else:
            body = {"account_id": account(number)}
            url = service.post("/v1/portal_sessions", body).json()["url"]
            with httpx.Client(trust_env=False, verify=PLAIN) as client:
                client.get(url)
                cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            path, head = f"/dashboard/accounts/{account(number)}/updates", f"Cookie: {cookie}"
        found.append(f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}")
    return found


async def _run(module: str, options: dict[str, Any], given: bytes = b"") -> Any:
    """A process of this folder or of tests.survival, which prints JSON."""
    told = [f"--{name}={value}" for name, value in options.items()]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *told),
        env={**os.environ, KEY: ADMIN_KEY},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate(given)
    assert process.returncode == 0, complaint.decode()
    return json.loads(said)


async def _attack(service: ServiceProcess, scale: Scale, hoarders: list[str]) -> dict[str, int]:
    counts = {name: getattr(scale, name) for name in ("seconds", "idle", "bodies", "floods")}
    found: dict[str, int] = await _run(
        "tests.attack.attackers", {"port": service.port, **counts}, json.dumps(hoarders).encode()
    )
    return found


async def _honest(service: ServiceProcess, seconds: int) -> tuple[list[Any], int]:
    options = {"port": service.port, "connections": CONNECTIONS, "prefix": "honest-", "phases": f"{seconds}x{RATE}"}
    found = await _run("tests.survival.flood", options)
    return found["answers"], len(found["given_up"])


# Watching ---------------------------------------------------------------------------------------------------------


async def _watch_health(service: ServiceProcess, figures: Figures) -> None:
    """Ask on connections of their own, as load balancers do."""
    while True:
        for path in ("/healthz", "/readyz"):
            began = time.monotonic()
            try:
                async with asyncio.timeout(HEALTH):
                    status = await _status(service.port, path)
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                figures.complaints.append(f"{path} was not answered: {type(error).__name__}")
            else:
                if status != b"200":
                    figures.complaints.append(f"{path} was answered {status.decode()}")
            figures.checks += 1
            figures.slowest_check = max(figures.slowest_check, time.monotonic() - began)
        await asyncio.sleep(_PAUSE)


async def _status(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return (await reader.readuntil(b"\r\n")).split()[1]
    finally:
        writer.close()


async def _watch_memory(service: ServiceProcess, figures: Figures) -> None:
    while True:
        figures.memory = max(figures.memory, sum(map(memory_of, family(service.process.pid))) // 1_024)
        await asyncio.sleep(_PAUSE)


def family(parent: int) -> Iterator[int]:
    """A process and those that it started."""
    yield parent
    for thread in Path(f"/proc/{parent}/task").iterdir():
        for child in thread.joinpath("children").read_text().split():
            yield from family(int(child))


def memory_of(pid: int) -> int:
    """Kilobytes that a process has, each shared page divided among those that share it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has ended
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


# Judging ----------------------------------------------------------------------------------------------------------


def _count(figures: Figures, answers: Sequence[Any], given_up: int) -> None:
    times = sorted(took for _, _, took, status in answers if status == 201)
    figures.answered = len(times)
    figures.not_answered = len(answers) - len(times) + given_up
    figures.p50, figures.p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
    figures.worst = times[-1]


async def _judge(figures: Figures, service: ServiceProcess, answers: Sequence[Any]) -> None:
    """Every 201 is in the log, once; and the log of the service has no error."""
    rows = await read_log(service.conninfo)
    kept = Counter(row.metadata["idempotency_key"] for row in rows if row.topic == "CreditsDeducted")
    figures.lost = sum(kept[f"honest-{number}"] != 1 for number, _, _, status in answers if status == 201)
    log = service.log.read_text()
    figures.complaints += [f"the log has {word}" for word in ("ERROR", "Traceback") if word in log]
    if figures.lost:
        figures.complaints.append(f"{figures.lost} deductions were lost, or made twice")
    if odd := Counter(status for *_, status in answers if status not in {201, OVERLOADED}):
        figures.complaints.append(f"honest deductions were answered otherwise than with 201 and 503: {dict(odd)}")


def beyond_the_bars(figures: Figures) -> list[str]:
    """What of the bars was not reached. They hold for a machine that does nothing else."""
    found = []
    if figures.not_answered:
        found.append(f"{figures.not_answered} honest deductions were not answered with 201")
    if figures.p99 > P99:
        found.append(f"p99 was {figures.p99 * 1e3:.0f} ms, and the bar is {P99 * 1e3:.0f} ms")
    if figures.memory > MEMORY:
        found.append(f"memory was {figures.memory} MB, and the bar is {MEMORY} MB")
    return found
