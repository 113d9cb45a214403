"""`catching-up`: building projections from the beginning of a log, against the library's own runner; what they weigh.

Each turn is a fresh process that finds empty tables. The library gets the first events of the same log, and commits
as ours do (`synchronous_commit` off: what a crash takes from a projection is built again) and as it does by itself.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import psycopg
import uvloop
from psycopg import sql

from benchmarks.bench import Bench
from benchmarks.figures import SETTLING, SYNCS, Figure, typical
from benchmarks.library_runner import SCHEMA
from benchmarks.machine import fdatasync_seconds
from benchmarks.processes import said_by
from benchmarks.progress import say
from benchmarks.read_side import PATIENCE, Weight, catch_up, empty, must_agree, weights
from benchmarks.report import Row, at_least
from benchmarks.sessions import fill_with_sessions
from benchmarks.stand import Stand
from projections.models.balances.projection import BALANCES
from projections.models.catalog import PROJECTIONS

PER_SECOND = 30_000
TIMES_THE_LIBRARY = 20.0
DEDUCTION = "CreditsDeducted"

ALL = "catching up, all projections together"
ALONE = "catching up, the balances projection alone"
LIBRARY = "the library's runner, the balances projection, commits as ours"
LIBRARY_AS_IT_COMES = "the library's runner, the balances projection, each commit waits for the disk"


class Turn(NamedTuple):
    """One building from the beginning."""

    figure: Figure
    peak: float
    """Bytes of memory."""


def catching_up(bench: Bench) -> None:
    """All in turns, in the other order in every second round; medians count."""
    stand = bench.stand.apart("projecting")
    say(f"catching-up: making a log of {bench.pace.projected_events:,} events")
    events = uvloop.run(fill_with_sessions(stand.ours.conninfo, bench.pace.projected_events))
    library_events = bench.pace.library_events
    sides: dict[str, Callable[[], dict[str, float]]] = {
        ALL: lambda: catch_up(stand.ours.conninfo, PROJECTIONS),
        ALONE: lambda: catch_up(stand.ours.conninfo, [BALANCES]),
        LIBRARY: lambda: _library(stand, library_events, "off"),
        LIBRARY_AS_IT_COMES: lambda: _library(stand, library_events, "on"),
    }
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    for number in range(bench.pace.rounds):
        for name in sides if number % 2 == 0 else reversed(sides):
            say(f"catching-up, round {number + 1} of {bench.pace.rounds}: {name}")
            turns[name].append(_turn(stand, sides[name]))
    must_agree(stand.ours.conninfo, BALANCES, SCHEMA, library_events)
    share = events[DEDUCTION] / events.total()
    _tell(bench, f"{events.total():,} events, {share:.0%} of them deductions", turns)
    _tell_weights(bench, _weighed(stand), events.total())


def _turn(stand: Stand, side: Callable[[], dict[str, float]]) -> Turn:
    empty(stand.ours.conninfo)
    stand.settle()
    sync = fdatasync_seconds(stand.folder, writes=SYNCS) * 1e6
    transactions, postgres = stand.ours.transactions(), stand.postgres_seconds()
    found = side()
    time.sleep(SETTLING)
    micro = 1e6 / found["events"]
    postgres = (stand.postgres_seconds() - postgres) * micro
    commits = stand.ours.transactions() - transactions
    per_second = found["events"] / found["seconds"]
    say(f"  {per_second:,.0f} events/s")
    return Turn(Figure(sync, per_second, found["cpu"] * micro, postgres, found["events"] / commits), found["peak"])


def _library(stand: Stand, upto: int, synchronous_commit: str) -> dict[str, float]:
    with psycopg.connect(stand.ours.conninfo) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(SCHEMA)))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
    variables = {
        "BENCHMARK_DATABASE": stand.ours.conninfo,
        "PGOPTIONS": f"-c search_path={SCHEMA} -c synchronous_commit={synchronous_commit}",
    }
    found: dict[str, float] = said_by("benchmarks.library_runner", {"upto": upto}, variables, PATIENCE)
    return found


def _weighed(stand: Stand) -> list[Weight]:
    """Of a database in which all projections are at the end of the log, as one building left them."""
    empty(stand.ours.conninfo)
    catch_up(stand.ours.conninfo, PROJECTIONS)
    return weights(stand.ours.conninfo)


def _tell(bench: Bench, log: str, turns: Mapping[str, list[Turn]]) -> None:
    figures = {name: [turn.figure for turn in each] for name, each in turns.items()}
    for name, each in figures.items():
        bench.report.add_load(name, each)
    every, alone, library, as_it_comes = (typical(each) for each in figures.values())
    peaks = [max(turn.peak for turn in turns[name]) / 1e6 for name in (ALL, LIBRARY)]
    yardstick = (
        f"{library:,.0f} events/s (the library's runner with the balances, over the first "
        f"{bench.pace.library_events:,} events, at most {peaks[1]:.0f} MB of memory; {as_it_comes:,.0f} when each "
        "commit waits for the disk)"
    )
    bench.report.add(
        Row(
            f"{ALL}, one process: a log of {log}",
            f"{every:,.0f} events/s, at most {peaks[0]:.0f} MB of memory",
            must_reach=f"{PER_SECOND:,} events/s",
            reached=at_least(every, PER_SECOND),
        )
    )
    for what, ours, wanted in ((ALONE, alone, TIMES_THE_LIBRARY), (f"the same, but with {_all_of_them()}", every, 0.0)):
        ratio = ours / library
        row = Row(what, f"{ours:,.0f} events/s", yardstick, f"{ratio:.1f}")
        bench.report.add(
            row._replace(must_reach=f"{wanted:.0f} times", reached=at_least(ratio, wanted)) if wanted else row
        )


def _all_of_them() -> str:
    return f"all {len(PROJECTIONS)} of our projections against the library's one"


def _tell_weights(bench: Bench, found: list[Weight], events: int) -> None:
    bench.report.weigh(found, events)
    rows, indexes = (sum(getattr(weight, part) for weight in found) / events for part in ("rows", "indexes"))
    log = sum(weight.rows + weight.indexes for weight in found if weight.table.startswith("ledger.")) / events
    bench.report.add(
        Row(
            f"bytes on disk for one event, all tables and indexes, after {events:,} events",
            f"{rows + indexes:,.0f}: the ledger {log:,.0f}, the projections {rows + indexes - log:,.0f} "
            f"({indexes / (rows + indexes):.0%} of all are indexes)",
        )
    )
