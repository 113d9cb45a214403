"""`latency`: how long single deductions take at half the peak rate, when nobody waits for an answer to ask again."""

from benchmarks.bench import OURS, Bench
from benchmarks.progress import say
from benchmarks.read_side import wait_until_caught_up
from benchmarks.report import Row, at_most
from benchmarks.services import running
from benchmarks.steady import steady_load

P99 = 10.0
"""Milliseconds."""


def latency(bench: Bench) -> None:
    """With one worker, at half of what that reached in `single`."""
    rate = round(bench.peak() / 2)
    with running(bench.stand, OURS[0]) as service:
        bench.warm_up(service)
        say("latency: waiting until the projections have what the earlier loads left them")
        wait_until_caught_up(bench.stand.ours.conninfo)
        say(f"latency: {rate:,} deductions a second for {bench.pace.latency_seconds} s")
        found = steady_load(bench, service, rate, bench.pace.latency_seconds)
    shown = ", ".join(f"{name} {found[name]:.1f}" for name in ("p50", "p90", "p99", "p99.9"))
    bench.report.add(
        Row(
            f"single deductions, open loop at half the peak rate ({rate:,}/s; {found['rate']:,.0f}/s answered)",
            f"ms: {shown} (99% were sent less than {found['late']:.1f} late)",
            must_reach=f"p99 {P99:.0f} ms",
            reached=at_most(found["p99"], P99),
        )
    )
