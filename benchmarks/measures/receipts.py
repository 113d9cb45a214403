"""`receipts`: receipts of payments as PDF, each another one, on some connections."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from benchmarks.accounts import open_accounts
from benchmarks.bench import OURS, Bench
from benchmarks.line import Line
from benchmarks.processes import cpu_seconds
from benchmarks.progress import Spoiled, say
from benchmarks.report import Row, at_least
from benchmarks.services import Running, running

ACCOUNTS, CONNECTIONS = 20, 4
PER_SECOND = 100


def receipts(bench: Bench) -> None:
    """One service. All receipts are of payments that a signed checkpoint has, as those of yesterday are."""
    with running(bench.stand, OURS[0]) as service:
        accounts = [f"receipts-{number:03d}" for number in range(ACCOUNTS)]
        open_accounts(bench.stand, service, accounts)
        count = bench.pace.webhooks // 10
        paths = _pay(service, bench.stand.api_key, accounts, count)
        _ask(service, bench.stand.api_key, paths[:1])  # loads the printer, and signs a checkpoint of all payments
        say(f"receipts, {count:,} of them")
        _measure(bench, service, paths[1:])


def _pay(service: Running, key: str, accounts: Sequence[str], count: int) -> list[str]:
    """Record payments that bought two grants each; the paths of their receipts."""
    paths = []
    with Line(service.port, key) as line:
        for number in range(count):
            account = accounts[number % len(accounts)]
            grants = [{"kind": "permanent", "amount": 500}, {"kind": "subscription", "amount": 2_000}]
            money = {"provider": "stripe", "status": "paid", "amount_minor": 1_900, "currency": "EUR"}
            body = json.dumps({"payment_id": f"pi_{number}", **money, "grants": grants})
            answer = line.post(f"/v1/accounts/{account}/payments", body)
            if answer.status != 201:
                raise Spoiled(f"a payment was answered with {answer.status}: {answer.body[:500]!r}")
            position = json.loads(answer.body)["position"]
            paths.append(f"/v1/accounts/{account}/payments/pi_{number}/receipt.pdf?min_position={position}")
    return paths


def _ask(service: Running, key: str, paths: Sequence[str]) -> list[int]:
    """Ask for receipts over one connection, one after the other; their sizes."""
    with Line(service.port, key) as line:
        answers = [line.get(path) for path in paths]
    for answer in answers:
        if answer.status != 200 or not answer.body.startswith(b"%PDF-"):
            raise Spoiled(f"a receipt was answered with {answer.status}: {answer.body[:500]!r}")
    return [len(answer.body) for answer in answers]


def _measure(bench: Bench, service: Running, paths: Sequence[str]) -> None:
    key = bench.stand.api_key
    before = cpu_seconds(service.pid)
    seconds, sizes = _timed(lambda some: _ask(service, key, some), paths)
    used = (cpu_seconds(service.pid) - before) / len(paths)
    reached = len(paths) / seconds
    bench.report.add(
        Row(
            f"{len(paths):,} receipts as PDF, each another one, {CONNECTIONS} connections",
            f"{reached:,.0f}/s; CPU time of one: {used * 1e3:.1f} ms in the service; "
            f"{sum(sizes) // len(sizes):,} bytes",
            must_reach=f"{PER_SECOND}/s",
            reached=at_least(reached, PER_SECOND),
        )
    )


def _timed(work: Callable[[Sequence[str]], list[int]], paths: Sequence[str]) -> tuple[float, list[int]]:
    """Share paths among the connections; how long it takes, and what was found."""
    parts = [paths[place::CONNECTIONS] for place in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        began = monotonic()
        found = list(threads.map(work, parts))
        return monotonic() - began, [size for some in found for size in some]
