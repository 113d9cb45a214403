"""`depth`, `summary` and `days`: whether a long history makes questions slow. Over HTTP, one after the other."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from benchmarks.bench import OURS, Bench
from benchmarks.line import Line
from benchmarks.progress import Spoiled, say
from benchmarks.read_side import wait_until_caught_up
from benchmarks.report import Row, at_most, within
from benchmarks.services import running
from benchmarks.timing import TimedLine
from benchmarks.years import BUSY, QUARTERS, TYPICAL, TYPICAL_QUARTERS, YOUNG, YOUNG_ENTRIES, years

DEPTH = 1_000_000
WALK = 1_000
"""Entries on a page on the way there."""
PAGE = 50
TIMES = 1.2

DAYS = 365
ZONE = "Europe/Berlin"
MILLISECONDS = 20.0
WARM_UP = 20
"""Times that a question is asked before it counts."""


class Questions:
    """A line on which each answer is timed, and none is taken on trust."""

    def __init__(self, line: Line, end: int) -> None:
        self._line = line
        self._end = end

    def ask(self, path: str) -> Any:
        """The answer. Raises Spoiled when it is a refusal, or from projections that are behind."""
        return self._read(path, *self._timed(path)[1:])

    def compare(self, paths: dict[str, str], times: int) -> dict[str, list[float]]:
        """Seconds that each of some questions takes, asked in turns, in the other order every second time."""
        found: dict[str, list[float]] = {name: [] for name in paths}
        for number in range(WARM_UP + times):
            for name in paths if number % 2 else reversed(paths):
                seconds, status, body = self._timed(paths[name])
                self._read(paths[name], status, body)
                if number >= WARM_UP:
                    found[name].append(seconds)
        return found

    def _timed(self, path: str) -> tuple[float, int, bytes]:
        began = time.perf_counter()
        status, body = self._line.get(path)
        return time.perf_counter() - began, status, body

    def _read(self, path: str, status: int, body: bytes) -> Any:
        if status != 200:
            raise Spoiled(f"GET {path} was answered with {status}: {body[:500]!r}")
        answer = json.loads(body)
        if answer["as_of_position"] != self._end:
            raise Spoiled(f"GET {path} was answered as of {answer['as_of_position']}, not of {self._end}")
        return answer


@contextmanager
def _asking(bench: Bench) -> Iterator[Questions]:
    """A service on the database with the long histories; each account has just done something."""
    stand = years(bench)
    with running(stand, OURS[0]) as service, Line(service.port, stand.api_key) as line:
        deducting = TimedLine(stand, service)
        for account in (BUSY, TYPICAL, YOUNG):
            deducting.deduct(account)
        deducting.close()
        yield Questions(line, wait_until_caught_up(stand.ours.conninfo))


def depth(bench: Bench) -> None:
    """The deep page is reached as a caller reaches it: from page to page."""
    goal = min(DEPTH, bench.pace.quarter_events * QUARTERS // WALK * WALK)
    path = f"/v1/accounts/{BUSY}/history"
    with _asking(bench) as questions:
        say(f"depth: walking to depth {goal:,}")
        paths = {"deep": f"{path}?limit={PAGE}&cursor={_walk(questions, path, goal)}", "first": f"{path}?limit={PAGE}"}
        for one in paths.values():
            if len(questions.ask(one)["entries"]) != PAGE:
                raise Spoiled(f"GET {one} is not a whole page")
        found = questions.compare(paths, bench.pace.questions)
    _tell(bench, f"a history page of {PAGE} at depth {goal:,} against the first page", *found.values())


def _walk(questions: Questions, path: str, goal: int) -> str:
    """The cursor behind so many entries. Raises Spoiled when the running balance does not run through all of them."""
    cursor, balance = "", None
    for _ in range(goal // WALK):
        page = questions.ask(f"{path}?limit={WALK}{cursor and f'&cursor={cursor}'}")
        entries = page["entries"]
        for entry in entries:
            if balance not in (None, entry["balance_after"]):
                raise Spoiled(f"the balance after entry {entry['sequence']} is not the one before the next: {entry}")
            balance = entry["balance_before"]
        if len(entries) != WALK:
            raise Spoiled(f"a page on the way has {len(entries)} entries")
        cursor = quote(page["next_cursor"])
    return cursor


def summary(bench: Bench) -> None:
    """Of accounts that have both done something today."""
    entries = bench.pace.quarter_events * QUARTERS
    with _asking(bench) as questions:
        say("summary: asking about an old and a young account in turns")
        paths = {name: f"/v1/accounts/{name}/summary?tz={ZONE}" for name in (BUSY, YOUNG)}
        for name, path in paths.items():
            if not questions.ask(path)["usage"]["today"]["deductions"]:
                raise Spoiled(f"{name} has done nothing today")
        found = questions.compare(paths, bench.pace.questions)
    day = datetime.now(ZoneInfo(ZONE)).day
    what = f"summary of an account with {entries:,} entries against one with {YOUNG_ENTRIES}, on day {day} of a month"
    _tell(bench, what, *found.values())


def _tell(bench: Bench, what: str, large: list[float], small: list[float]) -> None:
    ours, other = median(large), median(small)
    bench.report.add(
        Row(
            what,
            f"{ours * 1e3:.2f} ms against {other * 1e3:.2f} ms",
            ratio=f"{ours / other:.2f}",
            must_reach=f"at most {TIMES} times",
            reached=at_most(ours / other, TIMES),
        )
    )


def days(bench: Bench) -> None:
    """The last 365 local days, today included."""
    today = datetime.now(ZoneInfo(ZONE)).date()
    period = f"from={today - timedelta(days=DAYS - 1)}&to={today}&tz={ZONE}"
    with _asking(bench) as questions:
        say("days: asking for a year of a busy and of a typical account in turns")
        paths = {name: f"/v1/accounts/{name}/rollups/daily?{period}" for name in (BUSY, TYPICAL)}
        for name, path in paths.items():
            _must_be_whole(name, questions.ask(path))
        found = questions.compare(paths, bench.pace.questions)
    busy, typical = (sorted(seconds * 1e3 for seconds in each) for each in found.values())
    middle, p99 = median(busy), busy[int(len(busy) * 0.99)]
    bench.report.add(
        Row(
            f"{DAYS} local days of rollups in {ZONE}, with events in every quarter of an hour",
            f"median {middle:.2f} ms, p99 {p99:.2f} ms (with {TYPICAL_QUARTERS} such quarters a day: "
            f"median {median(typical):.2f} ms)",
            must_reach=f"{MILLISECONDS:.0f} ms",
            reached=within(middle, p99, MILLISECONDS),
        )
    )


def _must_be_whole(name: str, answer: Any) -> None:
    """Raise Spoiled unless every day of a year has deductions, and they add up to the total."""
    counts = [day["deductions"] for day in answer["days"]]
    if len(counts) != DAYS or not all(counts) or sum(counts) != answer["totals"]["deductions"]:
        raise Spoiled(f"the days of {name} are not a year of deductions: {counts}, {answer['totals']}")
