"""`cold-start`: how long anybody waits for an answer after a restart, when every account has still to be loaded."""

from datetime import UTC, datetime, timedelta

import uvloop

from benchmarks.accounts import AMPLE, name
from benchmarks.bench import OURS, Bench
from benchmarks.filling import Filler, Wish, filling
from benchmarks.processes import said_by
from benchmarks.progress import Spoiled, say
from benchmarks.read_side import catch_up, empty
from benchmarks.report import Row, at_most
from benchmarks.services import running
from benchmarks.stand import Stand
from projections.models.catalog import PROJECTIONS

LONGEST = 2_000.0
"""Milliseconds."""
EVENTS = 70
"""Of each account: fewer than it takes to keep a snapshot."""
CONNECTIONS = (64, 1_024)
SECONDS = 10
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
    for connections in CONNECTIONS:
        say(f"cold-start: {connections:,} connections right after a start")
        _tell(bench, connections, _load(stand, connections, accounts))


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
