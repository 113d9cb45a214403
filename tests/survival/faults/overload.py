"""Three times what a service can do, then a third of it: callers come at given times, answered or not.

Judged besides what was lost: how long those waited who were let in, and when the service was itself again.
"""

import asyncio
import json
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ledger.progress import Progress
from tests.service import ADMIN_KEY
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures
from tests.survival.flood import ACCOUNTS, KEY, account
from tests.survival.ground import Ground
from tests.survival.log import Row, read_log
from tests.survival.plan import Plan
from tests.survival.projected import projections_differ
from tests.survival.serving import Serving, serving

CALLERS = 2_000
"""Connections; in the flood all of them have a request under way."""
CLOSED = 64
"""Connections that send as soon as they are answered: what they get through is the capacity."""
TOO_MUCH, NORMAL = 3.0, 0.3
"""Times the capacity."""
LONG, SHORT = (2, 10, 14), (1, 2, 1)
"""Seconds of normal load, of the flood, and of normal load again; in a run of one flood, and in longer ones."""
BOUND = 5.0
"""Seconds in which 99 of 100 must be answered who were let in, on the slowest machine that runs this."""
RECOVERS = 10.0
AS_BEFORE = 0.5
"""Seconds: a service whose p99 is below this, or below three times what it was before, is itself again."""


class Answer(NamedTuple):
    """One request. Times in seconds: from the beginning until it was due, and from then on."""

    key: str
    due: float
    took: float
    status: int


class Flooded(NamedTuple):
    """What became of one flood. Times in seconds."""

    capacity: float
    calm: float
    """The p99 before it; `flood` in it."""
    flood: float
    recovered_after: float | None
    refused: int
    given_up: int
    """Requests that found no free connection: their callers were all waiting."""


async def run(times: int, plan: Plan, ground: Ground, progress: Progress) -> Figures:
    """Measure what it can do, flood it, look at it afterwards; again."""
    progress.begin("flooding", times, "floods")
    figures = Figures()
    answers: list[Answer] = []
    with _many_files(), ground.database() as conninfo, ground.folder() as folder:
        async with serving(conninfo, folder, plan.chance("service"), workers=1) as service:
            await _open_accounts(service)
            for number in range(times):
                flooded = await _flood(service, f"{number}-", SHORT if times == 1 else LONG, answers)
                if times > 1:  # one flood is for what is lost; beside other tests it is no measure of time
                    figures.wrong += _complaints(flooded)
                figures.remarks.append(_told(flooded))
                progress.reach(number + 1)
            rows = await read_log(conninfo)
            figures.wrong += await projections_differ(conninfo)
    _judge(figures, answers, rows)
    return figures


@contextmanager
def _many_files() -> Iterator[None]:
    """Thousands of connections at both ends, until the block ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _open_accounts(service: Serving) -> None:
    names = {account(number) for number in range(ACCOUNTS)}
    commands = [{"op": "open", "account_id": name, "signup_credits": 10**9} for name in names]
    wire = service.connect()
    assert (await wire.post("/v1/batch", {"commands": commands})).status == 200
    wire.close()


async def _flood(service: Serving, prefix: str, seconds: tuple[int, int, int], answers: list[Answer]) -> Flooded:
    calm, flood, after = seconds
    closed = await _sent(service, f"{prefix}closed-", CLOSED, [(calm, 0.0)])
    capacity = len(closed.answers) / calm
    normal = capacity * NORMAL
    opened = await _sent(service, prefix, CALLERS, [(calm, normal), (flood, capacity * TOO_MUCH), (after, normal)])
    answers += closed.answers + opened.answers
    end = calm + flood
    before = _p99(each for each in opened.answers if each.due < calm)
    return Flooded(
        capacity,
        before,
        _p99(each for each in opened.answers if calm <= each.due < end),
        _recovered_after(opened.answers, end, end + after, max(AS_BEFORE, 3 * before)),
        sum(each.status != 201 for each in opened.answers),
        opened.given_up,
    )


class _Sent(NamedTuple):
    answers: list[Answer]
    given_up: int


async def _sent(service: Serving, prefix: str, connections: int, phases: Sequence[tuple[float, float]]) -> _Sent:
    """One run of flood.py."""
    told = ",".join(f"{seconds}x{rate:.0f}" for seconds, rate in phases)
    options = [f"--port={service.port}", f"--connections={connections}", f"--prefix={prefix}", f"--phases={told}"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.survival.flood", *options),
        env={**os.environ, KEY: ADMIN_KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    found = json.loads(said)
    answers = [Answer(f"{prefix}{number}", *rest) for number, *rest in found["answers"]]
    return _Sent(answers, len(found["given_up"]))


def _p99(answers: Iterator[Answer]) -> float:
    """Of those who were let in."""
    times = sorted(each.took for each in answers if each.status == 201)
    return times[int(len(times) * 0.99)] if times else float("inf")


def _recovered_after(answers: list[Answer], end: float, last: float, usual: float) -> float | None:
    """Seconds after the end of a flood until everything that was due was answered as usual; None: it never was."""
    late = [each.due for each in answers if each.due >= end and (each.status != 201 or each.took > usual)]
    seconds = sorted({int(due - end) for due in late})
    # One late answer in a hundred is usual.
    slow = [s for s in seconds if not _well([each for each in answers if s <= each.due - end < s + 1], usual)]
    after = slow[-1] + 1.0 if slow else 0.0
    return after if end + after < last else None


def _well(answers: list[Answer], usual: float) -> bool:
    return sum(each.status != 201 for each in answers) * 100 <= len(answers) and _p99(iter(answers)) <= usual


def _complaints(flooded: Flooded) -> Iterator[str]:
    if flooded.flood > BOUND:
        yield f"in the flood the p99 of those who were let in was {flooded.flood:.1f} s"
    if flooded.recovered_after is None or flooded.recovered_after > RECOVERS:
        yield f"after the flood the service was not itself again within {RECOVERS:.0f} s"


def _told(flooded: Flooded) -> str:
    asked = flooded.capacity * TOO_MUCH
    return (
        f"{asked:,.0f} requests a second by {CALLERS:,} callers at once, where {flooded.capacity:,.0f} are possible:"
        f" p99 {flooded.flood:.2f} s of those let in ({flooded.calm * 1e3:.0f} ms before), {flooded.refused:,} refused,"
        f" {flooded.given_up:,} never sent for want of a free caller; itself again after {flooded.recovered_after} s"
    )


def _judge(figures: Figures, answers: list[Answer], rows: list[Row]) -> None:
    """Every 201 is in the log once, and nothing else is."""
    told = {each.key for each in answers if each.status == 201}
    kept = Counter(row.metadata["idempotency_key"] for row in rows if row.topic == "CreditsDeducted")
    figures.commands = figures.requests = len(answers)
    figures.acknowledged, figures.refused, figures.events = len(told), len(answers) - len(told), len(rows)
    figures.lost += [f"{key} was answered 201, and the log does not have it" for key in told - kept.keys()]
    figures.duplicated += [f"{key} is recorded {count} times" for key, count in kept.items() if count > 1]
    figures.wrong += [f"{key} was refused, and is in the log" for key in kept.keys() - told]


FAULT = Fault("overload", "overload at three times the capacity, then normal load", "floods", 5, 1, run)
