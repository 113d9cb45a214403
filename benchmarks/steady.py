"""A steady load on a service: the open-loop client, in a process of its own."""

from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.pace import ACCOUNTS
from benchmarks.processes import said_by
from benchmarks.progress import Spoiled
from benchmarks.services import Running

PATIENCE = 120
"""Seconds that the client gets beyond those that it measures."""


def steady_load(bench: Bench, service: Running, rate: int, seconds: int) -> dict[str, float]:
    """What the client found; a refusal spoils it."""
    options = {
        "port": service.port,
        "rate": rate,
        "seconds": seconds,
        "warm-up": bench.pace.warm_up,
        "connections": CONNECTIONS,
        "accounts": ACCOUNTS,
        "prefix": bench.stand.fresh_prefix(),
    }
    secret = {"BENCHMARK_API_KEY": bench.stand.api_key}
    found: dict[str, float] = said_by("benchmarks.open_loop", options, secret, bench.pace.warm_up + seconds + PATIENCE)
    if found["failed"]:
        raise Spoiled(f"{found['failed']} of {found['answered']} deductions were refused")
    return found
