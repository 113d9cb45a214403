"""`verify`: deductions with the key of an account, verified in the same request, against deductions of a service.

Both say a key in their usage, so that the events are the same. The turns are interleaved on one service. CPU time
decides: it holds on a busy machine. Beside it, 100,000 keys are refreshed as every worker does each second.
"""

import asyncio
import json
import time
from pathlib import Path

import psycopg

from benchmarks.accounts import open_accounts
from benchmarks.bench import CONNECTIONS, OURS, Bench
from benchmarks.figures import ONE_CREDIT, Figure, http_load, typical
from benchmarks.line import Line
from benchmarks.measures.limits import cpu
from benchmarks.progress import Spoiled, say
from benchmarks.report import Row, at_least, at_most
from benchmarks.services import Running, running
from ledger.clock import GuardedClock
from ledger.service import Ledger
from people.keys.ring import KeyRing

ACCOUNTS = 100
KEPT = 0.90
MANY = 100_000
REFRESH_MS = 5.0
_PLAIN = f'{ONE_CREDIT},"usage":{{"key":"00000000"}}'
_FILL = f"""
INSERT INTO people.api_keys (prefix, sha256, name, scopes, account_id, made_by)
SELECT lpad(n::text, 8, '0'), sha256(n::text::bytea), 'many', '{{own:read}}', 'a', 'a'
FROM generate_series(1, {MANY}) AS n
"""


def verify(bench: Bench) -> None:
    """Two turns in each round, in the other order in every second round."""
    with running(bench.stand, OURS[0]) as service:
        names = [f"verify-{number:05d}" for number in range(ACCOUNTS)]
        open_accounts(bench.stand, service, names)
        keys = _keys(bench, service, names)
        turns: dict[str, list[Figure]] = {"plain": [], "verified": []}
        for number in range(2 * bench.pace.rounds + 1):
            for word in sorted(turns, reverse=number % 2 == 1):
                say(f"verify, round {number} of {2 * bench.pace.rounds}: {word}")
                figure = http_load(
                    bench.stand,
                    service,
                    connections=CONNECTIONS,
                    seconds=bench.pace.seconds if number else bench.pace.warm_up,
                    accounts=ACCOUNTS,
                    word="verify",
                    asked=_PLAIN if word == "plain" else ONE_CREDIT,
                    keys=None if word == "plain" else keys,
                )
                if number:  # the first round warms up
                    turns[word].append(figure)
        _report(bench, turns["plain"], turns["verified"])
    _report_refresh(bench)


def _keys(bench: Bench, service: Running, names: list[str]) -> Path:
    """A file with a key of each account, one on each line."""
    file = bench.stand.folder / "keys"
    bodies = ({"account_id": name, "name": "benchmark", "rate_limit": 1_000_000} for name in names)
    with Line(service.port, bench.stand.api_key) as line:
        file.write_text("".join(f"{_made(line, body)}\n" for body in bodies))
    return file


def _made(line: Line, body: dict[str, object]) -> str:
    status, answer = line.post("/v1/keys", json.dumps(body))
    if status != 201:
        raise Spoiled(f"no key was made: {answer!r}")
    key: str = json.loads(answer)["key"]
    return key


def _report(bench: Bench, plain: list[Figure], verified: list[Figure]) -> None:
    bench.report.add_load("verify: deductions of a service", plain)
    bench.report.add_load("verify: verified in the same request", verified)
    without, with_key = cpu(plain), cpu(verified)
    bench.report.add(
        Row(
            "CPU time of a deduction with a verified key",
            f"{with_key:,.0f} µs ({typical(verified):,.0f}/s)",
            f"(of a service: {without:,.0f} µs, {typical(plain):,.0f}/s)",
            f"{without / with_key:.2f}",
            f"{KEPT}",
            at_least(without / with_key, KEPT),
        )
    )


def _report_refresh(bench: Bench) -> None:
    conninfo = bench.stand.ours.conninfo
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_FILL.encode())
        taken = asyncio.run(_refreshes(conninfo)) * 1e3
        connection.execute("DELETE FROM people.api_keys WHERE name = 'many'")  # later measures start services
    what = f"a refresh of {MANY:,} API keys, as every worker does each second"
    bench.report.add(Row(what, f"{taken:.1f} ms", "", "", f"{REFRESH_MS} ms", at_most(taken, REFRESH_MS)))


async def _refreshes(conninfo: str) -> float:
    """The median seconds of a refresh by a process that knows all keys."""
    clock = GuardedClock()
    async with Ledger(conninfo, clock=clock).running() as ledger:
        keys = KeyRing(ledger.log, clock, None, None)
        await keys.refresh()
        times = []
        for _ in range(21):
            begun = time.perf_counter()
            await keys.refresh()
            times.append(time.perf_counter() - begun)
    return sorted(times)[10]
