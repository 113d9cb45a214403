"""`latency`: how long single deductions take at half the peak rate, when nobody waits for an answer to ask again."""

import json
import subprocess
import sys

from benchmarks.bench import CONNECTIONS, OURS, Bench
from benchmarks.pace import ACCOUNTS
from benchmarks.processes import ROOT, clean_environment
from benchmarks.progress import Spoiled, say
from benchmarks.report import Row, at_most
from benchmarks.services import Running, running

P99 = 10.0
"""Milliseconds."""
PATIENCE = 120
"""Seconds that the client gets beyond those that it measures."""


def latency(bench: Bench) -> None:
    """With one worker, at half of what that reached in `single`."""
    rate = round(bench.peak() / 2)
    say(f"latency: {rate:,} deductions a second for {bench.pace.latency_seconds} s")
    with running(bench.stand, OURS[0]) as service:
        bench.warm_up(service)
        found = _open_loop(bench, service, rate)
    shown = ", ".join(f"{name} {found[name]:.1f}" for name in ("p50", "p90", "p99", "p99.9"))
    bench.report.add(
        Row(
            f"single deductions, open loop at half the peak rate ({rate:,}/s; {found['rate']:,.0f}/s answered)",
            f"ms: {shown} (99% were sent less than {found['late']:.1f} late)",
            must_reach=f"p99 {P99:.0f} ms",
            reached=at_most(found["p99"], P99),
        )
    )


def _open_loop(bench: Bench, service: Running, rate: int) -> dict[str, float]:
    """What the client in its own process found."""
    seconds = bench.pace.latency_seconds
    options = {
        "port": service.port,
        "rate": rate,
        "seconds": seconds,
        "warm-up": bench.pace.warm_up,
        "connections": CONNECTIONS,
        "accounts": ACCOUNTS,
        "prefix": bench.stand.fresh_prefix(),
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.open_loop", *(f"--{name}={value}" for name, value in options.items())],
        cwd=ROOT,
        env=clean_environment() | {"BENCHMARK_API_KEY": bench.stand.api_key},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + PATIENCE,
    )
    if done.returncode != 0:
        raise Spoiled(f"the open-loop client failed:\n{done.stderr[-2_000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    if found["failed"]:
        raise Spoiled(f"{found['failed']} of {found['answered']} deductions were refused")
    return found
