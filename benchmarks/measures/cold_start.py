"""`cold-start`: what a service does right after a restart, when every account has still to be loaded: against what it
does when all are in memory, and how long anybody waits."""

from datetime import UTC, datetime, timedelta
from statistics import median

import uvloop

from benchmarks.accounts import AMPLE, name
from benchmarks.bench import CONNECTIONS as LINES
from benchmarks.bench import OURS, Bench, fill_cache
from benchmarks.figures import Figure, http_load, typical
from benchmarks.filling import Filler, Wish, filling
from benchmarks.processes import said_by
from benchmarks.progress import Spoiled, say
from benchmarks.read_side import catch_up, empty, wait_until_caught_up
from benchmarks.report import Row, at_least, at_most
from benchmarks.services import running
from benchmarks.stand import Stand
from projections.models.catalog import PROJECTIONS

LONGEST = 2_000.0
"""Milliseconds."""
EVENTS = 70
"""Of each account: fewer than it takes to keep a snapshot."""
CONNECTIONS = (64, 1_024)
SECONDS = 10
OF_WARM = 0.6
P99 = 100.0
"""Milliseconds."""
PATIENCE = 60
"""Seconds that the client gets beyond those that it measures."""
_OPENING = 2
_TOGETHER = 3_000


def cold_start(bench: Bench) -> None:
    """A service is started anew for each number of connections."""
    stand, accounts = bench.stand.apart("cold"), bench.pace.cold_accounts
    say(f"cold-start: making {accounts:,} accounts with {EVENTS} events each")
    uvloop.run(_fill(stand.ours.conninfo, accounts))
    empty(stand.ours.conninfo)
    catch_up(stand.ours.conninfo, PROJECTIONS)
    stand.settle()
    _against_warm(bench, stand, accounts)
    for connections in CONNECTIONS:
        say(f"cold-start: {connections:,} connections right after a start")
        _tell(bench, connections, _load(stand, connections, accounts))


def _against_warm(bench: Bench, stand: Stand, accounts: int) -> None:
    """The load of `single` in the first seconds after a start, and on the same service when it has all accounts."""
    cold, warm = list[Figure](), list[Figure]()
    for number in range(bench.pace.rounds):
        say(f"cold-start, round {number + 1} of {bench.pace.rounds}: the first {SECONDS} s, then with all in memory")
        with running(stand, OURS[0]) as service:
            cold.append(http_load(stand, service, connections=LINES, seconds=SECONDS, accounts=accounts))
            fill_cache(stand, service, bench.pace.seconds, accounts)
            warm.append(http_load(stand, service, connections=LINES, seconds=SECONDS, accounts=accounts))
            wait_until_caught_up(stand.ours.conninfo)
    bench.report.add_load("cold-start: the first seconds after a start", cold)
    bench.report.add_load("cold-start: with all accounts in memory", warm)
    ratio, p99 = typical(cold) / typical(warm), median(figure.p99 for figure in cold)
    bench.report.add(
        Row(
            f"the first {SECONDS} s after a start, {LINES} connections over {accounts:,} accounts of {EVENTS} events, "
            "against the same with all in memory",
            f"{typical(cold):,.0f}/s against {typical(warm):,.0f}/s; p99 {p99:.0f} ms",
            ratio=f"{ratio:.2f}",
            must_reach=f"{OF_WARM} times, p99 {P99:.0f} ms",
            reached=f"{at_least(ratio, OF_WARM)}; p99 {at_most(p99, P99)}",
        )
    )


async def _fill(conninfo: str, accounts: int) -> None:
    length = timedelta(days=1)
    async with filling(conninfo, datetime.now(UTC) - length, length / (accounts * EVENTS)) as filler:
        for start in range(0, accounts, _TOGETHER):
            names = [name(number) for number in range(start, min(start + _TOGETHER, accounts))]
            await _fill_some(filler, names)


async def _fill_some(filler: Filler, names: list[str]) -> None:
    await filler.ask(Wish("open", each, {"account_id": each, "signup_credits": AMPLE}) for each in names)
    for number in range(EVENTS - _OPENING):
        await filler.ask(Wish("deduct", each, {"amount": 1, "task_id": f"past-{number}"}) for each in names)


def _load(stand: Stand, connections: int, accounts: int) -> dict[str, float]:
    with running(stand, OURS[0]) as service:
        options = {
            "port": service.port,
            "seconds": SECONDS,
            "connections": connections,
            "accounts": accounts,
            "prefix": stand.fresh_prefix(),
        }
        secret = {"BENCHMARK_API_KEY": stand.api_key}
        found: dict[str, float] = said_by("benchmarks.closed_loop", options, secret, SECONDS + PATIENCE)
    if found["carried_out"] + found["turned_away"] != found["answered"] or found["not_told_when"]:
        raise Spoiled(f"somebody was neither served nor told when to come again: {found}")
    return found


def _tell(bench: Bench, connections: int, found: dict[str, float]) -> None:
    shown = ", ".join(f"{each} {found[each]:,.0f}" for each in ("first", "p50", "p99", "longest"))
    bench.report.add(
        Row(
            f"the first {SECONDS} s after a start, {connections:,} connections over {bench.pace.cold_accounts:,} "
            f"accounts of {EVENTS} events",
            f"ms: {shown} ({found['carried_out']:,.0f} deductions, {found['turned_away']:,.0f} times 503 `overloaded`)",
            must_reach=f"longest {LONGEST:,.0f} ms",
            reached=at_most(found["longest"], LONGEST),
        )
    )
