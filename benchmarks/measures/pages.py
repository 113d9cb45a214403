"""`pages`: how long each page of the dashboard takes, for an account that looks back on a year. One after the other."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median

import httpx

from benchmarks.bench import OURS, Bench
from benchmarks.line import Line
from benchmarks.measures.looking_back import WARM_UP
from benchmarks.progress import Spoiled, say
from benchmarks.read_side import wait_until_caught_up
from benchmarks.report import Row, within
from benchmarks.services import running
from benchmarks.timing import TimedLine
from benchmarks.years import BUSY, QUARTERS, years
from people.api_keys import create_key

ROOT = "/dashboard"
ACCOUNT = f"{ROOT}/accounts/{BUSY}"
MILLISECONDS = 100.0


def pages(bench: Bench) -> None:
    """From the request to the last byte of the page, over one connection."""
    entries = bench.pace.quarter_events * QUARTERS
    with _visitors(bench) as (person, operator):
        say("pages: looking at every page")
        for name, path in _own().items():
            _tell(bench, f"{name}, of an account with {entries:,} entries", _timed(person, path, bench.pace.questions))
        for name, path in _of_operators().items():
            _tell(bench, f"{name}, for an operator", _timed(operator, path, bench.pace.questions))


def _own() -> dict[str, str]:
    today = datetime.now(UTC).date()
    year = f"from={today - timedelta(days=364)}&to={today}"
    return {
        "the overview": ACCOUNT,
        "usage of 7 days": f"{ACCOUNT}/usage?range=7d",
        "usage of 30 days": f"{ACCOUNT}/usage?range=30d",
        "usage of 365 days": f"{ACCOUNT}/usage?{year}",
        "usage under a filter that finds nothing": f"{ACCOUNT}/usage?range=30d&project=none-of-these",
        "billing": f"{ACCOUNT}/billing",
    }


def _of_operators() -> dict[str, str]:
    return {
        "an account's events": f"{ACCOUNT}/events",
        "the form of a grant": f"{ACCOUNT}/grant",
        "the accounts": f"{ROOT}/accounts?sort=balance",
        "statistics of 90 days": f"{ROOT}/statistics?range=90d",
        "the state of the service": f"{ROOT}/service",
    }


@contextmanager
def _visitors(bench: Bench) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A person and an operator, come in as they do; the account has just done something."""
    stand = years(bench)
    with running(stand, OURS[0]) as service, Line(service.port, stand.api_key):
        deducting = TimedLine(stand, service)
        deducting.deduct(BUSY)
        deducting.close()
        wait_until_caught_up(stand.ours.conninfo)
        base = f"http://127.0.0.1:{service.port}"
        with _client(base) as person, _client(base) as operator:
            key = create_key(stand.ours.conninfo, "pages", ["admin"])
            allowed = {"Authorization": f"Bearer {key}"}
            link = person.post("/v1/portal_sessions", json={"account_id": BUSY}, headers=allowed).json()["url"]
            _read(person, link)
            token = re.search(r'name="csrf" value="(\w+)"', _read(operator, f"{ROOT}/sign-in"))
            assert token is not None
            operator.post(f"{ROOT}/sign-in", data={"key": key, "csrf": token[1]}).raise_for_status()
            yield person, operator


def _client(base: str) -> httpx.Client:
    return httpx.Client(base_url=base, follow_redirects=True, trust_env=False, timeout=60)


def _timed(visitor: httpx.Client, path: str, times: int) -> list[float]:
    """Milliseconds, in order."""
    found = []
    for number in range(WARM_UP + times):
        began = time.perf_counter()
        _read(visitor, path)
        if number >= WARM_UP:
            found.append((time.perf_counter() - began) * 1e3)
    return sorted(found)


def _read(visitor: httpx.Client, path: str) -> str:
    """A page. Raises Spoiled for what is none."""
    answer = visitor.get(path)
    if answer.status_code != 200 or "</html>" not in answer.text:
        raise Spoiled(f"GET {path} was answered with {answer.status_code}: {answer.text[:300]}")
    return answer.text


def _tell(bench: Bench, what: str, milliseconds: list[float]) -> None:
    middle, p99 = median(milliseconds), milliseconds[int(len(milliseconds) * 0.99)]
    bench.report.add(
        Row(
            f"page: {what}",
            f"median {middle:.1f} ms, p99 {p99:.1f} ms",
            must_reach=f"{MILLISECONDS:.0f} ms",
            reached=within(middle, p99, MILLISECONDS),
        )
    )
