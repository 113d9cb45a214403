"""`growth`: a log of 20,000,000 events against one of 200,000, and 1,000,000 accounts of which a tenth is in memory.

Both logs have the same history of each account (bulk.py), and the same accounts are asked and deducted from. A run with
`--kept` leaves them, and takes those that an earlier run left, with what that added to each.
"""

import time
from statistics import median
from typing import NamedTuple

from api.runtime.database import as_url
from benchmarks.bench import CONNECTIONS, OURS, Bench, fill_cache
from benchmarks.bulk import EVENTS, make_log
from benchmarks.figures import Figure, http_load, questions_load, typical
from benchmarks.pace import ACCOUNTS
from benchmarks.processes import said
from benchmarks.progress import say
from benchmarks.read_side import catch_up, empty, wait_until_caught_up
from benchmarks.report import Row, at_least, at_most
from benchmarks.services import running
from benchmarks.stand import Stand
from projections.models.catalog import PROJECTIONS

TIMES = 1.2
OF_WARM = 0.5
CACHED = 0.1
"""Of the accounts of the large log, those that are in memory."""
_SLOWEST = 5_000
"""Events a second that building the projections reaches anywhere."""


class _Log(NamedTuple):
    """One of the two logs, and the data folder of its service."""

    stand: Stand
    events: int

    @property
    def settings(self) -> dict[str, str]:
        return {"CREDIT_LEDGER_DATA_DIR": str(self.stand.folder / f"growth-{self.events}")}


def growth(bench: Bench) -> None:
    """The logs are made, then measured in turns; they are verified once, because that takes as long as all else."""
    logs = [_made(bench.stand, accounts) for accounts in bench.pace.growth]
    rates = [{**_rates(bench, log), "events verified": [_verified(log)]} for log in logs]
    for number in range(1, bench.pace.rounds):
        for log, found in (
            reversed(list(zip(logs, rates, strict=True))) if number % 2 else zip(logs, rates, strict=True)
        ):
            for what, rate in _rates(bench, log).items():
                found[what] += rate
    small, large = (log.events for log in logs)
    for what in rates[0]:
        few, many = (median(found[what]) for found in rates)
        bench.report.add(
            Row(
                f"{what}, a log of {large:,} events against one of {small:,}",
                f"{many:,.0f}/s against {few:,.0f}/s",
                ratio=f"{few / many:.2f}",
                must_reach=f"at most {TIMES} times as long",
                reached=at_most(few / many, TIMES),
            )
        )
    _mostly_elsewhere(bench, logs[-1])


def _made(server: Stand, accounts: int) -> _Log:
    name, events = f"growth_{accounts}", accounts * EVENTS
    stand = server.kept(name)
    if stand is None:
        stand = server.apart(name)
        say(f"growth: making a log of {events:,} events")
        make_log(stand.ours.conninfo, accounts)
        empty(stand.ours.conninfo)
        server.keep(name)
    say(f"growth: building the projections of {events:,} events")
    catch_up(stand.ours.conninfo, PROJECTIONS, 60 + events / _SLOWEST)
    stand.settle()
    return _Log(stand.counting_new(), events)


def _rates(bench: Bench, log: _Log) -> dict[str, list[float]]:
    """What is done in a second: by a service that has just started, and by one with all in memory."""
    pace, stand = bench.pace, log.stand
    found = dict[str, list[float]]()
    say(f"growth: {log.events:,} events")
    with running(stand, OURS[0], log.settings) as service:
        cold = http_load(stand, service, connections=CONNECTIONS, seconds=pace.seconds)
        fill_cache(stand, service, pace.warm_up)
        warm = http_load(stand, service, connections=CONNECTIONS, seconds=pace.seconds)
        found["deductions in the first seconds after a start"] = [cold.per_second]
        found["deductions of accounts in memory"] = [warm.per_second]
        wait_until_caught_up(stand.ours.conninfo)
        for path in ("history?limit=50", "summary"):
            asked = questions_load(stand, service, path, connections=32, seconds=pace.seconds, accounts=ACCOUNTS)
            found[f"`/{path}`"] = [asked.per_second]
    return found


def _verified(log: _Log) -> float:
    """Events a second of `credit-ledger verify`, which finds no fault."""
    end = log.stand.ours.recorded()
    variables = {**log.settings, "CREDIT_LEDGER_DATABASE_URL": as_url(log.stand.ours.conninfo)}
    began = time.perf_counter()
    said("api.cli", ["verify", "--json"], variables, 60 + end / _SLOWEST, statuses=(0, 4))
    return end / (time.perf_counter() - began)


def _mostly_elsewhere(bench: Bench, log: _Log) -> None:
    """Deductions uniform over all accounts, of which a tenth is in memory, against those of accounts in memory."""
    pace, stand = bench.pace, log.stand
    accounts = 4 * pace.growth[1] // 5
    cached = int(accounts * CACHED)
    settings = {**log.settings, "CREDIT_LEDGER_CACHED_ACCOUNTS": str(cached)}
    few, many = list[Figure](), list[Figure]()
    for number in range(pace.rounds):
        say(f"growth, round {number + 1} of {pace.rounds}: {accounts:,} accounts, {cached:,} in memory")
        with running(stand, OURS[0], settings) as service:
            fill_cache(stand, service, pace.warm_up, enough=min(ACCOUNTS, cached))
            few.append(http_load(stand, service, connections=CONNECTIONS, seconds=pace.seconds))
            fill_cache(stand, service, pace.warm_up, accounts, cached)
            many.append(http_load(stand, service, connections=CONNECTIONS, seconds=pace.seconds, accounts=accounts))
            wait_until_caught_up(stand.ours.conninfo)
    bench.report.add_load(f"growth: {ACCOUNTS:,} accounts, all in memory", few)
    bench.report.add_load(f"growth: {accounts:,} accounts, {cached:,} in memory", many)
    ratio = typical(many) / typical(few)
    bench.report.add(
        Row(
            f"deductions over {accounts:,} accounts, {cached:,} of them in memory, against {ACCOUNTS:,}, all in memory",
            f"{typical(many):,.0f}/s against {typical(few):,.0f}/s",
            ratio=f"{ratio:.2f}",
            must_reach=f"{OF_WARM} times",
            reached=at_least(ratio, OF_WARM),
        )
    )
