"""Thousands of runs of the committer under all kinds of trouble, other ones every time.

A seed that fails is printed with its story and the command that repeats it. The last tests are about the simulation
itself: it must meet what it is for, repeat itself exactly, and find bugs that are put in.
"""

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ledger import committer
from ledger.committer import Committer
from ledger.desks import Desk
from ledger.intake import Intake
from ledger.lifeline import Lifeline
from ledger.submissions import Submission
from tests.simulation.run import Run
from tests.simulation.seeds import first_wrong, live_through

SEEDS = 2_500
CHUNK = 125
BASE = random.SystemRandom().randrange(10**9)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("chunk", range(SEEDS // CHUNK))
def test_no_seed_goes_wrong(chunk: int) -> None:
    for seed in range(BASE + chunk * CHUNK, BASE + (chunk + 1) * CHUNK):
        live_through(seed)


def stories(seeds: Iterable[int]) -> list[str]:
    """What happens in some runs, line by line."""
    lines = []
    for seed in seeds:
        run = Run(seed)
        run.play()
        lines += run.story
    return lines


def test_a_seed_tells_the_same_story_in_every_process() -> None:
    here = stories(range(6))
    program = "from tests.simulation.test_committer import stories\nprint(*stories(range(6)), sep='\\n')"
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True)
        assert done.stdout.splitlines() == here
    assert stories(range(6)) == here
    assert stories(range(6, 12)) != here


def test_a_run_meets_what_it_is_for() -> None:
    """Everything that the committer has an answer to happens often enough to be tested."""
    seen: Counter[str] = Counter()
    for seed in range(150):
        run = live_through(seed)
        seen.update(what_happened(run))
    for name, least in {
        "is fenced": 50,
        "crashes": 10,
        "is killed": 10,
        "is told to stop": 10,
        "is cut off": 10,
        "logs:": 20,
        "stale": 50,
        "used": 50,
        "replayed": 200,
        "KeyReused": 20,
        "BatchRefused": 50,
        "VersionMismatch": 20,
        "InsufficientCredits": 50,
        "overloaded": 20,
        "unavailable": 50,
        "nobody waits any more": 50,
        "failed": 10,
        "atomic": 50,
        "erased": 5,
        "snapshots": 50,
    }.items():
        assert seen[name] >= least, f"{name}: {seen[name]} times, {seen}"


def what_happened(run: Run) -> Iterable[str]:
    """Names of what a run has met, each as often as it has."""
    for _, _, *what in run.trace:
        if what[0] == "appends":
            yield from (name for name, met in (("stale", what[2].stale), ("used", what[2].used)) if met)
        else:
            yield what[0]
    for request in run.requests:
        if request.error is not None:
            yield request.error.split(":")[0]
        for outcome in request.answer or ():
            replayed = getattr(outcome, "replayed", None)
            yield "replayed" if replayed else type(outcome).__name__
            if request.atomic and replayed is False:
                yield "atomic"
    yield from ["snapshots" for kept in run.server.tables.snapshots.values() for _ in kept]
    yield from ["erased" for row in run.server.tables.log if row.topic == "TextsErased"]


async def connect_without_fence(self: Lifeline) -> None:
    self._writer, self._process = await self._log.connect_writer(None)


def answer_at_once(self: Committer, desk: Desk, submission: Submission) -> None:
    decide(self, desk, submission)
    if submission.events:
        submission.answer(submission.recorded(len(submission.events)))


def keep_the_state(self: Committer, desks: dict[Desk, None], submissions: Iterable[Submission]) -> None:
    tips = {desk: desk.tip for desk in desks}
    rewind(self, desks, submissions)
    for desk, tip in tips.items():
        desk.tip = tip


def forget_to_count(self: Intake, submission: Submission, error: Exception) -> None:
    submission.fail(error)


decide, rewind = Committer._decide, Committer._rewind


@pytest.mark.parametrize(
    ("owner", "name", "bug"),
    [
        (Lifeline, "connect", connect_without_fence),
        (Committer, "_decide", answer_at_once),
        (Committer, "_rewind", keep_the_state),
        (Intake, "fail", forget_to_count),
        (committer, "_give_key_back", lambda *_: None),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_bug_is_found(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, bug: Callable[..., Any]) -> None:
    monkeypatch.setattr(owner, name, bug)
    assert first_wrong(range(2_000)) is not None
