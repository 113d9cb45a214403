"""What every measure gets: where to run, how long, where to report, and the turns that several of them share."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from benchmarks.figures import Figure, http_load, typical, warm_up
from benchmarks.pace import ACCOUNTS, Pace
from benchmarks.progress import say
from benchmarks.report import Report
from benchmarks.services import Rival, Running, running
from benchmarks.stand import Stand

CONNECTIONS = 64
OURS = (Rival("ledger", 1), Rival("ledger", 2))
YARDSTICKS = (Rival("uvicorn", 1), Rival("granian", 1), Rival("uvicorn", 2), Rival("granian", 2))
RIVALS = (OURS[0], YARDSTICKS[0], YARDSTICKS[1], OURS[1], YARDSTICKS[2], YARDSTICKS[3])
"""In the order of their turns."""


_LONGEST = 120
"""Seconds of warming up, at most."""
_CACHED = re.compile(r"^credit_ledger_cached_accounts (\S+)$", re.MULTILINE)


@dataclass
class Bench:
    """One run."""

    stand: Stand
    pace: Pace
    report: Report
    spread: dict[Rival, list[Figure]] = field(default_factory=dict)
    """Single deductions, by rival, in each of its turns."""
    hot: dict[Rival, list[Figure]] = field(default_factory=dict)
    """The same on one account; the ledger alone."""
    years: Stand | None = None
    """Accounts that look back on a year; see years.py."""

    def take_turns(self, rivals: Iterable[Rival]) -> None:
        """Let rivals that have not been measured yet take turns at single deductions.

        The turns are interleaved, in the other order in every second round: whatever the machine does meanwhile, it
        does to all. Each turn is a fresh process on the same database, warmed up by the same load.
        """
        missing = [rival for rival in rivals if rival not in self.spread]
        for number in range(self.pace.rounds):
            for rival in missing if number % 2 == 0 else reversed(missing):
                say(f"single, round {number + 1} of {self.pace.rounds}: {rival}")
                self._take_turn(rival)

    def _take_turn(self, rival: Rival) -> None:
        with running(self.stand, rival) as service:
            self.warm_up(service)
            self.spread.setdefault(rival, []).append(self._single(service))
            if rival.ours:
                hot = http_load(self.stand, service, connections=CONNECTIONS, seconds=self.pace.seconds, accounts=1)
                self.hot.setdefault(rival, []).append(hot)

    def _single(self, service: Running) -> Figure:
        figure = http_load(self.stand, service, connections=CONNECTIONS, seconds=self.pace.seconds)
        say(f"  {figure.per_second:,.0f}/s")
        return figure

    def warm_up(self, service: Running) -> None:
        """Load that is not counted. The ledger's cache is filled by batches first, for as long as that takes: what
        each account has behind it grows from turn to turn."""
        seconds = self.pace.warm_up
        if service.rival.ours:
            fill_cache(self.stand, service, seconds)
        warm_up(self.stand, service, connections=CONNECTIONS, seconds=seconds)

    def peak(self) -> float:
        """Our single deductions a second, with one worker."""
        self.take_turns(OURS[:1])
        return typical(self.spread[OURS[0]])


def fill_cache(
    stand: Stand, service: Running, seconds: int, accounts: int = ACCOUNTS, enough: int | None = None
) -> None:
    """Batches for as long as it takes until the ledger has the accounts of the load, or `enough` of them, in memory."""
    for _ in range(_LONGEST // seconds):
        warm_up(stand, service, connections=4, seconds=seconds, accounts=accounts, commands=500)
        if _cached(service) >= (enough or accounts):
            break


def _cached(service: Running) -> float:
    """Accounts that its workers keep in memory, together: each says so when it is asked, and chance decides who is."""
    found = 0.0
    for _ in range(4 * service.rival.workers):
        text = httpx.get(f"http://127.0.0.1:{service.port}/metrics", trust_env=False, timeout=60).text
        found = max(found, *(float(number) for number in _CACHED.findall(text)))
    return found
