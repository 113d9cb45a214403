"""`limits`: the load of `single` and of `hot` on a team with limits, against the same load on a team without.

Both teams name a member with each deduction. A hundred members and three limits: for each member by month and by day,
and for the team by month. The turns are interleaved on one service. CPU time decides: it holds on a busy machine.
"""

from statistics import median

from benchmarks.accounts import limit_accounts, open_accounts, use_members
from benchmarks.bench import CONNECTIONS, OURS, Bench
from benchmarks.figures import Figure, http_load, typical
from benchmarks.progress import say
from benchmarks.report import Row, at_least
from benchmarks.services import running

MEMBERS = 100
TEAMS = {"100 teams": 100, "one hot team": 1}
KEPT = 0.95


def limits(bench: Bench) -> None:
    """Two turns in each round: one team with limits, one without, and in the other order in every second round."""
    with running(bench.stand, OURS[0]) as service:
        for word in ("free", "limited"):
            teams = [f"{word}-{number:05d}" for number in range(max(TEAMS.values()))]
            open_accounts(bench.stand, service, teams)
            if word == "limited":
                limit_accounts(bench.stand, service, teams)
            use_members(bench.stand, service, teams, MEMBERS)
        for what, accounts in TEAMS.items():
            turns: dict[str, list[Figure]] = {"free": [], "limited": []}
            for number in range(2 * bench.pace.rounds + 1):
                for word in sorted(turns, reverse=number % 2 == 1):
                    say(f"limits, {what}, round {number} of {2 * bench.pace.rounds}: {word}")
                    figure = http_load(
                        bench.stand,
                        service,
                        connections=CONNECTIONS,
                        seconds=bench.pace.seconds if number else bench.pace.warm_up,
                        accounts=accounts,
                        word=word,
                        members=MEMBERS,
                    )
                    if number:  # the first round warms up
                        turns[word].append(figure)
            _report(bench, what, turns["free"], turns["limited"])


def _report(bench: Bench, what: str, free: list[Figure], limited: list[Figure]) -> None:
    bench.report.add_load(f"limits: {what}, no limits", free)
    bench.report.add_load(f"limits: {what}, 3 limits", limited)
    without, with_limits = cpu(free), cpu(limited)
    bench.report.add(
        Row(
            f"CPU time of a deduction with 3 limits and {MEMBERS} members, {what}",
            f"{with_limits:,.0f} µs ({typical(limited):,.0f}/s)",
            f"(without limits: {without:,.0f} µs, {typical(free):,.0f}/s)",
            f"{without / with_limits:.2f}",
            f"{KEPT}",
            at_least(without / with_limits, KEPT),
        )
    )


def cpu(turns: list[Figure]) -> float:
    """The CPU time of one deduction, of the service and of PostgreSQL together."""
    return median(turn.service_cpu + turn.postgres_cpu for turn in turns)
