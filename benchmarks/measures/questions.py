"""`questions`: what a dashboard asks, of 2,000 accounts with some 60 events each, against the yardstick's tables.

The yardstick's balance is a sum over open lots, its history the newest rows of a table; it has nothing like a summary,
which is compared with its balance.
"""

from typing import NamedTuple

import psycopg

from benchmarks.bench import OURS, YARDSTICKS, Bench
from benchmarks.figures import Figure, questions_load, typical, warm_up
from benchmarks.progress import say
from benchmarks.read_side import wait_until_caught_up
from benchmarks.report import Row, at_least
from benchmarks.services import Rival, Running, running

ACCOUNTS = 2_000
EVENTS = 60
CONNECTIONS = 32
COMMANDS = 500
RIVALS = (OURS[0], YARDSTICKS[0], YARDSTICKS[1])


class Asked(NamedTuple):
    """A question of ours, the yardstick's that it is compared with, and by how much it must be faster."""

    ours: str
    yardstick: str
    times: float


QUESTIONS = (
    Asked("balance", "balance", 2.0),
    Asked("history?limit=50", "history?limit=50", 1.5),
    Asked("summary", "balance", 1.0),
)
Turns = dict[tuple[Rival, str], list[Figure]]


def questions(bench: Bench) -> None:
    """Both sides get the same deductions, then take turns at the questions."""
    _fill(bench)
    turns: Turns = {}
    for number in range(bench.pace.rounds):
        for rival in RIVALS if number % 2 == 0 else reversed(RIVALS):
            say(f"questions, round {number + 1} of {bench.pace.rounds}: {rival}")
            _take_turn(bench, rival, turns)
    for (rival, path), figures in turns.items():
        bench.report.add_load(f"{path}, {CONNECTIONS} connections: {rival}", figures)
    for asked in QUESTIONS:
        _tell(bench, asked, turns)


def _fill(bench: Bench) -> None:
    """Deductions on our side, and as many rows of the yardstick's entries for each account."""
    say(f"at least {EVENTS} deductions of {ACCOUNTS:,} accounts")
    with running(bench.stand, OURS[0]) as service:
        begun = before = bench.stand.ours.recorded()
        while before - begun < ACCOUNTS * EVENTS:
            warm_up(bench.stand, service, connections=4, seconds=1, accounts=ACCOUNTS, commands=COMMANDS)
            before = bench.stand.ours.recorded()
        wait_until_caught_up(bench.stand.ours.conninfo)
    each = (before - begun) // ACCOUNTS
    with psycopg.connect(bench.stand.yardstick.conninfo, autocommit=True) as connection:
        connection.execute(
            "SELECT yardstick.deduct("
            "'account-' || lpad((n %% %s)::text, 5, '0'), 1, 'questions-' || n, ''::bytea, NULL)"
            " FROM generate_series(1, %s) AS n",
            [ACCOUNTS, ACCOUNTS * each],
        )
    bench.stand.settle()


def _take_turn(bench: Bench, rival: Rival, turns: Turns) -> None:
    paths = {asked.ours if rival.ours else asked.yardstick for asked in QUESTIONS}
    with running(bench.stand, rival) as service:
        for path in sorted(paths):
            _ask(bench, service, path, bench.pace.warm_up)
            figure = _ask(bench, service, path, bench.pace.seconds)
            say(f"  {path}: {figure.per_second:,.0f}/s")
            turns.setdefault((rival, path), []).append(figure)


def _ask(bench: Bench, service: Running, path: str, seconds: int) -> Figure:
    return questions_load(bench.stand, service, path, connections=CONNECTIONS, seconds=seconds, accounts=ACCOUNTS)


def _tell(bench: Bench, asked: Asked, turns: Turns) -> None:
    ours = typical(turns[OURS[0], asked.ours])
    best = max(RIVALS[1:], key=lambda rival: typical(turns[rival, asked.yardstick]))
    theirs = typical(turns[best, asked.yardstick])
    ratio = ours / theirs
    bench.report.add(
        Row(
            f"`/{asked.ours}` of {ACCOUNTS:,} accounts, {CONNECTIONS} connections: {OURS[0]}",
            f"{ours:,.0f}/s",
            f"{theirs:,.0f}/s (`/{asked.yardstick}`, {best.server})",
            f"{ratio:.2f}",
            f"{asked.times:g} times",
            at_least(ratio, asked.times),
        )
    )
