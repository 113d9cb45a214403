"""`age`: whether a deduction takes longer on an account with a long history."""

from contextlib import closing
from statistics import median

from benchmarks.accounts import age as make_old
from benchmarks.accounts import open_accounts
from benchmarks.bench import OURS, Bench
from benchmarks.progress import say
from benchmarks.report import Row, at_most
from benchmarks.services import running
from benchmarks.timing import TimedLine

RATIO = 1.1
YOUNG_EVENTS = 10
PAIRS = 50
"""Pairs of deductions in one block. Every deduction makes its account older, so each block has a young account of its
own, which is at 61 events in the end."""

OLD = "old"


def age(bench: Bench) -> None:
    """One line, one deduction after the other, the two accounts in turns; both are in the cache."""
    stand, events = bench.stand, bench.pace.old_events
    young = [f"young-{number}" for number in range(bench.pace.age_blocks)]
    with running(stand, OURS[0]) as service:
        say(f"age: making an account with {events:,} events")
        open_accounts(stand, service, [OLD, *young])
        make_old(stand, service, young, YOUNG_EVENTS)
        make_old(stand, service, [OLD], events)
        stand.settle()
        say("age: deducting from old and young accounts in turns")
        with closing(TimedLine(stand, service)) as line:
            of_old, of_young = _blocks(line, young)
    _tell(bench, median(of_old), median(of_young))


def _blocks(line: TimedLine, young: list[str]) -> tuple[list[float], list[float]]:
    """Seconds of each deduction from the old account, and from young ones."""
    of_old: list[float] = []
    of_young: list[float] = []
    for account in young:
        line.deduct(OLD)
        line.deduct(account)
        for number in range(PAIRS):
            pair = [(of_old, OLD), (of_young, account)]
            for times, name in pair if number % 2 else reversed(pair):
                times.append(line.deduct(name))
    return of_old, of_young


def _tell(bench: Bench, old: float, young: float) -> None:
    bench.report.add(
        Row(
            f"a deduction on an account with {bench.pace.old_events:,} events against one with {YOUNG_EVENTS}",
            f"{old * 1e6:,.0f} µs against {young * 1e6:,.0f} µs",
            ratio=f"{old / young:.2f}",
            must_reach=f"at most {RATIO} times",
            reached=at_most(old / young, RATIO),
        )
    )
