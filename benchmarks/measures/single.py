"""`single` and `hot`: one deduction in each request, over many accounts and on one."""

from benchmarks.bench import OURS, RIVALS, YARDSTICKS, Bench
from benchmarks.figures import typical
from benchmarks.report import Row, at_least

TIMES_THE_YARDSTICK = 4.0
SHARE_OF_SPREAD_OUT = 0.9


def single(bench: Bench) -> None:
    """Against the yardstick's best of two servers and two numbers of workers, whichever that is."""
    bench.take_turns(RIVALS)
    for rival in RIVALS:
        bench.report.add_load(f"single: {rival}", bench.spread[rival])
    best = max(YARDSTICKS, key=lambda rival: typical(bench.spread[rival]))
    yardstick = typical(bench.spread[best])
    for rival in OURS:
        ours = typical(bench.spread[rival])
        bench.report.add(
            Row(
                f"one deduction per request, 64 connections, 10,000 accounts: {rival}",
                f"{ours:,.0f}/s",
                f"{yardstick:,.0f}/s ({best.server}, {best.workers} workers)",
                f"{ours / yardstick:.2f}",
                f"{TIMES_THE_YARDSTICK:.0f} times",
                at_least(ours / yardstick, TIMES_THE_YARDSTICK),
            )
        )


def hot(bench: Bench) -> None:
    """Each hot turn follows the spread-out turn of the same process."""
    bench.take_turns(OURS)
    for rival in OURS:
        bench.report.add_load(f"hot: {rival}", bench.hot[rival])
        spread, one = typical(bench.spread[rival]), typical(bench.hot[rival])
        bench.report.add(
            Row(
                f"the same, all on one hot account: {rival}",
                f"{one:,.0f}/s",
                f"(our own spread-out figure: {spread:,.0f}/s)",
                f"{one / spread:.2f}",
                f"{SHARE_OF_SPREAD_OUT}",
                at_least(one / spread, SHARE_OF_SPREAD_OUT),
            )
        )
