"""`lag`: how long after an answer the projections have what was answered, under a steady load."""

from concurrent.futures import ThreadPoolExecutor

from benchmarks.bench import OURS, Bench
from benchmarks.pace import ACCOUNTS
from benchmarks.processes import said_by
from benchmarks.progress import say
from benchmarks.read_side import wait_until_caught_up
from benchmarks.report import Row, at_most
from benchmarks.services import Running, running
from benchmarks.steady import steady_load

LOAD = 5_000
"""Deductions a second."""
ENOUGH = 0.95
"""The part of it that must be reached for the lag to count as measured under it."""
P99 = 250.0
"""Milliseconds."""
PROBES = 40
"""Deductions a second that are watched; they come on top of the load."""
MARGIN = 5
"""Seconds that the load lasts longer than the watching."""
PATIENCE = 120


def lag(bench: Bench) -> None:
    """The service as users start it, with one worker and its projector."""
    stand, seconds = bench.stand, bench.pace.lag_seconds
    with running(stand, OURS[0]) as service:
        say("lag: waiting until the projections have what the log has")
        wait_until_caught_up(stand.ours.conninfo)
        bench.warm_up(service)
        wait_until_caught_up(stand.ours.conninfo)
        stand.settle()
        say(f"lag: {LOAD:,} deductions a second for {seconds} s")
        with ThreadPoolExecutor(1) as pool:
            load = pool.submit(steady_load, bench, service, LOAD, seconds + MARGIN)
            found = _watch(bench, service, seconds)
            answered = load.result()
        wait_until_caught_up(stand.ours.conninfo)
    bench.report.add(
        Row(
            f"lag from answer to visible in all projections, open loop at {LOAD:,} deductions a second "
            f"({found['per_second']:,.0f} events/s recorded, answers p99 {answered['p99']:.1f} ms)",
            f"ms: p50 {found['p50']:.0f}, p99 {found['p99']:.0f}, longest {found['max']:.0f} "
            f"({found['probes']:,} deductions watched)",
            must_reach=f"p99 {P99:.0f} ms",
            reached=_reached(found),
        )
    )


def _watch(bench: Bench, service: Running, seconds: int) -> dict[str, float]:
    options = {
        "port": service.port,
        "rate": PROBES,
        "seconds": seconds,
        "load": LOAD,
        "warm-up": bench.pace.warm_up,
        "accounts": ACCOUNTS,
        "prefix": bench.stand.fresh_prefix(),
    }
    secrets = {"BENCHMARK_API_KEY": bench.stand.api_key, "BENCHMARK_DATABASE": bench.stand.ours.conninfo}
    found: dict[str, float] = said_by("benchmarks.visibility", options, secrets, seconds + PATIENCE)
    return found


def _reached(found: dict[str, float]) -> str:
    if found["per_second"] < ENOUGH * LOAD:
        return f"no: the load was only {found['per_second']:,.0f}/s"
    return at_most(found["p99"], P99)
