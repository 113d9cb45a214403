"""`batch`: 500 independent deductions in a request, against the yardstick's function without HTTP at its best."""

from benchmarks.bench import OURS, Bench
from benchmarks.figures import Figure, function_load, http_load, typical
from benchmarks.progress import say
from benchmarks.report import Row, at_least
from benchmarks.services import Rival, running

COMMANDS = 500
CONNECTIONS = (4, 8)
CLIENTS = (8, 16, 24, 32, 48)
PER_SECOND = 40_000
TIMES_THE_FUNCTION = 2.0

Ours = dict[tuple[Rival, int], list[Figure]]
"""By rival and number of connections."""
Function = dict[int, list[Figure]]
"""By number of clients."""


def batch(bench: Bench) -> None:
    """Both sides take turns, and of both the better number of connections counts."""
    ours: Ours = {}
    function: Function = {}
    for number in range(bench.pace.rounds):
        for rival in OURS:
            say(f"batch, round {number + 1} of {bench.pace.rounds}: {rival}")
            _batches(bench, rival, ours)
        say(f"batch, round {number + 1} of {bench.pace.rounds}: pgbench")
        _function(bench, function)
    _tell(bench, ours, function)


def _batches(bench: Bench, rival: Rival, ours: Ours) -> None:
    with running(bench.stand, rival) as service:
        bench.warm_up(service)
        for connections in CONNECTIONS:
            figure = http_load(
                bench.stand, service, connections=connections, seconds=bench.pace.seconds, commands=COMMANDS
            )
            say(f"  {connections} connections: {figure.per_second:,.0f} commands/s")
            ours.setdefault((rival, connections), []).append(figure)


def _function(bench: Bench, function: Function) -> None:
    for clients in CLIENTS:
        figure = function_load(bench.stand, clients=clients, seconds=bench.pace.pgbench_seconds)
        say(f"  {clients} clients: {figure.per_second:,.0f}/s")
        function.setdefault(clients, []).append(figure)


def _tell(bench: Bench, ours: Ours, function: Function) -> None:
    for (rival, connections), turns in ours.items():
        bench.report.add_load(f"batches of {COMMANDS}, {connections} connections: {rival}", turns)
    for clients, turns in function.items():
        bench.report.add_load(f"the yardstick's function, pgbench, {clients} clients", turns)
    clients = max(function, key=lambda each: typical(function[each]))
    for rival in OURS:
        _tell_of(bench, rival, max(typical(ours[rival, each]) for each in CONNECTIONS), clients, function)


def _tell_of(bench: Bench, rival: Rival, per_second: float, clients: int, function: Function) -> None:
    what = f"batches of {COMMANDS}, independent: {rival}"
    measured = f"{per_second:,.0f}/s"
    best = typical(function[clients])
    ratio = per_second / best
    bench.report.add(Row(what, measured, must_reach=f"{PER_SECOND:,}/s", reached=at_least(per_second, PER_SECOND)))
    bench.report.add(
        Row(
            what,
            measured,
            f"{best:,.0f}/s (pgbench, {clients} clients)",
            f"{ratio:.2f}",
            f"{TIMES_THE_FUNCTION:.0f} times",
            at_least(ratio, TIMES_THE_FUNCTION),
        )
    )
