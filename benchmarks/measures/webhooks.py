"""`webhooks`: signed deliveries of payments, until each is put down, and until each is applied to its account."""

import secrets
import time
from typing import Any

from benchmarks.accounts import open_accounts
from benchmarks.bench import OURS, Bench
from benchmarks.deliveries import PRODUCT, PROVIDER, SECRET, account
from benchmarks.line import Line
from benchmarks.processes import cpu_seconds, said_by
from benchmarks.progress import Spoiled, say
from benchmarks.report import Row, at_least
from benchmarks.services import Running, running

CONNECTIONS = 16
ACCOUNTS = 100
PER_SECOND = 500
_PATIENCE = 600
_PACKAGE = (
    '{"name": "Benchmark", "credits": 1, "prices": [{"price": "once", "amount_minor": 1000, "currency": "USD", '
    f'"products": {{"{PROVIDER}": "{PRODUCT}"}}}}]}}'
)


def webhooks(bench: Bench) -> None:
    """One service; the client signs before the clock runs. The second figure counts until nothing waits any more."""
    secret, admin_key = secrets.token_hex(16), secrets.token_hex(16)
    settings = {f"CREDIT_LEDGER_{PROVIDER.upper()}_WEBHOOK_SECRET": secret, "CREDIT_LEDGER_ADMIN_KEY": admin_key}
    with running(bench.stand, OURS[0], settings) as service:
        open_accounts(bench.stand, service, map(account, range(ACCOUNTS)))
        with Line(service.port, admin_key) as line:
            _sell(line, admin_key)
            for number in range(bench.pace.rounds):
                say(f"webhooks, round {number + 1} of {bench.pace.rounds}")
                _round(bench, service, line, secret, number)


def _sell(line: Line, key: str) -> None:
    head = f"PUT /v1/packages/benchmark HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    answer = line.ask(
        f"{head}Content-Type: application/json\r\nContent-Length: {len(_PACKAGE)}\r\n\r\n{_PACKAGE}".encode()
    )
    if answer.status not in (200, 201):
        raise Spoiled(f"the catalogue was not filled: {answer.body!r}")


def _round(bench: Bench, service: Running, line: Line, secret: str, number: int) -> None:
    options = {
        "port": service.port,
        "webhooks": bench.pace.webhooks,
        "connections": CONNECTIONS,
        "accounts": ACCOUNTS,
        "first": number * bench.pace.webhooks + 1,
    }
    before = cpu_seconds(service.pid), bench.stand.postgres_seconds()
    found: dict[str, float] = said_by("benchmarks.deliveries", options, {SECRET: secret}, _PATIENCE)
    more = _until_nothing_waits(line)
    count = int(found["answered"])
    used = (
        (cpu_seconds(service.pid) - before[0]) / count * 1e6,
        (bench.stand.postgres_seconds() - before[1]) / count * 1e6,
    )
    bench.report.add(
        Row(
            f"{count:,} webhooks, {CONNECTIONS} connections: put down",
            f"{count / found['seconds']:,.0f}/s; p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms",
            must_reach=f"{PER_SECOND}/s",
            reached=at_least(count / found["seconds"], PER_SECOND),
        )
    )
    applied = count / (found["seconds"] + more)
    bench.report.add(
        Row(
            f"{count:,} webhooks, {CONNECTIONS} connections: applied",
            f"{applied:,.0f}/s ({more:.1f} s after the last was put down); "
            f"CPU time of one: {used[0]:,.0f} µs in the service, {used[1]:,.0f} µs in PostgreSQL",
            must_reach=f"{PER_SECOND}/s",
            reached=at_least(applied, PER_SECOND),
        )
    )


def _until_nothing_waits(line: Line) -> float:
    """The seconds until every webhook is applied."""
    began = time.monotonic()
    while time.monotonic() < began + _PATIENCE:
        waiting: dict[str, Any] = line.get_json("/v1/webhooks?limit=1")
        if not waiting["waiting"]:
            return time.monotonic() - began
        time.sleep(0.02)
    raise Spoiled("webhooks wait for ever")
