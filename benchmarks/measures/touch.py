"""`touch`: the first deduction from an account that no cache knows, with a long history behind it."""

from contextlib import closing
from statistics import median

from benchmarks.accounts import age, open_accounts
from benchmarks.bench import OURS, Bench
from benchmarks.progress import say
from benchmarks.report import Row, within
from benchmarks.services import running
from benchmarks.timing import TimedLine

MILLISECONDS = 5.0
EVENTS = 100_000
ACCOUNTS = ("long-1", "long-2")
"""The cache holds one account, so whichever was not touched last is touched for the first time."""


def touch(bench: Bench) -> None:
    """Each account twice in a row, in turns: the first of the two finds nothing in the cache, the second one does."""
    stand = bench.stand
    with running(stand, OURS[0]) as service:
        say(f"touch: making two accounts with {EVENTS:,} events")
        open_accounts(stand, service, ACCOUNTS)
        age(stand, service, ACCOUNTS, EVENTS)
        stand.settle()
    with (
        running(stand, OURS[0], {"CREDIT_LEDGER_CACHED_ACCOUNTS": "1"}) as service,
        closing(TimedLine(stand, service)) as line,
    ):
        say("touch: deducting from both in turns")
        pairs = [(line.deduct(name), line.deduct(name)) for _ in range(bench.pace.touches) for name in ACCOUNTS]
    _tell(bench, sorted(first * 1e3 for first, _ in pairs), median(again * 1e3 for _, again in pairs))


def _tell(bench: Bench, first: list[float], again: float) -> None:
    middle, p99 = median(first), first[int(len(first) * 0.99)]
    bench.report.add(
        Row(
            f"first touch of an account that is not in the cache, with {EVENTS:,} events behind it",
            f"median {middle:.2f} ms, p99 {p99:.2f} ms (touched again: median {again:.2f} ms)",
            must_reach=f"{MILLISECONDS:.0f} ms",
            reached=within(middle, p99, MILLISECONDS),
        )
    )
