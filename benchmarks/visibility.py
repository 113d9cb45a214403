"""Deductions one after the other beside a load, each timed from its answer until the projections have it.

The deductions are sent at given times over one connection. A second thread asks for the position that all live
projections have reached, every few milliseconds, on a connection of its own: so up to one such look of every figure is
this client's own. It begins when the load does. Run by measures/lag.py in a process of its own; prints one JSON object.
"""

import argparse
import json
import os
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from statistics import median
from time import monotonic
from typing import NamedTuple

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Composed

from benchmarks.accounts import name
from benchmarks.line import Line, deduction
from benchmarks.progress import Spoiled
from benchmarks.read_side import least_position

LOOK = 0.004
"""Seconds between two looks."""
PATIENCE = 30.0
"""Seconds that the load may take to begin, and that a deduction may take to be visible."""

_END = SQL("SELECT max(notification_id) FROM ledger.events")


class Told(NamedTuple):
    """A deduction that was answered."""

    position: int
    at: float


class Visibility:
    """What was answered, and what of it the projections have."""

    def __init__(self, options: argparse.Namespace, connection: Connection[tuple[int]]) -> None:
        self._options = options
        self._connection = connection
        self._told: deque[Told] = deque()
        self.first: Told | None = None
        self.last: Told | None = None
        self.lags: list[float] = []

    def wait_for_load(self) -> None:
        """Return when the log grows at half of the rate at least, and has done so while callers warmed up."""
        deadline = monotonic() + PATIENCE
        before, grown = self._ask(_END), 0
        while grown < self._options.load / 2:
            if monotonic() > deadline:
                raise Spoiled(f"the load does not begin: {grown} events in a second")
            time.sleep(1)
            after = self._ask(_END)
            before, grown = after, after - before
        time.sleep(self._options.warm_up)

    def deduct(self) -> None:
        """Send all deductions, each at its time."""
        total = self._options.rate * self._options.seconds
        key = os.environ["BENCHMARK_API_KEY"]
        with Line(self._options.port, key) as line:
            began = monotonic()
            for number in range(total):
                time.sleep(max(0.0, began + number / self._options.rate - monotonic()))
                account = name(number % self._options.accounts)
                answer = line.ask(deduction(account, key, f"{self._options.prefix}{number:09d}"))
                if answer.status != 201:
                    raise Spoiled(f"a deduction was answered with {answer.status}: {answer.body[:500]!r}")
                self.last = Told(json.loads(answer.body)["position"], monotonic())
                self.first = self.first or self.last
                self._told.append(self.last)

    def look(self, sending: "Future[None]") -> None:
        """Take the time at which each is visible, until all are."""
        query = SQL("SELECT {}").format(least_position())
        while self._told or not sending.done():
            position, now = self._ask(query), monotonic()
            while self._told and self._told[0].position <= position:
                self.lags.append(now - self._told.popleft().at)
            if self._told and now - self._told[0].at > PATIENCE:
                raise Spoiled(f"position {self._told[0].position} is not visible after {PATIENCE:.0f} s")
            time.sleep(LOOK)
        sending.result()

    def _ask(self, query: SQL | Composed) -> int:
        row = self._connection.execute(query, prepare=True).fetchone()
        assert row is not None
        return row[0]


def run(options: argparse.Namespace) -> dict[str, float]:
    """The whole run; latencies in milliseconds."""
    with psycopg.connect(os.environ["BENCHMARK_DATABASE"], autocommit=True) as connection:
        visibility = Visibility(options, connection)
        visibility.wait_for_load()
        with ThreadPoolExecutor(1) as pool:
            visibility.look(pool.submit(visibility.deduct))
    assert visibility.first is not None
    assert visibility.last is not None
    (first, began), (last, ended) = visibility.first, visibility.last
    lags = sorted(1e3 * lag for lag in visibility.lags)
    return {
        "probes": len(lags),
        "per_second": (last - first) / (ended - began),
        "p50": median(lags),
        "p99": lags[int(len(lags) * 0.99)],
        "max": lags[-1],
    }


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("port", "rate", "seconds", "load", "warm-up", "accounts"):
        parser.add_argument(f"--{option}", type=int, required=True)
    parser.add_argument("--prefix", required=True, help="what the idempotency keys begin with")
    json.dump(run(parser.parse_args()), sys.stdout)


if __name__ == "__main__":
    main()
